//! What every thread is doing: copies of stacks, unwound on a thread of ours.
//!
//! Threads copy their registers and stacks into slots ([`crate::sys::stacks`]); everything else
//! happens here, afterwards: which images are mapped ([`modules`]), where a frame's caller is
//! ([`rules`], and [`scan`] where no rule says), in which system call a thread is ([`call`]), and
//! since when it has not moved ([`history`]). Names come later, in `names`.

mod addresses;
mod brief;
mod call;
mod elf;
mod expression;
#[cfg(fuzzing)]
pub mod fuzzing;
mod history;
mod instructions;
pub(crate) mod live;
mod machine;
mod modules;
mod on;
mod rows;
mod rules;
mod scan;
mod sections;
mod shared;
mod take;
mod takers;
mod tasks;
mod unwind;

pub(crate) use history::History;

/// For the samplers, which ask again and again.
pub(in crate::probe) use {
    call::{Calls, of_line},
    on::fill as fill_on,
    take::{no_proc, stopped, unusable},
    takers::{Takers, is_wait},
    tasks::{Buffer, Task, TaskFiles},
    unwind::{Unwinder, Walk},
};

use crate::model::{Failure, stack::Dump};

/// What to look at, and how.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The signal that asks threads for their stacks.
    pub signal: i32,
    /// Whether to ask them: else only /proc is read, and nobody has a stack.
    pub ask: bool,
    /// Only these threads; `None`: all of them.
    pub only: Option<Vec<u32>>,
    /// For [`Dump::app_crates`].
    pub app_crates: Vec<String>,
}

/// Looks at all threads once. About 12 us a thread, plus what names will cost; each thread is
/// interrupted for a few microseconds, and nobody is stopped. One that does not answer within 0.1 s
/// is reported as silent.
///
/// # Errors
/// When nobody can be asked (`unsupported`, `no-memory`, `busy`), and when `keep_going` says no.
pub(crate) fn take(
    options: &Options,
    history: &History,
    keep_going: &dyn Fn() -> bool,
) -> Result<Dump, Failure> {
    take::take(options, history, keep_going)
}

/// Stacks that were captured otherwise, as addresses within calls: each as one of a thread that is
/// nobody's, with what is mapped now. 1 ms.
///
/// # Errors
/// `cancelled`, and `unsupported` without /proc.
pub(crate) fn of_addresses(
    stacks: &[std::sync::Arc<[u64]>],
    app_crates: Vec<String>,
    keep_going: &dyn Fn() -> bool,
) -> Result<Dump, Failure> {
    addresses::place(stacks, app_crates, keep_going)
}

#[cfg(test)]
mod tests;
