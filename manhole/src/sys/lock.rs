//! Locks that are tried for a moment, never waited for.
//!
//! A mutex held while the process forked is locked for ever in the child, and a host thread that
//! calls `TEXT.set(..)` there must not hang. All sections under these locks are a handful of
//! instructions, so a moment is enough in every other case.

use std::{
    hint,
    sync::{Mutex, MutexGuard, TryLockError},
    thread,
};

/// Tries before the thread lets others run, and tries after it began to.
const SPINS: u32 = 64;
const YIELDS: u32 = 256;

/// Locks `mutex` if that is possible within some microseconds (a yield's worth when the machine is
/// overloaded). A poisoned lock is taken as it is: no section leaves its data half written.
pub(crate) fn brief<T: ?Sized>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for attempt in 0..SPINS + YIELDS {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if attempt < SPINS => hint::spin_loop(),
            Err(TryLockError::WouldBlock) => thread::yield_now(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_never_released_is_given_up() {
        let mutex = Mutex::new(1);
        let held = mutex.lock().unwrap();
        assert!(brief(&mutex).is_none());
        drop(held);
        assert_eq!(brief(&mutex).as_deref(), Some(&1));
    }

    #[test]
    fn a_poisoned_lock_is_taken_as_it_is() {
        let mutex = Mutex::new(1);
        let _ = thread::scope(|scope| {
            let poison = || {
                let _held = mutex.lock();
                panic!("on purpose");
            };
            scope.spawn(poison).join()
        });
        assert!(mutex.is_poisoned());
        assert_eq!(brief(&mutex).as_deref(), Some(&1));
    }
}
