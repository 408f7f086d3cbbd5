//! Stacks by number: each is kept once, for good, in a table that nobody waits for.
//!
//! A stack's frames and its record are written before its number appears in the index, and never
//! afterwards; what is counted at it is in the record. Two threads that meet with the same new stack may
//! both write it: one number wins, the other is nobody's.

use super::atomics::{AtomicU32, AtomicU64, Ordering};

/// Places of the index that are looked at for one stack.
const PROBES: usize = 64;

/// The number of a stack that is always there.
pub(super) const NOTHING: u32 = 0;
/// Samples of a time when nobody knew yet how to walk a stack.
pub(super) const BEFORE_INSTALL: u32 = 1;
/// Samples whose stack had no room.
pub(super) const NO_ROOM: u32 = 2;
/// Samples of a stack that could not be walked.
pub(super) const NO_STACK: u32 = 3;
/// The first number that is free.
pub(super) const FIRST: u32 = 4;

/// What is kept of a stack.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Where its frames begin, how many they are, and the upper half of its hash.
    shape: AtomicU64,
    /// What was counted here; `books.rs` says how.
    pub(super) counts: Counts,
}

/// What is counted at a stack.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) allocated_bytes: AtomicU64,
    pub(super) allocated_objects: AtomicU64,
    pub(super) freed_bytes: AtomicU64,
    pub(super) freed_objects: AtomicU64,
    pub(super) samples: AtomicU64,
    pub(super) freed_samples: AtomicU64,
    /// As of which high-water mark the next two are.
    pub(super) mark: AtomicU64,
    pub(super) marked_bytes: AtomicU64,
    pub(super) marked_objects: AtomicU64,
}

/// The memory of the table; all zeros is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stacks<'a> {
    /// Numbers by hash; a power of two.
    pub index: &'a [AtomicU32],
    pub records: &'a [Record],
    pub frames: &'a [AtomicU64],
    /// How many records and frames are in use.
    pub used: &'a Used,
}

/// What is in use.
#[derive(Debug)]
pub(super) struct Used {
    /// Records, beyond those that are always there.
    pub records: AtomicU32,
    pub frames: AtomicU32,
}

impl<'a> Stacks<'a> {
    /// The number of the stack with these frames, which are all of it or not; `None` when there is no room
    /// for it.
    pub(super) fn number(&self, frames: &[u64], whole: bool) -> Option<u32> {
        let hash = hash(frames, whole);
        let mut place = hash as usize;
        let mut mine = None;
        for _ in 0..PROBES {
            place %= self.index.len().max(1);
            let entry = self.index.get(place)?;
            let mut found = entry.load(Ordering::Acquire);
            if found == NOTHING {
                let number = match mine {
                    Some(number) => number,
                    None => *mine.insert(self.write(hash, frames, whole)?),
                };
                match entry.compare_exchange(found, number, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => return Some(number),
                    Err(theirs) => found = theirs,
                }
            }
            if self.is(found, hash, frames, whole) {
                return Some(found);
            }
            place += 1;
        }
        None
    }

    /// The numbers that were given out, and those that are always there.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        let given = self.used.records.load(Ordering::Acquire);
        BEFORE_INSTALL..FIRST.saturating_add(given)
    }

    /// The record of a number.
    pub(super) fn record(&self, number: u32) -> Option<&'a Record> {
        self.records.get(number as usize)
    }

    /// The frames of a number that was given out.
    pub(super) fn frames(&self, number: u32) -> &'a [AtomicU64] {
        let frames = self.record(number).and_then(|record| {
            let (start, length, _) = unpack(record.shape.load(Ordering::Acquire));
            self.frames.get(start..start + length)
        });
        frames.unwrap_or_default()
    }

    /// Whether the frames of a number are all of its stack.
    pub(super) fn is_whole(&self, number: u32) -> bool {
        self.record(number)
            .is_some_and(|record| is_whole(record.shape.load(Ordering::Acquire)))
    }

    fn write(&self, hash: u64, frames: &[u64], whole: bool) -> Option<u32> {
        let start = take(&self.used.frames, frames.len(), self.frames.len())?;
        let records = self.records.len().saturating_sub(FIRST as usize);
        let number = take(&self.used.records, 1, records)?.checked_add(FIRST)?;
        let room = self.frames.get(start as usize..)?;
        for (frame, into) in frames.iter().zip(room) {
            into.store(*frame, Ordering::Relaxed);
        }
        let shape = pack(start, frames.len(), whole, hash);
        self.record(number)?.shape.store(shape, Ordering::Release);
        Some(number)
    }

    fn is(&self, number: u32, hash: u64, frames: &[u64], whole: bool) -> bool {
        let Some(record) = self.record(number) else {
            return false;
        };
        let shape = record.shape.load(Ordering::Relaxed);
        let (start, length, part) = unpack(shape);
        if length != frames.len() || part != hash >> HASH_SHIFT || is_whole(shape) != whole {
            return false;
        }
        let theirs = self.frames.get(start..start + length).unwrap_or_default();
        let theirs = theirs.iter().map(|frame| frame.load(Ordering::Relaxed));
        theirs.eq(frames.iter().copied())
    }
}

/// Reserves `count` of `all`; what does not fit is not taken.
fn take(used: &AtomicU32, count: usize, all: usize) -> Option<u32> {
    let count = u32::try_from(count).ok()?;
    let fits = |used: u32| {
        let after = used.checked_add(count)?;
        (after as usize <= all).then_some(after)
    };
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
        .ok()
}

/// Bits of the hash that go into a shape, its highest.
const HASH_SHIFT: u32 = 40;
/// And of the length. A bit more says whether the frames are all.
const LENGTH_BITS: u32 = 7;
const WHOLE: u64 = 1 << 31;

fn pack(start: u32, length: usize, whole: bool, hash: u64) -> u64 {
    let length = length as u64 & ((1 << LENGTH_BITS) - 1);
    let whole = if whole { WHOLE } else { 0 };
    u64::from(start) << 32 | whole | length << 24 | hash >> HASH_SHIFT
}

fn is_whole(shape: u64) -> bool {
    shape & WHOLE != 0
}

fn unpack(shape: u64) -> (usize, usize, u64) {
    let length = shape >> 24 & ((1 << LENGTH_BITS) - 1);
    (
        (shape >> 32) as usize,
        length as usize,
        shape & ((1 << 24) - 1),
    )
}

fn hash(frames: &[u64], whole: bool) -> u64 {
    let mix = |hash: u64, frame: &u64| {
        let mixed = (hash ^ frame).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed ^ mixed >> 29
    };
    frames
        .iter()
        .fold(0xcbf2_9ce4_8422_2325 ^ u64::from(whole), mix)
}
