//! Where the time of the clock goes: all threads, whether they run or wait.
//!
//! At each tick threads are visited in random order. One that has not moved since it last answered is
//! not asked again ([`mark`]), which is what makes it cheap to look at a hundred threads that wait;
//! the others copy their stacks as for `stacks`. A tick asks so many threads and visits so many at most:
//! each of these then stands for more threads than itself, and over the ticks that comes out right.
//!
//! Requests at the same time share the sampler, each with a window of its own ([`shared`]): one of their
//! threads runs the ticks ([`ticks`]) and books what it sees in every window ([`window`]).

mod followed;
mod mark;
mod random;
mod shared;
mod table;
mod ticks;
mod walker;
mod window;

use crate::model::{Failure, samples::Samples};
use std::time::Duration;

/// What to sample, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The signal that asks threads for their stacks.
    pub signal: i32,
    /// Ticks per second.
    pub hz: u32,
    /// How long.
    pub window: Duration,
    /// Only these threads; `None`: all of them, those that start meanwhile included.
    pub only: Option<Vec<u32>>,
    /// For [`Dump::app_crates`](crate::model::stack::Dump::app_crates).
    pub app_crates: Vec<String>,
}

/// Samples for as long as `options` say; `progress` is told now and then how much of the window is over,
/// in nanoseconds. At 49 Hz and a hundred threads that wait it takes 3 % of a core, and up to 11 % with a
/// thousand or a higher rate, as a tick's visits are bounded. When `keep_going` says no, what
/// was seen until then is returned.
///
/// # Errors
/// When nobody can be asked (`unsupported`, `no-memory`), and when too many sample already (`busy`).
pub(crate) fn sample(
    options: &Options,
    keep_going: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Samples, Failure> {
    shared::sample(options, keep_going, progress)
}

#[cfg(test)]
mod tests;
