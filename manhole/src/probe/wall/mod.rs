//! Where the time of the clock goes: all threads, whether they run or wait.
//!
//! At each tick threads are visited in random order. One that has not moved since it last answered is
//! not asked again ([`mark`]), which is what makes it cheap to look at a hundred threads that wait;
//! the others copy their stacks as for `stacks`. A tick asks so many threads and visits so many at most:
//! each of these then stands for more threads than itself, and over the ticks that comes out right.
//!
//! Requests at the same time share the sampler, each with a window of its own
//! ([`sampling`](super::sampling)): one of their threads runs the ticks ([`drive`], [`ticks`]) and books what
//! it sees in every window ([`window`]).

mod drive;
mod followed;
mod mark;
mod met;
mod random;
mod ticks;
mod window;

use super::sampling::{self, Desk, Options};
use crate::{
    model::{Failure, samples::Samples},
    sys::list::List,
};
use ticks::Sampler;

static ALL: List<Desk<Sampler>> = List::new();

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
    sampling::sample(&ALL, options, keep_going, progress)
}

#[cfg(test)]
mod tests;
