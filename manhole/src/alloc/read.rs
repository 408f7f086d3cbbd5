//! What was sampled, for those who ask: sums, stacks, live samples.
//!
//! Read while the host goes on, without stopping it: sums of a moment differ by what was allocated
//! meanwhile.

use super::{
    atomics::Ordering,
    books, countdown, hook,
    rate::Rate,
    stacks::{BEFORE_INSTALL, NO_ROOM, NO_STACK},
    tables,
};
use hook::MOST_FRAMES;

pub(crate) use super::rate::{Amount, weight};

/// The sums of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Since the process began.
    pub allocated: Amount,
    /// Of that, what was freed. The rest is live.
    pub freed: Amount,
    /// The most that was ever live, in bytes.
    pub peak_bytes: u64,
    /// How long ago that was reached last, in tenths of a second.
    pub peak_age_ds: u32,
    /// Bytes between two samples, on average, now; 0 when nothing is sampled, 1 when every allocation is.
    pub rate: u64,
    /// Samples that were taken.
    pub samples: u64,
    /// Of these, those that were not freed yet.
    pub live_samples: u64,
    /// Samples for which there was no room: they are in none of the sums.
    pub dropped: u64,
    /// Stacks that are known.
    pub stacks: u32,
}

/// What the frames of a stack are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Those that allocated.
    Stack,
    /// None: allocated before the console was installed.
    BeforeInstall,
    /// None: there was no room for more stacks.
    NoRoom,
    /// None: the stack could not be walked.
    NoStack,
}

/// What was counted at a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts<'a> {
    /// The number of the stack, the same for the life of the process.
    pub id: u32,
    /// What `frames` are.
    pub place: Place,
    /// Addresses within the calls, leaf first.
    pub frames: &'a [u64],
    /// Whether they lead to the thread's first function. Not so: there were more than [`MOST_FRAMES`], or
    /// the way was lost in code that nothing is known of yet, or on a stack that is not the thread's own.
    pub whole: bool,
    /// Since the process began.
    pub allocated: Amount,
    /// Of that, what was freed.
    pub freed: Amount,
    /// What was live here when the process had most.
    pub peak: Amount,
    /// Samples that were taken here.
    pub samples: u64,
}

/// A sample that was not freed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Live {
    /// The number of its stack.
    pub stack: u32,
    /// Its size in bytes.
    pub size: u64,
    /// The rate at which it was taken; [`weight`] makes of both for how many it stands.
    pub rate: u64,
    /// How long ago, in tenths of a second.
    pub age_ds: u32,
}

/// The sums; `None` when the process does not allocate through [`crate::Alloc`].
pub(crate) fn totals() -> Option<Totals> {
    if !hook::is_in_use() || is_hidden() {
        return None;
    }
    let sums = tables::sums();
    Some(Totals {
        allocated: sums.allocated,
        freed: sums.freed,
        peak_bytes: sums.highest,
        peak_age_ds: hook::now().wrapping_sub(sums.highest_at),
        rate: rate(),
        samples: sums.samples,
        live_samples: sums.samples.saturating_sub(sums.freed_samples),
        dropped: sums.dropped,
        stacks: tables::stacks(),
    })
}

/// Tests of what a process without the allocator says are in a program that has it.
#[cfg(test)]
pub(crate) static SHOWN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

#[cfg(test)]
fn is_hidden() -> bool {
    !SHOWN.load(Ordering::Relaxed)
}

#[cfg(not(test))]
const fn is_hidden() -> bool {
    false
}

/// Shows each stack at which something was counted. 0.1 us each.
pub(crate) fn stacks(each: &mut dyn FnMut(Counts<'_>)) {
    let mut frames = [0; MOST_FRAMES];
    tables::each_stack(&mut |kept| {
        let (id, held, record) = (kept.number, kept.frames, kept.record);
        let (allocated, freed) = books::both(&record.counts);
        let place = match id {
            BEFORE_INSTALL => Place::BeforeInstall,
            NO_ROOM => Place::NoRoom,
            NO_STACK => Place::NoStack,
            _ => Place::Stack,
        };
        // A number without frames is being given out at this moment.
        if allocated == Amount::default() || place == Place::Stack && held.is_empty() {
            return;
        }
        for (from, into) in held.iter().zip(&mut frames) {
            *into = from.load(Ordering::Relaxed);
        }
        each(Counts {
            id,
            place,
            frames: frames.get(..held.len()).unwrap_or_default(),
            whole: kept.whole,
            allocated,
            freed,
            peak: tables::at_mark(record),
            samples: record.counts.samples.load(Ordering::Relaxed),
        });
    });
}

/// Shows each live sample. 10 ns each, and 1 ns for each place in the table.
pub(crate) fn live(each: &mut dyn FnMut(Live)) {
    let now = hook::now();
    tables::each_live(&mut |value| {
        each(Live {
            stack: value.stack,
            size: value.size,
            rate: Rate::from_code(value.rate).bytes(),
            age_ds: now.saturating_sub(value.born),
        });
    });
}

/// Bytes between two samples, on average; 0 when nothing is sampled.
pub(crate) fn rate() -> u64 {
    countdown::rate().bytes()
}

/// Samples once in `bytes` on average from now on: 0 is never, 1 each allocation. Returns what is in effect,
/// which has eleven binary digits. A thread takes it over at its next sample.
pub(crate) fn set_rate(bytes: u64) -> u64 {
    countdown::set_rate(Rate::of(bytes));
    rate()
}
