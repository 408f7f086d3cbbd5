//! What one request gets: a window of time, in which the samples of all ticks are counted.

use super::{
    super::{cgroup, clock, procfs::push, stacks::fill_on},
    Options,
    followed::Person,
    table::{TOO_MANY, Table},
    ticks::{Sample, Sampler, Tick},
};
use crate::model::{
    order,
    samples::{Place, Report, Sampled, Samples, Throttled, Weight},
    stack::{Dump, Frame, ThreadStack},
};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Different stacks of threads that are counted apart, 48 bytes each, and frames of all of them in an
/// answer, 48 bytes each.
const MOST_COUNTS: usize = 65_536;
const MOST_FRAMES: usize = 500_000;

/// The window of a request, under way.
#[derive(Debug)]
pub(super) struct Window {
    pub asked_hz: u32,
    pub only: Option<BTreeSet<u32>>,
    app_crates: Vec<String>,
    began: Began,
    /// When the last tick was that was counted, and when the window is over.
    seen_ns: u64,
    ends_ns: u64,
    counts: HashMap<Key, Count>,
    report: Report,
    /// Threads that were there, times the nanoseconds for which they were.
    thread_ns: u128,
}

/// What the books said when it began.
#[derive(Clone, Debug, Default)]
struct Began {
    at_ns: u64,
    cpu_ns: Option<u64>,
    own_ns: u64,
    cgroup: cgroup::Cpu,
}

/// What is counted apart: the person, the stack, the labels.
type Key = (u32, u32, u64);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    samples: u64,
    ns: u64,
    waits: u64,
}

impl Window {
    /// Begins now.
    pub(super) fn new(options: &Options, sampler: &Sampler) -> Self {
        let now_ns = clock::monotonic_ns();
        let length = u64::try_from(options.window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            asked_hz: options.hz,
            only: options
                .only
                .as_ref()
                .map(|only| only.iter().copied().collect()),
            app_crates: options.app_crates.clone(),
            began: Began {
                at_ns: now_ns,
                cpu_ns: clock::process_cpu_ns(),
                own_ns: sampler.threads.own_ns,
                cgroup: cgroup::Cpu::read_own(),
            },
            seen_ns: now_ns,
            ends_ns: now_ns.saturating_add(length),
            counts: HashMap::new(),
            report: Report {
                what: Sampled::Wall,
                began_unix_ns: unix_now_ns(),
                asked_hz: options.hz,
                ..Report::default()
            },
            thread_ns: 0,
        }
    }

    /// Whether nothing more is to be counted.
    pub(super) fn is_over(&self) -> bool {
        self.seen_ns >= self.ends_ns
    }

    /// How much of it is over, in nanoseconds.
    pub(super) fn done_ns(&self) -> u64 {
        self.seen_ns.saturating_sub(self.began.at_ns)
    }

    /// When its last tick is due.
    pub(super) fn ends_ns(&self) -> u64 {
        self.ends_ns
    }

    /// Books what a tick at `now_ns`, at a rate of `hz`, saw: its samples stand for the time since the
    /// last one, and those that were visited for all that are there.
    pub(super) fn book(&mut self, tick: &Tick, now_ns: u64, hz: u32) {
        let since = now_ns.saturating_sub(self.seen_ns);
        self.seen_ns = now_ns;
        self.report.hz = self.report.hz.max(hz);
        self.thread_ns += u128::from(since) * u128::from(self.wanted(tick));
        let visited = tick.samples.len().max(1) as u128;
        let each = u128::from(since) * u128::from(tick.live) / visited;
        let each = u64::try_from(each).unwrap_or(u64::MAX);
        for sample in &tick.samples {
            if self
                .only
                .as_ref()
                .is_none_or(|only| only.contains(&sample.tid))
            {
                self.count(sample, each);
            }
        }
    }

    /// How many of those that are there this window is about.
    fn wanted(&self, tick: &Tick) -> u64 {
        let Some(only) = &self.only else {
            return tick.live;
        };
        let samples = tick.samples.iter();
        let seen = samples.filter(|sample| only.contains(&sample.tid)).count() as u64;
        let visited = tick.samples.len().max(1) as u64;
        (seen * tick.live + visited / 2) / visited
    }

    fn count(&mut self, sample: &Sample, ns: u64) {
        let report = &mut self.report;
        report.samples += 1;
        report.reused += u64::from(sample.reused);
        report.truncated += u64::from(sample.truncated);
        let mut key = (sample.person, sample.stack, sample.label);
        let full = self.counts.len() >= MOST_COUNTS || self.counts.try_reserve(1).is_err();
        if full && !self.counts.contains_key(&key) {
            // One for each thread; there are fewer of these than there may be counts.
            key = (sample.person, TOO_MANY, 0);
            if self.counts.len() >= 2 * MOST_COUNTS || self.counts.try_reserve(1).is_err() {
                report.dropped += 1;
                return;
            }
        }
        let count = self.counts.entry(key).or_default();
        // A wait that was under way when the window began is one of it, too.
        let began = sample.began || sample.waits && count.samples == 0;
        count.waits += u64::from(began);
        count.samples += 1;
        count.ns = count.ns.saturating_add(ns);
    }

    /// The samples, with whom and what they name taken from `sampler`.
    pub(super) fn finish(mut self, sampler: &mut Sampler) -> Samples {
        sampler.threads.note_own();
        let mut counts: Vec<(Key, Count)> = self.counts.drain().collect();
        let tid = |key: &Key| sampler.threads.people.get(key.0 as usize).map(|it| it.tid);
        order::sort_by_key(&mut counts, |(key, _)| (tid(key), *key));
        let mut samples = Samples {
            report: self.report(sampler),
            ..Samples::default()
        };
        samples.dump = Dump {
            taken_unix_ns: samples.report.began_unix_ns,
            took_ns: samples.report.window_ns,
            own_threads: sampler.threads.own_threads(),
            modules: sampler.table.modules.clone(),
            app_crates: self.app_crates,
            ..Dump::default()
        };
        let mut unpacked = Unpacked::default();
        for (key, count) in counts {
            let Some(person) = sampler.threads.people.get(key.0 as usize) else {
                continue;
            };
            let (stack, weight) = entry(person, key, count, sampler, &mut unpacked);
            let kept = push(&mut samples.dump.threads, stack) && push(&mut samples.weights, weight);
            if !kept {
                break;
            }
        }
        samples.dump.threads.truncate(samples.weights.len());
        fill_on(&mut samples.dump.threads, &|| true);
        samples
    }

    fn report(&self, sampler: &Sampler) -> Report {
        let window_ns = self.done_ns();
        let own_cpu_ns = sampler.threads.own_ns.saturating_sub(self.began.own_ns);
        let cpu_ns = clock::process_cpu_ns().zip(self.began.cpu_ns);
        let threads = (self.thread_ns + u128::from(window_ns) / 2) / u128::from(window_ns.max(1));
        Report {
            window_ns,
            cpu_ns: cpu_ns.map(|(now, then)| now.saturating_sub(then).saturating_sub(own_cpu_ns)),
            own_cpu_ns,
            threads: usize::try_from(threads).unwrap_or(usize::MAX),
            calls_hidden: sampler.threads.calls_hidden,
            throttled: throttled(&self.began.cgroup, &cgroup::Cpu::read_own()),
            ..self.report.clone()
        }
    }
}

/// The frames of stacks as they stand in the answer, each once.
#[derive(Debug, Default)]
struct Unpacked {
    known: HashMap<u32, Arc<[Frame]>>,
    frames: usize,
}

impl Unpacked {
    /// The stack `number`; `None` when there is no room for its frames.
    fn stack(&mut self, number: u32, table: &Table) -> Option<ThreadStack> {
        let stack = table.get(number)?;
        if let Some(frames) = self.known.get(&number) {
            return Some(stack.with(frames.clone()));
        }
        let frames = self.frames + stack.depth();
        if frames > MOST_FRAMES || self.known.try_reserve(1).is_err() {
            return None;
        }
        self.frames = frames;
        let frames = table.frames(number)?;
        self.known.insert(number, frames.clone());
        Some(stack.with(frames))
    }
}

/// A stack of a thread as it stands in the answer; one that there is no room for without its frames.
fn entry(
    person: &Person,
    (_, number, label): Key,
    count: Count,
    sampler: &Sampler,
    unpacked: &mut Unpacked,
) -> (ThreadStack, Weight) {
    let found = unpacked.stack(number, &sampler.table);
    let place = match &found {
        None => Place::TooMany,
        Some(found) if found.frames.is_empty() => Place::NoStack,
        Some(_) => Place::Stack,
    };
    let stack = ThreadStack {
        tid: person.tid,
        name: person.name.clone(),
        main: person.main,
        cpu_ns: person.cpu_ns,
        ..found.unwrap_or_default()
    };
    let weight = Weight {
        samples: count.samples,
        ns: count.ns,
        waits: count.waits,
        place,
        labels: sampler.labels.get(&label).cloned().unwrap_or_default(),
    };
    (stack, weight)
}

/// What the cgroup held back between two looks; `None` without a limit.
fn throttled(before: &cgroup::Cpu, after: &cgroup::Cpu) -> Option<Throttled> {
    after.limit_cores?;
    let grown = |figure: fn(&cgroup::Cpu) -> Option<u64>| {
        let (then, now) = (figure(before)?, figure(after)?);
        Some(now.saturating_sub(then))
    };
    Some(Throttled {
        periods: grown(|cpu| cpu.periods)?,
        throttled: grown(|cpu| cpu.throttled_periods)?,
        ns: grown(|cpu| cpu.throttled_ns).unwrap_or(0),
    })
}

fn unix_now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}
