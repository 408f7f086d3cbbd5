//! Samples that were not freed yet, by address: a table that nobody waits for.
//!
//! An address has two buckets of eight places in each of a few levels, which are brought into use one
//! after the other, so that few samples touch few pages. What makes it simple is that an address belongs
//! to one thread at a time: between the allocator's handing it out and taking it back nobody else speaks
//! of it. Readers that go through the table meanwhile see a sample as it was put in, or not at all.

use super::atomics::{AtomicU64, Ordering, fence};

/// Places of a bucket: what a line of the cache holds of keys.
pub(super) const WAYS: usize = 8;
/// Words beside a key: how often it was written to, odd meanwhile, and a value.
pub(super) const WORDS: usize = 3;
/// A place that is being written. Nothing is allocated at this address.
const TAKEN: u64 = 1;

/// What is kept of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    /// The number of its stack.
    pub stack: u32,
    /// When it was taken.
    pub born: u32,
    /// Its size in bytes, below 2^48.
    pub size: u64,
    /// The code of the rate at which it was taken.
    pub rate: u16,
}

impl Value {
    fn words(self) -> [u64; 2] {
        let first = u64::from(self.stack) << 32 | u64::from(self.born);
        [first, self.size << 16 | u64::from(self.rate)]
    }

    fn of([first, second]: [u64; 2]) -> Self {
        Self {
            stack: (first >> 32) as u32,
            born: first as u32,
            size: second >> 16,
            rate: second as u16,
        }
    }
}

/// A part of the table; `keys` are a power of two of buckets, `values` [`WORDS`] words for each key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level<'a> {
    pub keys: &'a [AtomicU64],
    pub values: &'a [AtomicU64],
}

impl Level<'_> {
    /// Puts `value` at `address`, where nothing is; `false` when there is no room.
    pub(super) fn insert(&self, address: u64, value: Value) -> bool {
        self.places(address).any(|place| {
            let Some((key, [count, values @ ..])) = self.at(place) else {
                return false;
            };
            // Acquire: what the last one read there was read before this is written.
            let taken = key.compare_exchange(0, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            if taken.is_err() {
                return false;
            }
            let before = count.fetch_add(1, Ordering::Relaxed);
            // Who sees one of the words below also sees that they are being written.
            fence(Ordering::Release);
            for (word, into) in value.words().into_iter().zip(values) {
                into.store(word, Ordering::Relaxed);
            }
            count.store(before.wrapping_add(2), Ordering::Release);
            key.store(address, Ordering::Release);
            true
        })
    }

    /// Takes out what is at `address`.
    pub(super) fn remove(&self, address: u64) -> Option<Value> {
        self.places(address).find_map(|place| {
            let (key, [_, values @ ..]) = self.at(place)?;
            if key.load(Ordering::Acquire) != address {
                return None;
            }
            let value = read(values);
            // Release: the words were read before anybody writes there again. Only a host that frees
            // twice meets somebody else here.
            key.compare_exchange(address, 0, Ordering::Release, Ordering::Relaxed)
                .is_ok()
                .then_some(value)
        })
    }

    /// Shows each sample, with its address. Those that come and go meanwhile may be missed.
    pub(super) fn each(&self, show: &mut dyn FnMut(u64, Value)) {
        for place in 0..self.keys.len() {
            if let Some((address, value)) = self.look(place) {
                show(address, value);
            }
        }
    }

    /// What is in a place, all of it from one time that it was written to.
    fn look(&self, place: usize) -> Option<(u64, Value)> {
        let (key, [count, values @ ..]) = self.at(place)?;
        let before = count.load(Ordering::Acquire);
        let address = key.load(Ordering::Relaxed);
        let value = read(values);
        // Whoever saw something that was written later also sees that it was begun.
        fence(Ordering::Acquire);
        let same = count.load(Ordering::Relaxed) == before && before.is_multiple_of(2);
        (same && address > TAKEN).then_some((address, value))
    }

    /// The places where `address` may be.
    fn places(&self, address: u64) -> impl Iterator<Item = usize> + use<> {
        let buckets = (self.keys.len() / WAYS).max(1);
        let hash = (address >> 3).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let [first, second] = [hash >> 40, hash >> 20].map(|part| part as usize % buckets * WAYS);
        (first..first + WAYS).chain(second..second + WAYS)
    }

    fn at(&self, place: usize) -> Option<(&AtomicU64, &[AtomicU64; WORDS])> {
        let words = self.values.get(place.checked_mul(WORDS)?..)?;
        Some((self.keys.get(place)?, words.first_chunk()?))
    }
}

fn read(values: &[AtomicU64; 2]) -> Value {
    Value::of(values.each_ref().map(|word| word.load(Ordering::Relaxed)))
}
