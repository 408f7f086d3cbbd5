//! The console's side of samples: opens the gate, makes timers, takes what threads left.

use super::{
    Copied, Unusable,
    area::{Area, Tick},
    disposition,
    timers::{Clock, Timer},
    turn::Turn,
    value,
};
use nix::errno::Errno;
use std::{slice, sync::atomic::Ordering, time::Duration};

/// How long the start waits while others ask threads for their stacks.
const PATIENCE: Duration = Duration::from_secs(2);

/// A sample, as a thread left it.
#[derive(Debug)]
pub(crate) struct Sample<'a> {
    /// Whose.
    pub tid: u32,
    /// Periods that ended: one, and those that the kernel had no chance to tell of.
    pub weight: u32,
    /// Whether the timer of the process sent it, and not the thread's own.
    pub of_process: bool,
    /// The thread's label at that moment ([`crate::sys::labels`]).
    pub label: u64,
    /// Its registers and stack; `depth` is not looked for.
    pub copied: Copied<'a>,
}

/// Somebody samples; until dropped. There is one at a time.
#[derive(Debug)]
pub(crate) struct Sampling {
    area: Area,
    signal: i32,
    generation: u64,
    period_ns: u64,
}

impl Sampling {
    /// Opens the gate for timers of `period_ns`. `None` when `keep_going` said no.
    ///
    /// # Errors
    /// When the signal cannot be had, or somebody samples already.
    pub(crate) fn start(
        signal: i32,
        period_ns: u64,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Unusable> {
        let Some(turn) = Turn::take(PATIENCE, keep_going)? else {
            return Ok(None);
        };
        disposition::claim(signal)?;
        let area = turn.area();
        let head = area.head();
        if head.pool.gate.load(Ordering::SeqCst) != 0 {
            return Err(Unusable::Busy);
        }
        area.furnish();
        let generation = head.generation();
        head.period_ns.store(period_ns, Ordering::Relaxed);
        head.signal.store(signal.unsigned_abs(), Ordering::Relaxed);
        head.pool.dropped.store(0, Ordering::Relaxed);
        head.pool.gate.store(generation, Ordering::SeqCst);
        Ok(Some(Self {
            area,
            signal,
            generation,
            period_ns,
        }))
    }

    /// A timer whose signals leave samples here. Its first period ends at a random moment: one that
    /// began with all others would beat with whatever the service does in rounds.
    ///
    /// # Errors
    /// EAGAIN: RLIMIT_SIGPENDING; EINVAL: the thread has ended.
    pub(crate) fn timer(&self, clock: Clock) -> Result<Timer, Errno> {
        let (kind, seed) = match clock {
            Clock::Thread(tid) => (value::THREAD, tid),
            Clock::Process => (value::PROCESS, 0),
        };
        let value = value::pack(super::area::magic(), self.generation, kind);
        let first = self.area.some_phase(self.period_ns, seed);
        Timer::new(clock, self.signal, value, self.period_ns, first)
    }

    /// Whether the signal still has our handler.
    ///
    /// # Errors
    /// When it has not: the timers are to be deleted at once, their signals go to the host's handler.
    pub(crate) fn check(&self) -> Result<(), Unusable> {
        disposition::check(self.signal)
    }

    /// Whether the host handles the signal as well. One that is pending for the process swallows the
    /// next of its kind, so a timer of the process would cost it some; a thread's own does not.
    pub(crate) fn is_hosts_too(&self) -> bool {
        disposition::is_hosts_too(self.signal)
    }

    /// Whether thread `tid` made itself a timer ([`super::guard`]).
    pub(crate) fn is_guarded(&self, tid: u32) -> bool {
        self.area.head().guards.covers(tid)
    }

    /// What a thread that made itself a timer was called then, also when it has gone meanwhile.
    pub(crate) fn guarded_name(&self, tid: u32) -> Option<String> {
        self.area.head().guards.name(tid)
    }

    /// Samples that found no place so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.area.head().pool.dropped.load(Ordering::Relaxed)
    }

    /// Hands over what threads have left since the last time; how much that was.
    pub(crate) fn drain(&self, each: &mut dyn FnMut(&Sample<'_>)) -> usize {
        let pool = &self.area.head().pool;
        let places = (0..pool.ready.len()).flat_map(|word| pool.take(word));
        let mut count = 0;
        for place in places {
            let held = Held(&self.area, place);
            if let Some(tick) = held
                .read()
                .filter(|tick| tick.generation == self.generation)
            {
                each(&held.sample(&tick));
            }
            count += 1;
        }
        count
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        let head = self.area.head();
        if !self.area.is_of(std::process::id()) {
            return; // a forked child's: nothing of it is there
        }
        head.pool.gate.store(0, Ordering::SeqCst);
        head.guards.delete_all();
        self.drain(&mut |_| {});
        self.area.clear();
    }
}

/// A place that is being read; free again when dropped.
struct Held<'a>(&'a Area, usize);

impl Held<'_> {
    fn read(&self) -> Option<Tick> {
        // SAFETY: the place was handed over and is not released before this is dropped.
        Some(unsafe { self.0.head().ticks.get(self.1)?.read() })
    }

    fn sample(&self, tick: &Tick) -> Sample<'_> {
        let length = tick.left.copied.min(super::area::STACK);
        // SAFETY: as above nobody writes to the place's memory; `copied` bytes of it were written, and
        // it has STACK of them.
        let stack = unsafe { slice::from_raw_parts(self.0.tick_stack(self.1), length) };
        Sample {
            tid: tick.tid,
            weight: tick.weight,
            of_process: tick.kind == value::PROCESS,
            label: tick.left.label,
            copied: Copied {
                registers: tick.left.registers,
                stack,
                cut: tick.left.is_cut(),
                depth: None,
                label: tick.left.label,
            },
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.give_back(self.1);
    }
}
