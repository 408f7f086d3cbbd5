//! What one request gets: a window of time, in which samples are counted.

use super::{
    super::{
        clock,
        sampling::{self, Books, Options, Unpacked},
    },
    sampler::Sampler,
};
use crate::model::{
    samples::{Place, Sampled, Samples, Weight},
    stack::{Answered, ThreadStack},
};
use std::ops::Range;

/// What is counted apart in a window, 48 bytes each, and frames of different stacks in an answer, 48
/// bytes each.
const MOST_COUNTS: usize = 32_768;
const MOST_FRAMES: usize = 300_000;

/// A sample as it is booked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Booking {
    pub key: Key,
    /// Periods that ended.
    pub samples: u64,
    pub ns: u64,
    /// Whether the stack is not complete.
    pub truncated: bool,
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub person: u32,
    pub place: Place,
    /// Number in the table; 0 where the place is no stack.
    pub stack: u32,
    pub label: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    samples: u64,
    ns: u64,
}

/// The window of a request, under way.
#[derive(Debug)]
pub(super) struct Window {
    books: Books<Key, Count>,
    /// What was dropped until it began; threads that were there, and those that had come until then.
    dropped: u64,
    threads: usize,
    met: usize,
}

impl sampling::Window<Sampler> for Window {
    /// The threads of this moment have their timers.
    fn open(options: &Options, sampler: &mut Sampler) -> Self {
        sampler.threads.own.note();
        let mut books = Books::new(Sampled::Cpu, options, &sampler.threads.own, MOST_COUNTS);
        books.report.hz = sampler.hz();
        Self {
            books,
            dropped: sampler.dropped(),
            threads: sampler.threads.alive(),
            met: sampler.threads.met,
        }
    }

    fn span(&self) -> &Range<u64> {
        &self.books.span
    }

    fn seen_ns(&self) -> u64 {
        clock::monotonic_ns()
    }

    fn finish(mut self, sampler: &mut Sampler) -> Samples {
        let done_ns = self.done_ns();
        let threads = &mut sampler.threads;
        threads.own.note();
        threads.note_names();
        let report = &mut self.books.report;
        report.window_ns = done_ns;
        report.threads = self.threads + threads.met.saturating_sub(self.met);
        report.without_timer = threads.without_timer();
        report.dropped += sampler.dropped().saturating_sub(self.dropped);
        let mut unpacked = Unpacked::new(MOST_FRAMES);
        let mut entry = |key, count| entry(key, count, sampler, &mut unpacked);
        let whose = |key: &Key| sampler.threads.person(key.person);
        let own = &sampler.threads.own;
        self.books
            .close(own, &sampler.table.modules, &whose, &mut entry)
    }
}

impl Window {
    /// Counts a sample, at a rate of `hz`.
    pub(super) fn book(&mut self, booking: &Booking, hz: u32) {
        let rest = Key {
            place: Place::TooMany,
            stack: 0,
            label: 0,
            ..booking.key
        };
        let Some(count) = self.books.at(booking.key, rest) else {
            return;
        };
        count.samples += booking.samples;
        count.ns = count.ns.saturating_add(booking.ns);
        let report = &mut self.books.report;
        report.hz = report.hz.max(hz);
        report.samples += booking.samples;
        if booking.truncated {
            report.truncated += booking.samples;
        }
    }
}

/// A stack of a thread with its weight; one that there is no room for without its frames.
fn entry(
    key: Key,
    count: Count,
    sampler: &Sampler,
    unpacked: &mut Unpacked,
) -> (ThreadStack, Weight) {
    let found = match key.place {
        Place::Stack => unpacked.stack(key.stack, &sampler.table),
        _ => None,
    };
    let place = match (key.place, &found) {
        (Place::Stack, None) => Place::TooMany,
        (place, _) => place,
    };
    let mut stack = ThreadStack {
        state: 'R',
        ..ThreadStack::default()
    };
    if let Some((known, frames)) = found {
        stack.answer = Answered::Stack;
        (stack.frames, stack.end) = (frames, known.what);
    }
    let weight = Weight {
        samples: count.samples,
        ns: count.ns,
        place,
        labels: sampler.labels.get(key.label),
        ..Weight::default()
    };
    (stack, weight)
}
