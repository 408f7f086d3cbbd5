//! Stopping a command that nobody waits for any more.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A flag that can be waited for; cloned into the command and kept by its conversation.
///
/// Built on std's futex primitives, not on the runtime: whoever waits here is a worker thread, and
/// application threads may look at it too without ever touching a waker of ours.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cancel {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Cancel {
    /// Asks the command to stop; it is not waited for.
    pub(crate) fn cancel(&self) {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.inner.1.notify_all();
    }

    /// Whether somebody asked.
    pub(crate) fn is_cancelled(&self) -> bool {
        *self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `until`, or less when cancelled; returns whether it was.
    pub(crate) fn wait_until(&self, until: Instant) -> bool {
        let mut cancelled = self.inner.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !*cancelled {
            let left = until.saturating_duration_since(Instant::now());
            if left == Duration::ZERO {
                break;
            }
            let waited = self.inner.1.wait_timeout(cancelled, left);
            cancelled = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *cancelled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiter_is_woken_by_cancel() {
        let cancel = Cancel::default();
        assert!(!cancel.wait_until(Instant::now()));
        let other = cancel.clone();
        let waiter =
            std::thread::spawn(move || other.wait_until(Instant::now() + Duration::from_secs(60)));
        cancel.cancel();
        assert!(waiter.join().unwrap());
        assert!(cancel.is_cancelled());
    }
}
