//! The stacks that were met, each once whatever thread was met there, and what is mapped.

use super::super::{procfs::push, stacks::Unwinder};
use crate::model::stack::{Frame, Module};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

const MOST_MODULES: usize = 4096;

/// All stacks, by number.
#[derive(Debug)]
pub(in crate::probe) struct Table<T> {
    stacks: Vec<Stack<T>>,
    frames: Vec<Packed>,
    /// The newest stack of a hash. Of two with one hash the older is met no more, and added again.
    by_hash: HashMap<u64, u32>,
    pub modules: Vec<Module>,
    most_stacks: usize,
    most_frames: usize,
}

/// A stack that was met.
#[derive(Debug)]
pub(in crate::probe) struct Stack<T> {
    frames: Range<usize>,
    /// What is known of it beside the frames.
    pub what: T,
}

impl<T> Stack<T> {
    /// How many frames there are.
    pub(in crate::probe) fn depth(&self) -> usize {
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

/// Where the images of an unwinder stand among the modules of a table.
#[derive(Debug, Default)]
pub(in crate::probe) struct Places(Vec<Option<u32>>);

impl<T: Hash + PartialEq> Table<T> {
    /// For at most so many stacks, and frames of all together, 16 bytes each.
    pub(in crate::probe) fn new(most_stacks: usize, most_frames: usize) -> Self {
        Self {
            stacks: Vec::new(),
            frames: Vec::new(),
            by_hash: HashMap::new(),
            modules: Vec::new(),
            most_stacks,
            most_frames,
        }
    }

    /// The number of a stack; `None` when it is new and there is no room.
    pub(in crate::probe) fn add(
        &mut self,
        frames: &[Frame],
        what: T,
        unwinder: &Unwinder<'_>,
        places: &mut Places,
    ) -> Option<u32> {
        let first = self.frames.len();
        let room = self.frames.try_reserve(frames.len()).is_ok();
        if !room || first + frames.len() > self.most_frames {
            return None;
        }
        for frame in frames {
            let module = self.module(frame.module, unwinder, places);
            self.frames.push(Packed {
                address: frame.address,
                module: module.unwrap_or(u32::MAX),
                uncertain: frame.uncertain,
            });
        }
        let hash = self.hash(first, &what);
        let known = self.by_hash.get(&hash).copied();
        let known = known.filter(|number| self.is(*number, first, &what));
        let number = known.or_else(|| self.put(first, what, hash));
        if known.is_some() || number.is_none() {
            self.frames.truncate(first);
        }
        number
    }

    fn put(&mut self, first: usize, what: T, hash: u64) -> Option<u32> {
        let number = u32::try_from(self.stacks.len()).ok()?;
        let frames = first..self.frames.len();
        let stack = Stack { frames, what };
        let room = self.stacks.len() < self.most_stacks && self.by_hash.try_reserve(1).is_ok();
        let kept = room && push(&mut self.stacks, stack);
        kept.then(|| {
            self.by_hash.insert(hash, number);
            number
        })
    }

    fn hash(&self, first: usize, what: &T) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.frames.get(first..).hash(&mut hasher);
        what.hash(&mut hasher);
        hasher.finish()
    }

    fn is(&self, number: u32, first: usize, what: &T) -> bool {
        self.get(number).is_some_and(|known| {
            let frames = self.frames.get(known.frames.clone());
            known.what == *what && frames == self.frames.get(first..)
        })
    }

    fn module(
        &mut self,
        image: Option<u32>,
        unwinder: &Unwinder<'_>,
        places: &mut Places,
    ) -> Option<u32> {
        let at = image? as usize;
        if let Some(known) = places.0.get(at).copied().flatten() {
            return Some(known);
        }
        let module = unwinder.module(image?)?;
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

    /// The stack of that number.
    pub(in crate::probe) fn get(&self, number: u32) -> Option<&Stack<T>> {
        self.stacks.get(number as usize)
    }

    /// The frames of a stack, unpacked.
    pub(in crate::probe) fn frames(&self, number: u32) -> Option<Arc<[Frame]>> {
        let frames = self.get(number)?.frames.clone();
        let frames = self.frames.get(frames)?.iter();
        let frames = frames.map(|frame| Frame {
            address: frame.address,
            module: (frame.module != u32::MAX).then_some(frame.module),
            uncertain: frame.uncertain,
            ..Frame::default()
        });
        Some(frames.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{model::stack::End, sys::memory::read_own};

    fn stack(addresses: &[u64]) -> Vec<Frame> {
        let frame = |address: &u64| Frame {
            address: *address,
            ..Frame::default()
        };
        addresses.iter().map(frame).collect()
    }

    #[test]
    fn equal_stacks_are_one_and_come_out_as_they_went_in() {
        let unwinder = Unwinder::new(&read_own, &|| true).unwrap();
        let (mut table, mut places) = (Table::new(100, 100), Places::default());
        let mut add =
            |addresses: &[u64], end: End| table.add(&stack(addresses), end, &unwinder, &mut places);
        assert_eq!(add(&[1, 2], End::Root), Some(0));
        assert_eq!(add(&[1, 2, 3], End::Root), Some(1));
        assert_eq!(add(&[1, 2], End::Root), Some(0));
        assert_eq!(add(&[1, 2], End::Cut), Some(2));
        assert_eq!(add(&[], End::Lost), Some(3));
        assert_eq!(table.frames.len(), 7);
        assert_eq!(table.frames(1).unwrap().to_vec(), stack(&[1, 2, 3]));
        assert_eq!(table.get(2).unwrap().what, End::Cut);
        assert_eq!(table.get(1).unwrap().depth(), 3);
        assert!(table.get(9).is_none() && table.frames(9).is_none());
    }

    #[test]
    fn there_are_bounds() {
        let unwinder = Unwinder::new(&read_own, &|| true).unwrap();
        let mut places = Places::default();
        let mut add = |table: &mut Table<End>, addresses: &[u64]| {
            table.add(&stack(addresses), End::Root, &unwinder, &mut places)
        };
        let mut table = Table::new(100, 10);
        assert_eq!(add(&mut table, &[1, 2, 3, 4, 5, 6]), Some(0));
        assert_eq!(add(&mut table, &[2, 2, 3, 4, 5]), None);
        assert_eq!(add(&mut table, &[2, 2, 3, 4]), Some(1));
        assert_eq!(table.frames.len(), 10);
        let mut table = Table::new(2, 100);
        let all = [[1], [2], [3], [1]].map(|addresses| add(&mut table, &addresses));
        assert_eq!(all, [Some(0), Some(1), None, Some(0)]);
        assert_eq!(table.frames.len(), 2);
    }
}
