//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Nothing that works takes this long, not even on two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `probe` finds something and returns it.
///
/// # Panics
/// After [`PATIENCE`], with `what` was waited for.
#[track_caller]
pub fn until<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, probe)
}

/// The same with a bound of its own, for what may rightly take long.
///
/// # Panics
/// When the time is over.
#[track_caller]
pub fn within<T>(patience: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + patience;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(
            Instant::now() < until,
            "waited {patience:?} in vain: {what}"
        );
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Waits until `probe` says yes.
///
/// # Panics
/// After [`PATIENCE`].
#[track_caller]
pub fn until_true(what: &str, mut probe: impl FnMut() -> bool) {
    until(what, || probe().then_some(()));
}
