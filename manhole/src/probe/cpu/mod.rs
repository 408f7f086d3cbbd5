//! Where the time of the processor goes.
//!
//! Each thread of the host has a timer on its own CPU clock, whose signal leaves a copy of registers
//! and stack ([`crate::sys::stacks::Sampling`]); here the copies are taken every few milliseconds,
//! unwound and counted. The kernel looks at such timers at ticks of its scheduler only, so a signal may
//! stand for several periods: samples are weighted, and nothing is lost at rates above that of ticks.
//!
//! Threads are looked for every 10 ms ([`threads`]). Those that live shorter are met by a timer of the
//! process, which counts for nobody who has his own, or guard themselves (`manhole::thread_guard`).
//!
//! Requests at the same time share the sampler, each with a window of its own ([`shared`]): one of
//! their threads runs it ([`sampler`]) and books what comes in every window ([`window`]).

mod sampler;
mod shared;
mod table;
mod threads;
mod window;

use crate::model::{Failure, samples::Samples};
use std::time::Duration;

/// What to sample, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The signal that timers send.
    pub signal: i32,
    /// Samples per second of processor time, of each thread; 1 to 1000. When others sample at the same
    /// time all get the highest rate ([`Report::hz`](crate::model::samples::Report::hz)).
    pub hz: u32,
    /// How long.
    pub window: Duration,
    /// For [`Dump::app_crates`](crate::model::stack::Dump::app_crates).
    pub app_crates: Vec<String>,
}

/// Samples for as long as `options` say; `progress` is told now and then how much of the window is over,
/// in nanoseconds. When `keep_going` says no, what was seen until then is returned. About 3 us a sample
/// in the thread that is met, and 5 to 30 us on ours.
///
/// # Errors
/// `unsupported` when the host has taken the signal, or threads cannot be listed; `no-memory`; `busy`
/// when too many sample already; `cancelled` when `keep_going` says no before anything was seen.
pub(crate) fn sample(
    options: &Options,
    keep_going: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Samples, Failure> {
    shared::sample(options, keep_going, progress)
}

#[cfg(test)]
mod tests;
