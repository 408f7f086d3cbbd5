//! What the samplers of the processor ([`super::cpu`]) and of the clock ([`super::wall`]) have in common:
//! how requests share one ([`desk`]), how stacks are kept ([`table`]) and made ([`walker`]), which threads
//! there are ([`threads`]), and how a window becomes an answer ([`books`]).

mod books;
mod desk;
mod table;
#[cfg(test)]
pub(super) mod testing;
mod threads;
mod walker;

pub(super) use books::{Books, Labels, Unpacked};
pub(super) use desk::{Desk, Mine, Sampler, Window, sample};
pub(super) use table::{Stack, Table};
pub(super) use threads::{OwnThreads, Person, is_own, present, stat};
pub(super) use walker::Walker;

use std::time::Duration;

/// What to sample, and how.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The signal that timers send, or that asks threads for their stacks.
    pub signal: i32,
    /// Samples per second: of processor time of each thread, 1 to 1000, or ticks of the clock. When
    /// others sample at the same time all get the highest rate
    /// ([`Report::hz`](crate::model::samples::Report::hz)).
    pub hz: u32,
    /// How long.
    pub window: Duration,
    /// For [`Dump::app_crates`](crate::model::stack::Dump::app_crates).
    pub app_crates: Vec<String>,
}
