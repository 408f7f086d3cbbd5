//! How a slot changes hands between the console and a thread that answers.
//!
//! One word, `generation:62 | state:2`, says whose it is. The console arms it for one thread; that
//! thread claims it, writes, and says so; the console reads and frees it under the next generation.
//! Whoever comes late finds another generation and leaves. A thread that was stopped while it
//! writes keeps its slot: it is not armed again before the thread went on and finished, however
//! long that takes.
//!
//! ```text
//! (g, FREE) --arm--> (g, ARMED) --claim--> (g, WRITING) --finish--> (g, READY) --release--> (g+1, FREE)
//!                        `--disarm--> (g+1, FREE)                        `--arm--> (g+1, ARMED)
//! ```
//!
//! The console's side is one thread at a time, which holds the turn. All zeros is a free slot, so
//! memory that the kernel wiped in a forked child is in order. Nothing here but atomics:
//! `tests/slot_model.rs` has loom try every interleaving.

use super::atomics::{AtomicU32, AtomicU64, Ordering};

pub(super) const FREE: u64 = 0;
pub(super) const ARMED: u64 = 1;
pub(super) const WRITING: u64 = 2;
pub(super) const READY: u64 = 3;

/// The bits of the word that are state.
const STATE_BITS: u32 = 2;
const STATE: u64 = (1 << STATE_BITS) - 1;

/// The bits of a generation that travel with a signal.
pub(super) const SENT: u64 = (1 << 26) - 1;

/// What is written into a slot is not in here: whoever may write or read it, by this, knows where.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) word: AtomicU64,
    /// Whom it is armed for; written only while nobody can claim.
    pub(super) tid: AtomicU32,
}

/// The right to write into a slot, or to read it: the generation it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(pub(super) u64);

impl Generation {
    /// As many bits as a signal carries.
    #[inline(always)]
    pub(super) fn sent(self) -> u64 {
        self.0 & SENT
    }

    #[inline(always)]
    pub(super) fn word(self, state: u64) -> u64 {
        self.0 << STATE_BITS | state
    }

    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1) & (u64::MAX >> STATE_BITS))
    }
}

/// Who has the turn: the console's side of all slots. 0 is nobody.
#[derive(Debug)]
pub(super) struct Holder(pub(super) AtomicU32);

impl Holder {
    /// Takes the turn for thread `me`, unless somebody has it.
    pub(super) fn take(&self, me: u32) -> bool {
        self.0
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    /// Whether nobody has it, so that nobody asks.
    #[inline(always)]
    pub(super) fn is_free(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Gives it back; what was done to the slots is done for whoever has it next.
    pub(super) fn give_back(&self) {
        self.0.store(0, Ordering::Release);
    }
}

/// The console's side.
impl Slot {
    /// Asks `tid`. `None` while the slot is in use, or belongs to a thread that has not finished
    /// what it was once asked for.
    pub(super) fn arm(&self, tid: u32) -> Option<Generation> {
        let word = self.word.load(Ordering::Acquire);
        let generation = match word & STATE {
            FREE => Generation(word >> STATE_BITS),
            READY => Generation(word >> STATE_BITS).next(),
            _ => return None,
        };
        self.tid.store(tid, Ordering::Relaxed);
        self.word.store(generation.word(ARMED), Ordering::Release);
        Some(generation)
    }

    /// Whether the answer is there and may be read until [`release`](Self::release).
    pub(super) fn is_ready(&self, generation: Generation) -> bool {
        self.word.load(Ordering::Acquire) == generation.word(READY)
    }

    /// Takes the request back. False when somebody has claimed the slot: it is, or will be, ready.
    pub(super) fn disarm(&self, generation: Generation) -> bool {
        let free = generation.next().word(FREE);
        self.word
            .compare_exchange(
                generation.word(ARMED),
                free,
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Frees a slot that is ready, once it was read.
    pub(super) fn release(&self, generation: Generation) {
        let free = generation.next().word(FREE);
        self.word.store(free, Ordering::Relaxed);
    }

    /// Whether a thread has the right to write now, perhaps from long ago.
    pub(super) fn is_being_written(&self) -> bool {
        self.word.load(Ordering::Relaxed) & STATE == WRITING
    }
}

/// The side of a thread that runs the handler: no call, no loop, nothing that can panic.
impl Slot {
    /// Takes the slot for writing if it is armed for `tid`; with `sent`, only by that generation.
    #[inline(always)]
    pub(super) fn claim(&self, tid: u32, sent: Option<u64>) -> Option<Generation> {
        let word = self.word.load(Ordering::Acquire);
        let generation = Generation(word >> STATE_BITS);
        if word & STATE != ARMED || sent.is_some_and(|sent| sent != generation.sent()) {
            return None;
        }
        if self.tid.load(Ordering::Relaxed) != tid {
            return None;
        }
        let writing = generation.word(WRITING);
        self.word
            .compare_exchange(word, writing, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        Some(generation)
    }

    /// Hands over what was written.
    #[inline(always)]
    pub(super) fn finish(&self, generation: Generation) {
        self.word.store(generation.word(READY), Ordering::Release);
    }
}
