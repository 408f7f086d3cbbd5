//! Counters by key: requests by status, errors by kind.

use super::{lazy::Lazy, registry::Body};
use crate::sys::list::List;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// How many keys a map keeps, and how long they may be in bytes.
const KEYS: usize = 256;
const LONGEST: usize = 128;
/// How many lists the keys are spread over: 8 of them to a list at most, on average.
const LISTS: usize = 32;

/// What the counts of keys that were not kept appear under.
pub(super) const OTHER: &str = "(other)";

/// Counters under one name, told apart by a key. The first 256 keys are kept; what is added under
/// others, or under keys of more than 128 bytes, appears as `(other)`. Everybody of level view sees
/// the keys: they should not name people.
///
/// ```
/// static BY_STATUS: manhole::vars::Map = manhole::vars::Map::new("http.by_status");
/// BY_STATUS.add("200", 1);
/// ```
pub struct Map {
    lazy: Lazy,
    lists: [List<Entry>; LISTS],
    keys: AtomicUsize,
    other: AtomicU64,
}

struct Entry {
    key: Box<str>,
    count: AtomicU64,
}

impl Map {
    /// An empty map, shown as `name` from its first use on.
    pub const fn new(name: &'static str) -> Self {
        Self {
            lazy: Lazy::new(name),
            lists: [const { List::new() }; LISTS],
            keys: AtomicUsize::new(0),
            other: AtomicU64::new(0),
        }
    }

    /// Adds `n` to the count of `key`: a short look-up and one atomic operation; a new key costs
    /// two allocations. Never waits.
    pub fn add(&'static self, key: &str, n: u64) {
        self.register();
        self.count(key).fetch_add(n, Ordering::Relaxed);
    }

    /// The count of `key`, 0 if there is none.
    pub fn get(&'static self, key: &str) -> u64 {
        self.register();
        self.peek().get(key).copied().unwrap_or(0)
    }

    /// Shows the map although nothing was counted yet.
    pub fn register(&'static self) {
        self.lazy.touch(|| Body::Map(self));
    }

    fn count(&'static self, key: &str) -> &'static AtomicU64 {
        let Some(list) = self.lists.get(spread(key) % LISTS) else {
            return &self.other;
        };
        if let Some(entry) = list.iter().find(|entry| *entry.key == *key) {
            return &entry.count;
        }
        if key.len() > LONGEST || self.keys.fetch_add(1, Ordering::Relaxed) >= KEYS {
            self.keys.fetch_min(KEYS, Ordering::Relaxed);
            return &self.other;
        }
        // Two threads may add the same key at the same moment; readers add the counts up.
        let entry = list.push(Entry {
            key: key.into(),
            count: AtomicU64::new(0),
        });
        &entry.count
    }

    /// Every key with its count, sorted.
    pub(super) fn peek(&self) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.lists.iter().flat_map(List::iter) {
            *counts.entry(entry.key.to_string()).or_default() +=
                entry.count.load(Ordering::Relaxed);
        }
        let other = self.other.load(Ordering::Relaxed);
        if other > 0 {
            *counts.entry(OTHER.to_owned()).or_default() += other;
        }
        counts
    }
}

/// FNV-1a: short keys, no state, and nobody gains by a collision among 256 keys.
fn spread(key: &str) -> usize {
    let hash = key.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    (hash ^ (hash >> 16)) as usize
}

impl std::fmt::Debug for Map {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Map")
            .field("name", &self.lazy.name())
            .field("counts", &self.peek())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_and_what_is_beyond_is_counted() {
        static MAP: Map = Map::new("test.map.bounded");
        for i in 0..KEYS + 10 {
            MAP.add(&format!("key {i}"), 1);
        }
        MAP.add(&"x".repeat(LONGEST + 1), 5);
        MAP.add("key 0", 1);
        let counts = MAP.peek();
        assert_eq!(counts.len(), KEYS + 1);
        assert_eq!((counts["key 0"], counts[OTHER]), (2, 15));
        assert_eq!(MAP.get("nowhere"), 0);
    }

    #[test]
    fn a_key_that_many_threads_add_at_once_is_one_key() {
        static MAP: Map = Map::new("test.map.race");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..100).for_each(|i| MAP.add(["a", "b"][i % 2], 1)));
            }
        });
        assert_eq!(
            MAP.peek().into_iter().collect::<Vec<_>>(),
            [("a".to_owned(), 400), ("b".to_owned(), 400)]
        );
    }
}
