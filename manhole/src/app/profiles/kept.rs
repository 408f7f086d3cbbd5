//! The things in one profile and the stacks they are from.
//!
//! A thread of the host never waits here: the lock is tried for a moment. What was to be added is then
//! lost and counted. What was to be removed is not: its key is put aside, and whoever has the lock next
//! removes it.

use super::Snapshot;
use crate::sys::{backtrace, lock::brief};
use std::{
    collections::{HashMap, hash_map},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Things, stacks, and frames of a stack that are kept.
const MOST: usize = 65_536;
const MOST_STACKS: usize = 4096;
const DEPTH: usize = 64;
/// Keys that can be put aside.
const ASIDE: usize = 64;
/// How often one who shows the profile tries for the lock.
const TRIES: u32 = 100;

pub(super) struct Kept {
    things: Mutex<Option<Things>>,
    /// Keys that are to be removed; 0 is none.
    aside: [AtomicU64; ASIDE],
    lost: AtomicU64,
    last: AtomicU64,
}

#[derive(Default)]
struct Things {
    /// From keys to stacks, by hash.
    by_key: HashMap<u64, u64>,
    stacks: HashMap<u64, Stack>,
}

struct Stack {
    frames: Arc<[u64]>,
    count: u64,
}

impl Kept {
    pub(super) fn new() -> Self {
        Self {
            things: Mutex::new(None),
            aside: [const { AtomicU64::new(0) }; ASIDE],
            lost: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    /// A number that no other thing has.
    pub(super) fn number(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// Adds the thing `key` with the stack of those who called the function that has `here` on its stack.
    pub(super) fn add<T>(&self, key: u64, here: &T) {
        let mut frames = [0; DEPTH];
        let filled = backtrace::callers(here, &mut frames);
        let frames = frames.get(..filled).unwrap_or_default();
        let added = self.with(|things| things.add(key, frames));
        if added != Some(true) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Removes the thing `key`.
    pub(super) fn remove(&self, key: u64) {
        if self.with(|things| things.remove(key)).is_some() {
            return;
        }
        let put = |place: &AtomicU64| {
            let put = place.compare_exchange(0, key, Ordering::AcqRel, Ordering::Relaxed);
            put.is_ok()
        };
        // Without a place it stays: there is one more than should be.
        let _ = self.aside.iter().any(put);
    }

    pub(super) fn count(&self) -> usize {
        self.with(|things| things.by_key.len()).unwrap_or(0)
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let list = |things: &mut Things| {
            let stacks = things.stacks.values();
            stacks.map(|it| (it.frames.clone(), it.count)).collect()
        };
        let stacks = (0..TRIES).find_map(|_| self.with(list));
        Snapshot {
            stacks: stacks.unwrap_or_default(),
            lost: self.lost.load(Ordering::Relaxed),
        }
    }

    /// With the lock, if it can be had within a moment.
    fn with<T>(&self, act: impl FnOnce(&mut Things) -> T) -> Option<T> {
        let mut things = brief(&self.things)?;
        let things = things.get_or_insert_with(Things::default);
        for place in &self.aside {
            if place.load(Ordering::Relaxed) != 0 {
                things.remove(place.swap(0, Ordering::AcqRel));
            }
        }
        Some(act(things))
    }
}

impl Things {
    /// False when there is no room.
    fn add(&mut self, key: u64, frames: &[u64]) -> bool {
        self.remove(key);
        let room = self.by_key.len() < MOST && self.by_key.try_reserve(1).is_ok();
        let Some(stack) = self.count(frames).filter(|_| room) else {
            return false;
        };
        self.by_key.insert(key, stack);
        true
    }

    /// Counts one more of a stack; its hash.
    fn count(&mut self, frames: &[u64]) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        frames.hash(&mut hasher);
        let hash = hasher.finish();
        if self.by_key.len() >= MOST || self.stacks.try_reserve(1).is_err() {
            return None;
        }
        let known = self.stacks.len();
        match self.stacks.entry(hash) {
            hash_map::Entry::Occupied(mut stack) => stack.get_mut().count += 1,
            hash_map::Entry::Vacant(_) if known >= MOST_STACKS => return None,
            hash_map::Entry::Vacant(place) => {
                place.insert(Stack {
                    frames: frames.into(),
                    count: 1,
                });
            }
        }
        Some(hash)
    }

    fn remove(&mut self, key: u64) {
        let Some(hash) = self.by_key.remove(&key) else {
            return;
        };
        if let hash_map::Entry::Occupied(mut stack) = self.stacks.entry(hash) {
            stack.get_mut().count -= 1;
            if stack.get().count == 0 {
                stack.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(things: &Things) -> Vec<u64> {
        let mut counts: Vec<u64> = things.stacks.values().map(|stack| stack.count).collect();
        counts.sort_unstable();
        counts
    }

    #[test]
    fn equal_stacks_are_counted_together_and_gone_ones_forgotten() {
        let mut things = Things::default();
        assert!(things.add(1, &[10, 20]) && things.add(2, &[10, 20]) && things.add(3, &[30]));
        assert_eq!(counts(&things), [1, 2]);
        assert!(things.add(2, &[30]));
        assert_eq!(counts(&things), [1, 2]);
        (1..5).for_each(|key| things.remove(key));
        assert_eq!((counts(&things), things.by_key.len()), (vec![], 0));
    }

    #[test]
    fn things_and_stacks_are_bounded() {
        let mut things = Things::default();
        let added = (0..10_000).filter(|nr| things.add(*nr, &[*nr])).count();
        assert_eq!((added, things.stacks.len()), (MOST_STACKS, MOST_STACKS));
        let added = (10_000..200_000).filter(|nr| things.add(*nr, &[0])).count();
        assert_eq!((added + MOST_STACKS, things.by_key.len()), (MOST, MOST));
        let sum: u64 = counts(&things).iter().sum();
        assert_eq!(sum, MOST as u64);
    }

    #[test]
    fn what_cannot_be_removed_at_once_is_removed_later() {
        let kept = Kept::new();
        kept.add(7, &0);
        let held = kept.things.lock().unwrap();
        kept.remove(7);
        kept.add(8, &0);
        drop(held);
        assert_eq!((kept.count(), kept.lost.load(Ordering::Relaxed)), (0, 1));
    }
}
