//! One at a time: who holds the turn arms, reads and frees slots.

use super::{
    Unusable,
    area::{self, Area},
};
use nix::unistd::gettid;
use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

/// How often one who waits looks again.
const LOOK: Duration = Duration::from_micros(500);

/// The right to send, until dropped. It is kept in the mapping, which a fork wipes: in a child nobody
/// holds the turn of a thread that is not there.
#[derive(Debug)]
pub(super) struct Turn(Area);

impl Turn {
    /// Waits for it as long as `patience` and `keep_going` say; `None` when the latter says no.
    ///
    /// # Errors
    /// No memory, or somebody else had it all the time.
    pub(super) fn take(
        patience: Duration,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Unusable> {
        let area = area::ours().ok_or(Unusable::NoMemory)?;
        let me = u32::try_from(gettid().as_raw()).unwrap_or(u32::MAX);
        let since = Instant::now();
        let turn = &area.head().turn;
        while turn
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            if !keep_going() {
                return Ok(None);
            }
            if since.elapsed() > patience {
                return Err(Unusable::Busy);
            }
            thread::sleep(LOOK);
        }
        Ok(Some(Self(area)))
    }

    pub(super) fn area(&self) -> Area {
        self.0
    }
}

impl Drop for Turn {
    /// The stacks are given back first: whoever comes next shall not wait for that to be safe.
    fn drop(&mut self) {
        self.0.forget();
        self.0.head().turn.store(0, Ordering::Release);
    }
}
