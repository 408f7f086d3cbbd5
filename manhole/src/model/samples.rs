//! What a sampler brings home: stacks, how often each was met, and how far that can be trusted.
//!
//! The stacks are a [`Dump`], so what names, folds and classifies the stacks of all threads does the
//! same for a profile.

mod json;

pub use json::{from_json, to_json};

use super::stack::Dump;
use std::sync::Arc;

/// What was seen in a window of time.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Samples {
    /// The stacks that were met, each once for each thread that was met there (and each set of
    /// labels): a thread has as many entries as it had stacks. Unnamed at first.
    pub dump: Dump,
    /// What was counted at each of `dump.threads`, in the same order.
    pub weights: Vec<Weight>,
    /// How it went.
    pub report: Report,
}

/// What was counted at one stack of one thread.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Weight {
    /// Periods of the sampler that ended here, missed ones included.
    pub samples: u64,
    /// The time that stands for, in nanoseconds: of the processor (`Cpu`), or of the clock (`Wall`).
    pub ns: u64,
    /// How many waits were seen to begin here (`Wall`): a thread that was met at several looks in one and
    /// the same wait counts once. A wait that fell between two looks was not seen, so there were as
    /// many or more. 0 for `Cpu`, and for threads that did not wait.
    pub waits: u64,
    /// What stands in place of a stack.
    pub place: Place,
    /// What the application said of the thread at that moment (`manhole::label`), sorted by key.
    pub labels: Arc<[(String, String)]>,
}

/// Where time is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Place {
    /// At the frames of the stack.
    #[default]
    Stack,
    /// The thread had blocked the signal, so the stack that was met later is not where the time went.
    SignalBlocked,
    /// The stack could not be read.
    NoStack,
    /// There were more stacks than are kept.
    TooMany,
}

/// What was sampled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Sampled {
    /// Time of the processor, thread by thread.
    #[default]
    Cpu,
    /// Time of the clock, of all threads, also of those that wait.
    Wall,
}

/// How a sampler did.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Report {
    /// What was sampled.
    pub what: Sampled,
    /// When the window began, in nanoseconds since the epoch.
    pub began_unix_ns: u64,
    /// How long it was, in nanoseconds; shorter than asked for when it was cancelled.
    pub window_ns: u64,
    /// Samples per second and thread that the caller asked for.
    pub asked_hz: u32,
    /// At which rate the sampler ran; another caller may have asked for a higher one.
    pub hz: u32,
    /// Periods that ended in the window, missed ones included: the sum of [`Weight::samples`].
    pub samples: u64,
    /// Signals that found no slot free; what they stood for is missing from `samples`.
    pub dropped: u64,
    /// Of `samples`, those whose stack is not complete to the thread's root.
    pub truncated: u64,
    /// Time of the processor that the host's threads used in the window by the kernel's account,
    /// in nanoseconds; the console's own threads are left out. `None` when it cannot be had.
    pub cpu_ns: Option<u64>,
    /// What the console's own threads used of it, in nanoseconds.
    pub own_cpu_ns: u64,
    /// How many threads of the host were there, whether they were met or not.
    pub threads: usize,
    /// Threads that got no timer of their own: they are covered by the one of the process.
    pub without_timer: usize,
    /// Of `samples`, those for which the thread was not asked, having not moved since it last answered
    /// (`Wall`).
    pub reused: u64,
    /// Whether the kernel keeps from us in which calls threads are, as in a process that dropped root
    /// (`Wall`): then how often a thread ran has told whether it moved.
    pub calls_hidden: bool,
    /// What the cgroup held back in the window; `None` where nothing limits the processor.
    pub throttled: Option<Throttled>,
}

impl Report {
    /// The rate at which samples came, per second of processor time that was used (`Cpu`) or per
    /// second and thread (`Wall`); `None` when there was nothing to sample.
    pub fn effective_hz(&self) -> Option<f64> {
        let base = match self.what {
            Sampled::Cpu => self.cpu_ns? as f64,
            Sampled::Wall => self.window_ns as f64 * self.threads as f64,
        };
        (base > 0.0).then(|| self.samples as f64 / (base / 1e9))
    }
}

/// Periods of a cgroup's processor limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Throttled {
    /// Periods in the window.
    pub periods: u64,
    /// Of these, those in which the cgroup had used up its share.
    pub throttled: u64,
    /// How long its threads were kept from running, in nanoseconds, added up.
    pub ns: u64,
}
