//! What one request gets: a window of time, in which samples are counted.

use super::{
    super::{cgroup, clock, procfs::push},
    Options,
    sampler::Sampler,
    threads::Person,
};
use crate::model::{
    order,
    samples::{Place, Report, Sampled, Samples, Throttled, Weight},
    stack::{Answered, Dump, End, Frame, ThreadStack},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

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
    ends_ns: u64,
    app_crates: Vec<String>,
    began: Began,
    counts: HashMap<Key, Count>,
    report: Report,
}

/// What the books said when it began.
#[derive(Clone, Debug)]
struct Began {
    at_ns: u64,
    cpu_ns: Option<u64>,
    own_ns: u64,
    dropped: u64,
    /// Threads that were there, and those that had come until then.
    threads: usize,
    met: usize,
    cgroup: cgroup::Cpu,
}

impl Window {
    /// Begins now; the threads of this moment have their timers.
    pub(super) fn new(options: &Options, sampler: &mut Sampler) -> Self {
        let cgroup = cgroup::Cpu::read_own();
        sampler.threads.note_own();
        let at_ns = clock::monotonic_ns();
        let length = u64::try_from(options.window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            ends_ns: at_ns.saturating_add(length),
            app_crates: options.app_crates.clone(),
            began: Began {
                at_ns,
                cpu_ns: clock::process_cpu_ns(),
                own_ns: sampler.threads.own_ns,
                dropped: sampler.dropped(),
                threads: sampler.threads.alive(),
                met: sampler.threads.met,
                cgroup,
            },
            counts: HashMap::new(),
            report: Report {
                what: Sampled::Cpu,
                began_unix_ns: unix_now_ns(),
                asked_hz: options.hz,
                hz: sampler.hz(),
                ..Report::default()
            },
        }
    }

    /// How much of it is over, in nanoseconds.
    pub(super) fn done_ns(&self) -> u64 {
        clock::monotonic_ns().saturating_sub(self.began.at_ns)
    }

    /// Whether nothing more is to be counted.
    pub(super) fn is_over(&self) -> bool {
        clock::monotonic_ns() >= self.ends_ns
    }

    /// How much of it is left.
    pub(super) fn left(&self) -> Duration {
        Duration::from_nanos(self.ends_ns.saturating_sub(clock::monotonic_ns()))
    }

    /// Counts a sample, at a rate of `hz`.
    pub(super) fn book(&mut self, booking: &Booking, hz: u32) {
        let mut key = booking.key;
        let full = self.counts.len() >= MOST_COUNTS || self.counts.try_reserve(1).is_err();
        if full && !self.counts.contains_key(&key) {
            key = Key {
                place: Place::TooMany,
                stack: 0,
                label: 0,
                ..key
            };
            if self.counts.len() >= 2 * MOST_COUNTS || self.counts.try_reserve(1).is_err() {
                self.report.dropped += 1;
                return;
            }
        }
        let count = self.counts.entry(key).or_default();
        count.samples += booking.samples;
        count.ns = count.ns.saturating_add(booking.ns);
        self.report.hz = self.report.hz.max(hz);
        self.report.samples += booking.samples;
        if booking.truncated {
            self.report.truncated += booking.samples;
        }
    }

    /// The samples, with whom and what they name taken from `sampler`.
    pub(super) fn finish(mut self, sampler: &mut Sampler) -> Samples {
        let report = self.report(sampler);
        sampler.threads.note_names();
        let mut counts: Vec<(Key, Count)> = self.counts.drain().collect();
        let tid = |key: &Key| sampler.threads.person(key.person).map(|it| it.tid);
        order::sort_by_key(&mut counts, |(key, _)| (tid(key), *key));
        let mut samples = Samples {
            dump: Dump {
                taken_unix_ns: report.began_unix_ns,
                took_ns: report.window_ns,
                own_threads: sampler.threads.own_threads(),
                modules: sampler.table.modules.clone(),
                app_crates: self.app_crates,
                ..Dump::default()
            },
            report,
            ..Samples::default()
        };
        let mut stacks = Stacks::default();
        for (key, count) in counts {
            let Some(person) = sampler.threads.person(key.person) else {
                continue;
            };
            let (stack, weight) = stacks.entry(person, key, count, sampler);
            let kept = push(&mut samples.dump.threads, stack) && push(&mut samples.weights, weight);
            if !kept {
                break;
            }
        }
        samples.dump.threads.truncate(samples.weights.len());
        samples
    }

    fn report(&self, sampler: &mut Sampler) -> Report {
        let cgroup = cgroup::Cpu::read_own();
        sampler.threads.note_own();
        let own_cpu_ns = sampler.threads.own_ns.saturating_sub(self.began.own_ns);
        let cpu_ns = clock::process_cpu_ns().zip(self.began.cpu_ns);
        let came = sampler.threads.met.saturating_sub(self.began.met);
        let dropped = sampler.dropped().saturating_sub(self.began.dropped);
        Report {
            window_ns: self.done_ns(),
            dropped: self.report.dropped.saturating_add(dropped),
            cpu_ns: cpu_ns.map(|(now, then)| now.saturating_sub(then).saturating_sub(own_cpu_ns)),
            own_cpu_ns,
            threads: self.began.threads + came,
            without_timer: sampler.threads.without_timer(),
            throttled: throttled(&self.began.cgroup, &cgroup),
            ..self.report.clone()
        }
    }
}

/// Stacks as they stand in an answer: those that several threads were met at are there once.
#[derive(Default)]
struct Stacks {
    unpacked: BTreeMap<u32, (Arc<[Frame]>, End)>,
    frames: usize,
}

impl Stacks {
    /// A stack of a thread with its weight; one that there is no room for without its frames.
    fn entry(
        &mut self,
        person: &Person,
        key: Key,
        count: Count,
        sampler: &Sampler,
    ) -> (ThreadStack, Weight) {
        let found = match key.place {
            Place::Stack => self.unpack(key.stack, sampler),
            _ => None,
        };
        let place = match (key.place, &found) {
            (Place::Stack, None) => Place::TooMany,
            (place, _) => place,
        };
        let (frames, end) = found.unwrap_or_default();
        let stack = ThreadStack {
            tid: person.tid,
            name: person.name.clone(),
            main: person.main,
            state: 'R',
            cpu_ns: person.cpu_ns,
            answer: match place {
                Place::Stack => Answered::Stack,
                _ => Answered::NotAsked,
            },
            frames,
            end,
            ..ThreadStack::default()
        };
        let weight = Weight {
            samples: count.samples,
            ns: count.ns,
            place,
            labels: sampler.labels(key.label),
            ..Weight::default()
        };
        (stack, weight)
    }

    fn unpack(&mut self, number: u32, sampler: &Sampler) -> Option<(Arc<[Frame]>, End)> {
        if let Some(known) = self.unpacked.get(&number) {
            return Some(known.clone());
        }
        let depth = sampler.table.depth(number);
        if self.frames + depth > MOST_FRAMES {
            return None;
        }
        self.frames += depth;
        let found = sampler.table.unpacked(number)?;
        self.unpacked.insert(number, found.clone());
        Some(found)
    }
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
