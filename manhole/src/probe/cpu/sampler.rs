//! What runs while anybody samples: timers on all threads, and the copies that they leave.

use super::{
    super::{
        sampling::{Labels, Table, Walker},
        stacks::{no_proc, unusable},
    },
    threads::Threads,
    window::{Booking, Key},
};
use crate::{
    model::{Failure, samples::Place, stack::End},
    sys::{
        memory::read_own,
        stacks::{Clock, Sample, Sampling, Timer},
    },
};
use nix::{libc, sys::utsname::uname, time::ClockId};

/// Samples per second that can be had.
pub(super) const FASTEST: u32 = 1000;
/// Stacks that are kept, and frames of all together, 16 bytes each.
const MOST_STACKS: usize = 32_768;
const MOST_FRAMES: usize = 500_000;
/// Sets of labels that are kept.
const MOST_LABELS: usize = 4096;
/// Ticks of the scheduler by which a signal may be late without having been blocked.
const LATE_TICKS: u64 = 3;
/// From this kernel on a signal of the process's timer goes to the thread that runs.
const TO_WHO_RUNS: (u32, u32) = (6, 4);
const SECOND: u64 = 1_000_000_000;

/// Calls during which, or right after which, a signal that had been blocked is taken.
const UNBLOCK: [i64; 6] = [
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_pwait,
];

/// All that outlives the request that runs it.
#[derive(Debug)]
pub(super) struct Sampler {
    pub threads: Threads,
    /// The stacks, and where they end.
    pub table: Table<End>,
    pub labels: Labels,
    running: Option<Running>,
    /// Samples that found no place, of rates that are over.
    dropped: u64,
}

/// Timers of one rate; the timers of `Sampler::threads` are of it.
#[derive(Debug)]
struct Running {
    process: Option<Timer>,
    sampling: Sampling,
    signal: i32,
    hz: u32,
    /// Periods by which a signal may be late without having been blocked.
    late: u64,
}

impl Sampler {
    pub(super) fn new() -> Self {
        Self {
            threads: Threads::new(),
            table: Table::new(MOST_STACKS, MOST_FRAMES),
            labels: Labels::new(MOST_LABELS),
            running: None,
            dropped: 0,
        }
    }

    /// The rate of this moment.
    pub(super) fn hz(&self) -> u32 {
        self.running.as_ref().map_or(0, |running| running.hz)
    }

    /// Samples that found no place since the sampler began.
    pub(super) fn dropped(&self) -> u64 {
        let now = self.running.as_ref();
        self.dropped + now.map_or(0, |running| running.sampling.dropped())
    }

    /// Sees to it that all threads have timers of this rate.
    ///
    /// # Errors
    /// When the signal is somebody else's by now, or threads cannot be listed.
    pub(super) fn run_at(
        &mut self,
        signal: i32,
        hz: u32,
        walker: &Walker,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<(), Failure> {
        let fits = self
            .running
            .as_ref()
            .is_some_and(|now| now.hz == hz && now.signal == signal);
        if !fits {
            self.stop();
            let failed = |why| unusable(&why, signal, &walker.unwinder);
            let sampling = Sampling::start(signal, SECOND / u64::from(hz), keep_going);
            let sampling = sampling.map_err(failed)?.ok_or_else(Failure::cancelled)?;
            self.running = Some(Running {
                process: None,
                sampling,
                signal,
                hz,
                late: LATE_TICKS * tick_ns().saturating_mul(u64::from(hz)) / SECOND + 1,
            });
        }
        let Some(running) = &mut self.running else {
            return Ok(());
        };
        if let Err(why) = running.sampling.check() {
            self.stop();
            return Err(unusable(&why, signal, &walker.unwinder));
        }
        let looked = self.threads.look(&running.sampling, signal);
        looked.ok_or_else(no_proc)?;
        running.cover_the_rest(&self.threads);
        Ok(())
    }

    /// Ends all timers.
    pub(super) fn stop(&mut self) {
        self.threads.drop_timers();
        if let Some(running) = self.running.take() {
            self.dropped += running.sampling.dropped();
        }
    }

    /// Takes what threads have left since the last time, and says what to book; how much that was.
    pub(super) fn drain(&mut self, walker: &mut Walker, book: &mut dyn FnMut(&Booking)) -> usize {
        let Some(running) = &self.running else {
            return 0;
        };
        let period = SECOND / u64::from(running.hz);
        let (threads, table, labels) = (&mut self.threads, &mut self.table, &mut self.labels);
        running.sampling.drain(&mut |sample| {
            let whose = threads.whose(sample.tid, sample.of_process, &running.sampling);
            let Some(person) = whose else {
                return;
            };
            labels.note(sample.label);
            let walk = walker.walk(&sample.copied);
            let number = walker.add(&walk.frames, walk.end, table);
            let weight = u64::from(sample.weight);
            let blocked = match weight > running.late && was_blocked(sample, walker) {
                true => weight - 1,
                false => 0,
            };
            let mut add = |place: Place, stack: u32, samples: u64| {
                let key = Key {
                    person,
                    place,
                    stack,
                    label: sample.label,
                };
                book(&Booking {
                    key,
                    samples,
                    ns: samples.saturating_mul(period),
                    truncated: place == Place::Stack && walk.end != End::Root,
                });
            };
            match number {
                Some(number) => add(Place::Stack, number, weight - blocked),
                None => add(Place::TooMany, 0, weight - blocked),
            }
            if blocked > 0 {
                add(Place::SignalBlocked, 0, blocked);
            }
        })
    }
}

impl Running {
    /// Threads that have no timer are met by that of the process, unless the host uses the signal itself,
    /// or a thread might be waiting for signals: one that is sent to the process as a whole would be
    /// given to it.
    fn cover_the_rest(&mut self, threads: &Threads) {
        if threads.somebody_blocks() || self.sampling.is_hosts_too() {
            self.process = None;
        } else if self.process.is_none() && goes_to_who_runs() {
            self.process = self.sampling.timer(Clock::Process).ok();
        }
    }
}

/// Whether the thread had blocked the signal until then. A long time in another call, or without the
/// ticks that a virtual machine was not given, is time at this very stack.
fn was_blocked(sample: &Sample<'_>, walker: &mut Walker) -> bool {
    let call = walker.calls.behind(sample.copied.registers.pc, &read_own);
    call.flatten()
        .is_some_and(|number| UNBLOCK.contains(&number))
}

/// The time between two ticks of the scheduler: what the coarse clock goes by.
fn tick_ns() -> u64 {
    let step = nix::time::clock_getres(ClockId::CLOCK_MONOTONIC_COARSE);
    step.map_or(10_000_000, |step| step.tv_nsec().unsigned_abs())
}

/// Whether the kernel gives a signal for the whole process to the thread whose time is up.
fn goes_to_who_runs() -> bool {
    let release = uname().ok();
    let release = release.as_ref().and_then(|name| name.release().to_str());
    release
        .and_then(version)
        .is_some_and(|version| version >= TO_WHO_RUNS)
}

/// Major and minor of `6.18.5-generic`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernels_version_is_read_from_its_release() {
        let check = |release: &str, expected| assert_eq!(version(release), expected, "{release}");
        check("6.18.5-generic", Some((6, 18)));
        check("5.4.0", Some((5, 4)));
        check("6.4-rc1", Some((6, 4)));
        check("", None);
        check("x", None);
    }

    #[test]
    fn ticks_have_a_length() {
        assert!((900_000..=10_000_000).contains(&tick_ns()), "{}", tick_ns());
    }
}
