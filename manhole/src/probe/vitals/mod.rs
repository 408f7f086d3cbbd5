//! The vital signs of the last 24 hours, taken on the 30 s tick: answers to "since when" and "how
//! fast".
//!
//! A tick costs about 40 us and 4 us a thread: `status`, the process clock, the size of
//! `/proc/self/fd`, two or three files of the cgroup, each thread's `schedstat`. It never touches the
//! `mmap_lock`. The ring holds 80 bytes a sample in blocks
//! of one hour and grows block by block, so a process pays for the time it has run: 230 KiB after a
//! day.

mod ring;
mod trend;

pub(crate) use ring::Ring;
pub(crate) use trend::Trend;

use super::{
    cgroup::{self, Mounts},
    clock::{monotonic_ns, process_cpu_ns},
    fds,
    heap_sums::{self, Rates, Recent, Totals},
    memory,
    threads::{self, Snapshot, Still},
};
use std::{
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

/// What was so at one moment. `None` is "not known", also in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Sample {
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// Pages in memory, in bytes.
    pub rss: Option<u64>,
    /// Anonymous pages in memory, in bytes.
    pub anonymous: Option<u64>,
    /// Pages of files in memory, in bytes.
    pub files: Option<u64>,
    /// Shared memory, in bytes.
    pub shared: Option<u64>,
    /// Swapped out, in bytes.
    pub swap: Option<u64>,
    /// What the cgroup is charged, in bytes.
    pub cgroup: Option<u64>,
    /// Live heap by the sampling allocator, in bytes; unknown without it.
    pub heap: Option<u64>,
    /// CPU time of the process since its start, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Time that the cgroup was throttled, in nanoseconds since it was made.
    pub throttled_ns: Option<u64>,
    /// Times the kernel killed in this cgroup for want of memory.
    pub oom_kills: Option<u64>,
    /// Threads, the console's included.
    pub threads: Option<u64>,
    /// Async tasks alive; unknown until something counts them.
    pub tasks: Option<u64>,
    /// Open descriptors.
    pub fds: Option<u64>,
    /// Tasks that wait in the runtimes' queues; unknown until something counts them.
    pub queue: Option<u64>,
}

/// What only other layers can say about the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Extra {
    /// Async tasks alive.
    pub tasks: Option<u64>,
    /// Tasks in the runtimes' queues.
    pub queue: Option<u64>,
}

impl Sample {
    fn now(extra: Extra, mounts: &Mounts) -> Self {
        let usage = memory::Usage::read().unwrap_or_default();
        let group = cgroup::Vital::read(mounts);
        Self {
            at_ns: monotonic_ns(),
            rss: usage.resident,
            anonymous: usage.anonymous,
            files: usage.files,
            shared: usage.shared,
            swap: usage.swap,
            cgroup: group.memory,
            heap: heap_sums::totals().map(|totals| totals.live_bytes),
            cpu_ns: process_cpu_ns(),
            throttled_ns: group.throttled_ns,
            oom_kills: group.oom_kills,
            threads: usage.threads,
            tasks: extra.tasks,
            fds: fds::count(),
            queue: extra.queue,
        }
    }
}

/// The ring, shared by the tick that fills it and the commands that ask.
#[derive(Debug, Default)]
pub(crate) struct Vitals {
    ring: Mutex<Ring>,
    still: Mutex<Option<Still>>,
    heap: Mutex<Recent>,
    // Looked up once; in here rather than in a static, which a fork in the wrong moment would leave
    // locked for ever in the child.
    mounts: OnceLock<Mounts>,
}

impl Vitals {
    /// An empty ring; it allocates with its first sample.
    pub(crate) const fn new() -> Self {
        Self {
            ring: Mutex::new(Ring::new()),
            still: Mutex::new(None),
            heap: Mutex::new(Recent::new()),
            mounts: OnceLock::new(),
        }
    }

    /// Takes all figures now, and keeps nothing; about 40 us.
    pub(crate) fn now(&self, extra: Extra) -> Sample {
        Sample::now(extra, self.mounts.get_or_init(Mounts::read))
    }

    /// Takes a sample and keeps it. Call it at install and every 30 s.
    pub(crate) fn tick(&self, extra: Extra) {
        let sample = self.now(extra);
        self.with(|ring| ring.push(sample));
        if let Some(totals) = heap_sums::totals() {
            let mut recent = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
            recent.note(monotonic_ns(), totals);
        }
        let stats = threads::sched_stats();
        self.still(|still| still.note(monotonic_ns(), stats.into_iter()));
    }

    /// Notes how much each thread has run, as the tick does, from a snapshot that was taken anyway.
    pub(crate) fn note_threads(&self, snapshot: &Snapshot) {
        self.still(|still| still.note(snapshot.at_ns, snapshot.sched_stats()));
    }

    /// The notes on threads that have not run; see [`Still`].
    pub(crate) fn still<T>(&self, job: impl FnOnce(&mut Still) -> T) -> T {
        let mut still = self.still.lock().unwrap_or_else(PoisonError::into_inner);
        job(still.get_or_insert_default())
    }

    /// How fast the program allocates, up to `now`; `None` until a tick has noted the counts.
    pub(crate) fn heap_rates(&self, now: &Totals) -> Option<Rates> {
        let recent = self.heap.lock().unwrap_or_else(PoisonError::into_inner);
        recent.rates(monotonic_ns(), now)
    }

    /// The newest sample kept: what `extra` was at the last tick, among others.
    pub(crate) fn last(&self) -> Option<Sample> {
        self.with(|ring| ring.last())
    }

    /// The oldest sample kept: at most a day old.
    pub(crate) fn first(&self) -> Option<Sample> {
        self.with(|ring| ring.first())
    }

    /// What was so about `age` ago; see [`Ring::near`].
    pub(crate) fn ago(&self, age: Duration) -> Option<Sample> {
        let at = monotonic_ns().checked_sub(nanos(age))?;
        self.with(|ring| ring.near(at, nanos(age) / 10))
    }

    /// Whether and how fast a figure grows, over the last `window` or as much of it as is known, with
    /// `now` as the newest point.
    pub(crate) fn trend(
        &self,
        window: Duration,
        now: &Sample,
        figure: fn(&Sample) -> Option<u64>,
    ) -> Option<Trend> {
        let from = now.at_ns.saturating_sub(nanos(window));
        let mut points = self.with(|ring| ring.series(from, figure));
        if let Some(value) = figure(now) {
            points.push((now.at_ns, value));
        }
        Trend::of(&points)
    }

    fn with<T>(&self, job: impl FnOnce(&mut Ring) -> T) -> T {
        // A ring is consistent after every statement, so a poisoned lock still guards a good one.
        job(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_kept_and_what_others_said_with_it() {
        let vitals = Vitals::new();
        assert_eq!((vitals.first(), vitals.ago(Duration::ZERO)), (None, None));
        let extra = Extra {
            tasks: Some(1204),
            ..Extra::default()
        };
        vitals.tick(extra);
        let last = vitals.last().unwrap();
        assert_eq!((last.tasks, last.heap), (Some(1204), None));
        assert_eq!(vitals.ago(Duration::ZERO), Some(last));
        assert_eq!(vitals.ago(Duration::from_secs(3600)), None);
        #[cfg(target_os = "linux")]
        assert!(last.rss > Some(1 << 20) && last.fds > Some(2) && last.threads >= Some(1));
    }

    #[test]
    fn a_trend_ends_with_the_figure_of_now() {
        let vitals = Vitals::new();
        let tick = 30_000_000_000;
        let sample = |n: u64| Sample {
            at_ns: 1 + n * tick,
            fds: Some(1000 + n * 20),
            ..Sample::default()
        };
        (0..20).for_each(|n| vitals.with(|ring| ring.push(sample(n))));
        let trend = |now| vitals.trend(Duration::from_secs(600), &now, |sample| sample.fds);
        let per_minute = trend(sample(20)).unwrap().per_second * 60.0;
        assert!((38.0..42.0).contains(&per_minute), "{per_minute}");
        // It has stopped: the newest ten minutes hold one tick and now.
        let stopped = Sample {
            at_ns: 1 + 38 * tick,
            ..sample(19)
        };
        assert_eq!(trend(stopped), None);
    }
}
