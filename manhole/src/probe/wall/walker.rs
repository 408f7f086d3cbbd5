//! From what threads answer to stacks in the table. Belongs to the thread that runs the ticks.

use super::{
    followed::Moved,
    table::{Places, Table},
};
use crate::{
    model::{
        Failure,
        stack::{Answered, ThreadStack},
    },
    probe::stacks::{Calls, TaskFiles, Unwinder, of_line, stopped},
    sys::{memory::read_own, stacks::Copied},
};

/// How often the list of images is read again, in nanoseconds.
const REFRESH_NS: u64 = 2_000_000_000;
/// Frames that are kept of a stack.
const MOST_FRAMES: usize = 256;

/// Unwinds, and finds calls.
pub(super) struct Walker {
    pub unwinder: Unwinder<'static>,
    calls: Calls,
    places: Places,
    refreshed_ns: u64,
}

impl Walker {
    pub(super) fn new(now_ns: u64, keep_going: &dyn Fn() -> bool) -> Result<Self, Failure> {
        let unwinder = Unwinder::new(&read_own, keep_going);
        Ok(Self {
            unwinder: unwinder.ok_or_else(|| stopped(keep_going))?,
            calls: Calls::default(),
            places: Places::default(),
            refreshed_ns: now_ns,
        })
    }

    /// Looks what is mapped by now, when that is due.
    pub(super) fn refresh(&mut self, now_ns: u64) {
        if now_ns.saturating_sub(self.refreshed_ns) >= REFRESH_NS {
            self.refreshed_ns = now_ns;
            self.unwinder.refresh(&|| true);
        }
    }

    /// The stack of a thread that answered.
    pub(super) fn answered(&mut self, copied: &Copied<'_>, state: char, table: &mut Table) -> u32 {
        let walk = self.unwinder.walk(copied, MOST_FRAMES);
        let found = ThreadStack {
            answer: match copied.stack.is_empty() {
                true => Answered::Registers,
                false => Answered::Stack,
            },
            state,
            frames: walk.frames.into(),
            end: walk.end,
            call: self.calls.of_registers(&copied.registers, &read_own),
            stack_bytes: copied.depth,
            ..ThreadStack::default()
        };
        table.add(&found, Some(&self.unwinder), &mut self.places)
    }

    /// What /proc knows of one that did not, or was not asked.
    pub(super) fn mute(
        &mut self,
        tid: u32,
        moved: &Moved,
        answer: Answered,
        files: &TaskFiles,
        table: &mut Table,
    ) -> u32 {
        let line = files.line(tid, "syscall");
        let function = files.line(tid, "wchan");
        let found = ThreadStack {
            answer,
            state: moved.state,
            call: line.as_deref().and_then(of_line),
            waits_in: function.filter(|name| name != "0"),
            ..ThreadStack::default()
        };
        table.add(&found, None, &mut self.places)
    }
}
