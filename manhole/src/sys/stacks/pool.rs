//! Places for samples: how one changes hands between a thread whose timer expired and the console.
//!
//! Nobody asks for a sample, so nobody names a slot for it: the thread takes a free place, writes,
//! and says so; the console reads it and frees it. A bit for each place in two sets says how far it
//! is. A thread that was stopped while it writes is in neither: its place is nobody else's until it
//! goes on. The lowest free place of a word is taken, so that memory is touched as far as need be.
//!
//! ```text
//! free --claim--> (in neither set: the thread writes) --finish--> ready --take--> (the console reads) --release--> free
//! ```
//!
//! The gate says whose signals count: those of another generation are late, and theirs is nothing. A
//! thread that was stopped behind the gate writes under the generation it came with, and the console
//! compares that. All zeros is a pool without places, so memory that the kernel wiped in a forked
//! child gives none. Nothing here but atomics: `tests/slot_model.rs` has loom try it.

use super::atomics::{AtomicU64, Ordering};

/// How many places a word has bits for.
pub(super) const EACH: usize = 64;
/// How often a thread tries before its sample is dropped.
const TRIES: usize = 8;

/// `WORDS` times 64 places.
#[derive(Debug)]
pub(super) struct Pool<const WORDS: usize> {
    /// The generation whose signals count; 0 while nobody samples.
    pub(super) gate: AtomicU64,
    pub(super) free: [AtomicU64; WORDS],
    pub(super) ready: [AtomicU64; WORDS],
    /// Samples that found no place.
    pub(super) dropped: AtomicU64,
}

/// The side of a thread that runs the handler: no call, no panic, loops of fixed length.
impl<const WORDS: usize> Pool<WORDS> {
    /// Whether signals of `generation` count now.
    #[inline(always)]
    pub(super) fn lets_in(&self, generation: u64) -> bool {
        generation != 0 && self.gate.load(Ordering::Acquire) == generation
    }

    /// A place to write to; `None`, counted, when none is free or too many others want one.
    #[inline(always)]
    pub(super) fn claim(&self) -> Option<usize> {
        let mut tried = 0;
        while tried < TRIES {
            let at = tried & (WORDS.wrapping_sub(1));
            tried = tried.wrapping_add(1);
            let Some(word) = self.free.get(at) else {
                continue;
            };
            let free = word.load(Ordering::Relaxed);
            let lowest = free & free.wrapping_neg();
            // Whoever had it before is done with it (Acquire).
            if lowest != 0
                && word
                    .compare_exchange(free, free ^ lowest, Ordering::Acquire, Ordering::Relaxed)
                    .is_ok()
            {
                return Some(
                    at.wrapping_mul(EACH)
                        .wrapping_add(lowest.trailing_zeros() as usize),
                );
            }
        }
        self.dropped.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Hands over what was written to the place.
    #[inline(always)]
    pub(super) fn finish(&self, place: usize) {
        if let Some(word) = self.ready.get(place / EACH) {
            word.fetch_or(bit(place), Ordering::Release);
        }
    }
}

/// The console's side: one thread at a time.
impl<const WORDS: usize> Pool<WORDS> {
    /// The places of a word that were handed over; they are the caller's until released.
    pub(super) fn take(&self, word: usize) -> Places {
        let ready = self.ready.get(word);
        Places {
            first: word * EACH,
            bits: ready.map_or(0, |ready| ready.swap(0, Ordering::Acquire)),
        }
    }

    /// The free places of a word, which are the caller's until released.
    pub(super) fn take_free(&self, word: usize) -> Places {
        let free = self.free.get(word);
        Places {
            first: word * EACH,
            bits: free.map_or(0, |free| free.swap(0, Ordering::Acquire)),
        }
    }

    /// Gives a place back, once it was read.
    pub(super) fn release(&self, place: usize) {
        if let Some(word) = self.free.get(place / EACH) {
            word.fetch_or(bit(place), Ordering::Release);
        }
    }
}

#[inline(always)]
fn bit(place: usize) -> u64 {
    1_u64.rotate_left((place % EACH) as u32)
}

/// Some places of one word.
#[derive(Debug)]
pub(super) struct Places {
    first: usize,
    bits: u64,
}

impl Iterator for Places {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let at = self.bits.trailing_zeros();
        self.bits &= self.bits.wrapping_sub(1);
        (at < u64::BITS).then_some(self.first + at as usize)
    }
}
