//! Calls that may wait in the kernel for good: bounded, so that they never take all workers.
//!
//! `/proc/self/maps`, `environ` and `smaps_rollup` need the lock of the process's memory map. When a
//! thread of the host is stuck with it (an `mmap` of a file whose server hangs), so is whoever reads
//! them, and nothing can end the wait.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Most such calls of one user at a time; other commands have the other workers.
const EACH: usize = 5;
/// Most of all users.
const MOST: usize = 15;

/// How many such calls of each user are under way.
#[derive(Clone, Default)]
pub(crate) struct KernelCalls(Arc<Mutex<BTreeMap<u32, usize>>>);

impl KernelCalls {
    /// A place for a call of `uid`; `None` when all are taken.
    pub(crate) fn enter(&self, uid: u32) -> Option<Place> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let own = counts.entry(uid).or_default();
        if all >= MOST || *own >= EACH {
            return None;
        }
        *own += 1;
        Some(Place {
            calls: self.clone(),
            uid,
        })
    }
}

/// A place that is taken until this is dropped.
pub(crate) struct Place {
    calls: KernelCalls,
    uid: u32,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.calls.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_user_nor_all_of_them_take_every_worker() {
        let calls = KernelCalls::default();
        let enter = |uid: u32| calls.enter(uid);
        let mut first: Vec<Place> = (0..EACH).map(|_| enter(7).unwrap()).collect();
        assert!(enter(7).is_none());
        let others: Vec<Place> = (EACH..MOST)
            .map(|n| enter(n as u32 + 100).unwrap())
            .collect();
        assert!(enter(8).is_none());
        first.pop();
        drop(enter(8).unwrap());
        first.push(enter(7).unwrap());
        drop((first, others));
        assert!(calls.0.lock().unwrap().is_empty());
    }
}
