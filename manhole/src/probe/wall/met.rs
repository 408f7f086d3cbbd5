//! What threads are met at, beside the frames, from what they answer or /proc knows.

use super::{
    super::{
        sampling::{Stack, Table, Walker},
        stacks::{TaskFiles, of_line},
    },
    followed::Moved,
};
use crate::{
    model::stack::{Answered, Call, End, Frame, ThreadStack},
    sys::{memory::read_own, stacks::Copied},
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

/// Stacks that are kept, 150 bytes each, and frames of all together, 16 bytes each.
const MOST_STACKS: usize = 65_536;
const MOST_FRAMES: usize = 1_000_000;

/// Stands for the stacks for which there was no room.
pub(super) const TOO_MANY: u32 = u32::MAX;

/// What a thread was met at, without what is the thread's own. Equal when the call is the same, on the same
/// thing, and the answer: what else is in registers is left over from others.
#[derive(Clone, Debug, Default)]
pub(super) struct Met {
    pub answer: Answered,
    pub state: char,
    pub end: End,
    pub call: Option<Call>,
    pub waits_in: Option<String>,
    pub stack_bytes: Option<u64>,
}

/// No stacks yet.
pub(super) fn table() -> Table<Met> {
    Table::new(MOST_STACKS, MOST_FRAMES)
}

/// The stack of a thread that answered.
pub(super) fn answered(
    copied: &Copied<'_>,
    state: char,
    walker: &mut Walker,
    table: &mut Table<Met>,
) -> u32 {
    let walk = walker.walk(copied);
    let met = Met {
        answer: match copied.stack.is_empty() {
            true => Answered::Registers,
            false => Answered::Stack,
        },
        state,
        end: walk.end,
        call: walker.calls.of_registers(&copied.registers, &read_own),
        waits_in: None,
        stack_bytes: copied.depth,
    };
    walker.add(&walk.frames, met, table).unwrap_or(TOO_MANY)
}

/// What /proc knows of one that did not, or was not asked.
pub(super) fn mute(
    tid: u32,
    moved: &Moved,
    answer: Answered,
    files: &TaskFiles,
    walker: &mut Walker,
    table: &mut Table<Met>,
) -> u32 {
    let line = files.line(tid, "syscall");
    let function = files.line(tid, "wchan");
    let met = Met {
        answer,
        state: moved.state,
        call: line.as_deref().and_then(of_line),
        waits_in: function.filter(|name| name != "0"),
        ..Met::default()
    };
    walker.add(&[], met, table).unwrap_or(TOO_MANY)
}

impl Stack<Met> {
    /// Whether the thread waited there.
    pub(super) fn is_wait(&self) -> bool {
        match self.depth() {
            0 => matches!(self.what.state, 'S' | 'D'),
            _ => self.what.call.is_some(),
        }
    }

    /// Whether there are frames, but not all of them.
    pub(super) fn is_truncated(&self) -> bool {
        self.depth() > 0 && self.what.end != End::Root
    }
}

impl Met {
    /// With its frames, of nobody yet.
    pub(super) fn with(&self, frames: Arc<[Frame]>) -> ThreadStack {
        ThreadStack {
            answer: self.answer,
            state: self.state,
            frames,
            end: self.end,
            call: self.call.clone(),
            waits_in: self.waits_in.clone(),
            stack_bytes: self.stack_bytes,
            ..ThreadStack::default()
        }
    }

    fn key(&self) -> (Matters, Answered, End, Option<&str>) {
        let call = matters(self.state, self.call.as_ref());
        (call, self.answer, self.end, self.waits_in.as_deref())
    }
}

impl PartialEq for Met {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Hash for Met {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

type Matters = (char, Option<(Option<i64>, [u64; 3])>);

/// What of a call tells one wait from another: of the arguments the first, for a futex also what it is
/// awaited at and whether there is a limit, by which locks are known. What is behind the arguments that
/// a call takes is left over from others. Who is in a call waits, whatever its state was a moment before.
fn matters(state: char, call: Option<&Call>) -> Matters {
    let Some(call) = call else {
        return (state, None);
    };
    let [first, _, third, fourth, ..] = call.arguments;
    let futex = call.number == Some(nix::libc::SYS_futex);
    let more = match futex {
        true => [first, third & 0xffff_ffff, u64::from(fourth != 0)],
        false => [first, 0, 0],
    };
    ('S', Some((call.number, more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(call: Option<Call>) -> Met {
        Met {
            answer: Answered::Stack,
            state: 'S',
            call,
            ..Met::default()
        }
    }

    fn call(number: i64, arguments: [u64; 4]) -> Option<Call> {
        let [a, b, c, d] = arguments;
        Some(Call {
            number: Some(number),
            arguments: [a, b, c, d, 5, 6],
            on: None,
        })
    }

    #[test]
    fn equal_stacks_are_one_whatever_is_left_over_in_registers() {
        let mut walker = Walker::new(1, &|| true).unwrap();
        let mut table = table();
        let mut check = |found: Met, expected: u32| {
            let number = walker.add(&[], found.clone(), &mut table);
            assert_eq!(number, Some(expected), "{found:?}");
        };
        check(met(call(0, [7, 1, 1, 1])), 0);
        check(met(call(0, [7, 2, 2, 2])), 0);
        check(met(call(0, [8, 1, 1, 1])), 1);
        check(met(None), 2);
        let futex = nix::libc::SYS_futex;
        check(met(call(futex, [7, 128, 2, 0])), 3);
        check(met(call(futex, [7, 128, 2, 0x7fff])), 4);
        check(met(call(futex, [7, 128, 3, 0])), 5);
        let mut other = met(None);
        other.waits_in = Some("pipe_read".to_owned());
        check(other, 6);
        let first = table.get(0).unwrap().what.with(Arc::default());
        assert_eq!(first.call, call(0, [7, 1, 1, 1]));
    }

    #[test]
    fn what_waits_is_told_from_what_runs() {
        let mut walker = Walker::new(1, &|| true).unwrap();
        let mut table = table();
        let mut check = |depth: usize, found: Met, expected: bool| {
            let frames = vec![Frame::default(); depth];
            let number = walker.add(&frames, found.clone(), &mut table).unwrap();
            assert_eq!(table.get(number).unwrap().is_wait(), expected, "{found:?}");
        };
        check(1, met(None), false);
        check(1, met(call(0, [0; 4])), true);
        check(0, met(None), true);
        let mut running = met(None);
        running.state = 'R';
        check(0, running, false);
    }
}
