//! The stacks that were met, each once whatever thread was met there, and what is mapped.

use super::super::{procfs::push, stacks::Unwinder};
use crate::model::stack::{Answered, Call, End, Frame, Module, ThreadStack};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

/// Stacks that are kept, 150 bytes each, and frames of all together, 16 bytes each.
const MOST_STACKS: usize = 65_536;
const MOST_FRAMES: usize = 1_000_000;
const MOST_MODULES: usize = 4096;

/// Stands for the stacks for which there was no room.
pub(super) const TOO_MANY: u32 = u32::MAX;

/// What a thread was met at, without what is the thread's own.
#[derive(Debug, Default)]
pub(super) struct Stack {
    frames: Range<usize>,
    pub answer: Answered,
    pub state: char,
    pub end: End,
    pub call: Option<Call>,
    pub waits_in: Option<String>,
    pub stack_bytes: Option<u64>,
}

impl Stack {
    /// Whether the thread waited there.
    pub(super) fn is_wait(&self) -> bool {
        match self.frames.is_empty() {
            true => matches!(self.state, 'S' | 'D'),
            false => self.call.is_some(),
        }
    }

    /// Whether there are frames, but not all of them.
    pub(super) fn is_truncated(&self) -> bool {
        !self.frames.is_empty() && self.end != End::Root
    }

    /// How many frames there are.
    pub(super) fn depth(&self) -> usize {
        self.frames.len()
    }
}

/// A frame in as little room as possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Packed {
    address: u64,
    /// Place in the table's modules; `u32::MAX`: none.
    module: u32,
    uncertain: bool,
}

/// All stacks, by number.
#[derive(Debug, Default)]
pub(super) struct Table {
    stacks: Vec<Stack>,
    frames: Vec<Packed>,
    /// The newest stack of a hash. Of two with one hash the older is met no more, and added again.
    by_hash: HashMap<u64, u32>,
    pub modules: Vec<Module>,
}

/// Where the images of an unwinder stand among the modules of the table.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Option<u32>>);

impl Table {
    /// The stack of that number.
    pub(super) fn get(&self, number: u32) -> Option<&Stack> {
        self.stacks.get(number as usize)
    }

    /// The number of a stack; [`TOO_MANY`] when it is new and there is no room.
    pub(super) fn add(
        &mut self,
        found: &ThreadStack,
        unwinder: Option<&Unwinder<'_>>,
        places: &mut Places,
    ) -> u32 {
        let first = self.frames.len();
        let room = self.frames.try_reserve(found.frames.len()).is_ok();
        if !room || first + found.frames.len() > MOST_FRAMES {
            return TOO_MANY;
        }
        for frame in found.frames.iter() {
            let module = self.module(frame.module, unwinder, places);
            self.frames.push(Packed {
                address: frame.address,
                module: module.unwrap_or(u32::MAX),
                uncertain: frame.uncertain,
            });
        }
        let hash = self.hash(found, first);
        let known = self.by_hash.get(&hash).copied();
        if let Some(known) = known.filter(|known| self.is(*known, found, first)) {
            self.frames.truncate(first);
            return known;
        }
        self.put(found, first, hash).unwrap_or_else(|| {
            self.frames.truncate(first);
            TOO_MANY
        })
    }

    fn put(&mut self, found: &ThreadStack, first: usize, hash: u64) -> Option<u32> {
        let number = u32::try_from(self.stacks.len()).ok()?;
        if self.stacks.len() >= MOST_STACKS || self.by_hash.try_reserve(1).is_err() {
            return None;
        }
        let stack = Stack {
            frames: first..self.frames.len(),
            answer: found.answer,
            state: found.state,
            end: found.end,
            call: found.call.clone(),
            waits_in: found.waits_in.clone(),
            stack_bytes: found.stack_bytes,
        };
        push(&mut self.stacks, stack).then(|| {
            self.by_hash.insert(hash, number);
            number
        })
    }

    /// What tells a stack from others: the frames, in which call it is and on what, how it answered.
    fn hash(&self, found: &ThreadStack, first: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.frames.get(first..).hash(&mut hasher);
        waits(found).hash(&mut hasher);
        found.waits_in.hash(&mut hasher);
        (found.answer as u8, found.end as u8).hash(&mut hasher);
        hasher.finish()
    }

    fn is(&self, number: u32, found: &ThreadStack, first: usize) -> bool {
        self.get(number).is_some_and(|stack| {
            let same = self.frames.get(stack.frames.clone()) == self.frames.get(first..);
            same && (stack.answer, stack.end) == (found.answer, found.end)
                && stack.waits_in == found.waits_in
                && matters(stack.state, stack.call.as_ref()) == waits(found)
        })
    }

    fn module(
        &mut self,
        image: Option<u32>,
        unwinder: Option<&Unwinder<'_>>,
        places: &mut Places,
    ) -> Option<u32> {
        let at = image? as usize;
        if let Some(known) = places.0.get(at).copied().flatten() {
            return Some(known);
        }
        let module = unwinder?.module(image?)?;
        let known = self.modules.iter().position(|other| other == module);
        let place = match known {
            Some(place) => place,
            None if self.modules.len() >= MOST_MODULES => return None,
            None => {
                self.modules.push(module.clone());
                self.modules.len() - 1
            }
        };
        let place = u32::try_from(place).ok()?;
        if places.0.len() <= at {
            places.0.resize(at + 1, None);
        }
        if let Some(slot) = places.0.get_mut(at) {
            *slot = Some(place);
        }
        Some(place)
    }

    /// The frames of the stack `number`.
    pub(super) fn frames(&self, number: u32) -> Option<Arc<[Frame]>> {
        let packed = self.frames.get(self.get(number)?.frames.clone())?;
        let frames = packed.iter().map(|frame| Frame {
            address: frame.address,
            module: (frame.module != u32::MAX).then_some(frame.module),
            uncertain: frame.uncertain,
            ..Frame::default()
        });
        Some(frames.collect())
    }
}

impl Stack {
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
}

type Matters = (char, Option<(Option<i64>, [u64; 3])>);

fn waits(found: &ThreadStack) -> Matters {
    matters(found.state, found.call.as_ref())
}

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

    fn stack(addresses: &[u64], call: Option<Call>) -> ThreadStack {
        let frame = |address: &u64| Frame {
            address: *address,
            ..Frame::default()
        };
        ThreadStack {
            answer: Answered::Stack,
            state: 'S',
            frames: addresses.iter().map(frame).collect(),
            call,
            ..ThreadStack::default()
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

    fn add(table: &mut Table, found: &ThreadStack) -> u32 {
        table.add(found, None, &mut Places::default())
    }

    #[test]
    fn equal_stacks_are_one_whatever_is_left_over_in_registers() {
        let mut table = Table::default();
        let mut check = |found: ThreadStack, expected: u32| {
            assert_eq!(add(&mut table, &found), expected, "{found:?}");
        };
        check(stack(&[1, 2], call(0, [7, 1, 1, 1])), 0);
        check(stack(&[1, 2], call(0, [7, 2, 2, 2])), 0);
        check(stack(&[1, 2], call(0, [8, 1, 1, 1])), 1);
        check(stack(&[1, 2, 3], call(0, [7, 1, 1, 1])), 2);
        check(stack(&[1, 2], None), 3);
        let futex = nix::libc::SYS_futex;
        check(stack(&[1], call(futex, [7, 128, 2, 0])), 4);
        check(stack(&[1], call(futex, [7, 128, 2, 0x7fff])), 5);
        check(stack(&[1], call(futex, [7, 128, 3, 0])), 6);
        check(stack(&[], None), 7);
        let unpacked = table.get(2).unwrap().with(table.frames(2).unwrap());
        assert_eq!(unpacked, stack(&[1, 2, 3], call(0, [7, 1, 1, 1])));
        assert!(table.frames(TOO_MANY).is_none());
        assert_eq!(table.frames.len(), 2 + 2 + 3 + 2 + 3);
    }

    #[test]
    fn there_is_a_bound() {
        let mut table = Table::default();
        let long: Vec<u64> = (0..255).collect();
        let mut last = 0;
        for nr in 0..5000 {
            let mut frames = long.clone();
            frames.push(nr);
            last = add(&mut table, &stack(&frames, None));
        }
        assert_eq!(last, TOO_MANY);
        assert!(table.frames.len() <= MOST_FRAMES);
        assert_ne!(add(&mut table, &stack(&[5], None)), TOO_MANY);
    }

    #[test]
    fn what_waits_is_told_from_what_runs() {
        let mut table = Table::default();
        let mut check = |found: ThreadStack, expected: bool| {
            let number = add(&mut table, &found);
            assert_eq!(table.get(number).unwrap().is_wait(), expected, "{found:?}");
        };
        check(stack(&[1], None), false);
        check(stack(&[1], call(0, [0; 4])), true);
        check(stack(&[], None), true);
        let mut running = stack(&[], None);
        running.state = 'R';
        check(running, false);
    }
}
