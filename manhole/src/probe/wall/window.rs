//! What one request gets: a window of time, in which the samples of all ticks are counted.

use super::{
    super::{
        sampling::{self, Books, Options, Unpacked},
        stacks::fill_on,
    },
    met::TOO_MANY,
    ticks::{Sample, Sampler, Tick},
};
use crate::model::{
    samples::{Place, Sampled, Samples, Weight},
    stack::ThreadStack,
};
use std::ops::Range;

/// Different stacks of threads that are counted apart, 48 bytes each, and frames of all of them in an
/// answer, 48 bytes each.
const MOST_COUNTS: usize = 65_536;
const MOST_FRAMES: usize = 500_000;

/// The window of a request, under way.
#[derive(Debug)]
pub(super) struct Window {
    books: Books<Key, Count>,
    /// When the last tick was that was counted.
    seen_ns: u64,
    /// Threads that were there, times the nanoseconds for which they were.
    thread_ns: u128,
}

/// What is counted apart: the person, the stack, the labels.
type Key = (u32, u32, u64);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    samples: u64,
    ns: u64,
    waits: u64,
}

impl sampling::Window<Sampler> for Window {
    fn open(options: &Options, sampler: &mut Sampler) -> Self {
        let books = Books::new(Sampled::Wall, options, &sampler.threads.own, MOST_COUNTS);
        Self {
            seen_ns: books.span.start,
            books,
            thread_ns: 0,
        }
    }

    fn span(&self) -> &Range<u64> {
        &self.books.span
    }

    fn seen_ns(&self) -> u64 {
        self.seen_ns
    }

    fn finish(mut self, sampler: &mut Sampler) -> Samples {
        sampler.threads.own.note();
        let window_ns = self.done_ns();
        let threads = (self.thread_ns + u128::from(window_ns) / 2) / u128::from(window_ns.max(1));
        let report = &mut self.books.report;
        report.window_ns = window_ns;
        report.threads = usize::try_from(threads).unwrap_or(usize::MAX);
        report.calls_hidden = sampler.threads.calls_hidden;
        let mut unpacked = Unpacked::new(MOST_FRAMES);
        let mut entry = |key, count| entry(key, count, sampler, &mut unpacked);
        let (own, people) = (&sampler.threads.own, &sampler.threads.people);
        let whose = |key: &Key| people.get(key.0 as usize);
        let modules = &sampler.table.modules;
        let mut samples = self.books.close(own, modules, &whose, &mut entry);
        fill_on(&mut samples.dump.threads, &|| true);
        samples
    }
}

impl Window {
    /// Books what a tick at `now_ns`, at a rate of `hz`, saw: its samples stand for the time since the
    /// last one, and those that were visited for all that are there.
    pub(super) fn book(&mut self, tick: &Tick, now_ns: u64, hz: u32) {
        let since = now_ns.saturating_sub(self.seen_ns);
        self.seen_ns = now_ns;
        self.books.report.hz = self.books.report.hz.max(hz);
        let all = u128::from(since) * u128::from(tick.live);
        self.thread_ns += all;
        let each = all / tick.samples.len().max(1) as u128;
        let each = u64::try_from(each).unwrap_or(u64::MAX);
        tick.samples.iter().for_each(|it| self.count(it, each));
    }

    fn count(&mut self, sample: &Sample, ns: u64) {
        let report = &mut self.books.report;
        report.samples += 1;
        report.reused += u64::from(sample.reused);
        report.truncated += u64::from(sample.truncated);
        let key = (sample.person, sample.stack, sample.label);
        // One for each thread; there are fewer of these than there may be counts.
        let rest = (sample.person, TOO_MANY, 0);
        let Some(count) = self.books.at(key, rest) else {
            return;
        };
        // A wait that was under way when the window began is one of it, too.
        let began = sample.began || sample.waits && count.samples == 0;
        count.waits += u64::from(began);
        count.samples += 1;
        count.ns = count.ns.saturating_add(ns);
    }
}

/// A stack of a thread as it stands in the answer; one that there is no room for without its frames.
fn entry(
    (_, number, label): Key,
    count: Count,
    sampler: &Sampler,
    unpacked: &mut Unpacked,
) -> (ThreadStack, Weight) {
    let found = unpacked.stack(number, &sampler.table);
    let stack = found.map(|(stack, frames)| stack.what.with(frames));
    let place = match &stack {
        None => Place::TooMany,
        Some(stack) if stack.frames.is_empty() => Place::NoStack,
        Some(_) => Place::Stack,
    };
    let weight = Weight {
        samples: count.samples,
        ns: count.ns,
        waits: count.waits,
        place,
        labels: sampler.labels.get(label),
    };
    (stack.unwrap_or_default(), weight)
}
