//! What the sampling allocator counted, as plain data: now, and at earlier looks.
//!
//! It is read in two steps, since nobody knows beforehand which stacks are worth their frames: figures
//! of all, then the frames of those that are kept. Reading takes about 50 ns a stack and 20 ns a live
//! sample, and stops nobody. Where `manhole::Alloc` is not the global allocator there is nothing to read.

pub(crate) mod baselines;
pub(crate) mod look;
pub(crate) mod snapshot;
#[cfg(test)]
mod tests;
mod weight;

use crate::alloc::read;

/// Hands each stack to its argument.
type EachStack = fn(&mut dyn FnMut(read::Counts<'_>));

/// Where the figures come from: the allocator of this process, or a test.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    /// See [`read::totals`].
    pub totals: fn() -> Option<read::Totals>,
    /// See [`read::stacks`].
    pub stacks: EachStack,
    /// See [`read::live`].
    pub live: fn(&mut dyn FnMut(read::Live)),
}

/// The allocator of this process.
pub(crate) const PROCESS: Source = Source {
    totals: read::totals,
    stacks: read::stacks,
    live: read::live,
};

/// Whether `manhole::Alloc` is the global allocator.
pub(crate) fn is_installed() -> bool {
    read::totals().is_some()
}

/// Mean bytes between two samples; 0 when sampling is off.
pub(crate) fn rate() -> u64 {
    read::rate()
}

/// Sets it, and tells what it came to: the allocator rounds. Samples that were taken keep their weights.
pub(crate) fn set_rate(bytes: u64) -> u64 {
    read::set_rate(bytes)
}
