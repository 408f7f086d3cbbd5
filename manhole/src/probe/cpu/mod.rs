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
//! Requests at the same time share the sampler, each with a window of its own
//! ([`sampling`](super::sampling)): one of their threads runs it ([`drive`]) and books what comes in every
//! window ([`window`]).

mod drive;
mod sampler;
mod threads;
mod window;

use super::sampling::{self, Desk, Options};
use crate::{
    model::{Failure, samples::Samples},
    sys::list::List,
};
use sampler::Sampler;

static ALL: List<Desk<Sampler>> = List::new();

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
    sampling::sample(&ALL, options, keep_going, progress)
}

#[cfg(test)]
mod tests;
