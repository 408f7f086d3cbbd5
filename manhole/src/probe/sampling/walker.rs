//! From copies of registers and stacks to stacks in a table. Belongs to the thread that runs the sampler.

use super::{
    super::{
        clock,
        stacks::{Calls, Unwinder, Walk, stopped},
    },
    Table,
    table::Places,
};
use crate::{
    model::{Failure, stack::Frame},
    sys::{memory::read_own, stacks::Copied},
};
use std::hash::Hash;

/// Frames that are kept of a stack.
const MOST_FRAMES: usize = 256;

/// Unwinds, and finds calls.
pub(in crate::probe) struct Walker {
    pub unwinder: Unwinder<'static>,
    pub calls: Calls,
    places: Places,
    every_ns: u64,
    refreshed_ns: u64,
}

impl Walker {
    /// Reads what is mapped, and again each `every_ns` nanoseconds.
    ///
    /// # Errors
    /// `cancelled` when `keep_going` says no, else when nothing can be read.
    pub(in crate::probe) fn new(
        every_ns: u64,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Self, Failure> {
        let unwinder = Unwinder::new(&read_own, keep_going);
        Ok(Self {
            unwinder: unwinder.ok_or_else(|| stopped(keep_going))?,
            calls: Calls::default(),
            places: Places::default(),
            every_ns,
            refreshed_ns: clock::monotonic_ns(),
        })
    }

    /// Looks what is mapped by now, when that is due.
    pub(in crate::probe) fn refresh(&mut self) {
        let now_ns = clock::monotonic_ns();
        if now_ns.saturating_sub(self.refreshed_ns) >= self.every_ns {
            self.refreshed_ns = now_ns;
            self.unwinder.refresh(&|| true);
        }
    }

    /// The frames of a copy, and where they end.
    pub(in crate::probe) fn walk(&mut self, copied: &Copied<'_>) -> Walk {
        self.unwinder.walk(copied, MOST_FRAMES)
    }

    /// The number of a stack in `table`; see [`Table::add`].
    pub(in crate::probe) fn add<T: Hash + PartialEq>(
        &mut self,
        frames: &[Frame],
        what: T,
        table: &mut Table<T>,
    ) -> Option<u32> {
        table.add(frames, what, &self.unwinder, &mut self.places)
    }
}
