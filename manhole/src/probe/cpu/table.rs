//! The stacks that were met, each once whatever thread was met there, and what is mapped.

use super::super::{procfs::push, stacks::Unwinder};
use crate::model::stack::{End, Frame, Module};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::Arc,
};

/// Stacks that are kept, and frames of all together, 16 bytes each.
const MOST_STACKS: usize = 32_768;
const MOST_FRAMES: usize = 500_000;
const MOST_MODULES: usize = 4096;

/// All stacks, by number.
#[derive(Debug, Default)]
pub(super) struct Table {
    stacks: Vec<(Range<usize>, End)>,
    frames: Vec<Packed>,
    /// The newest stack of a hash. Of two with one hash the older is met no more, and added again.
    by_hash: HashMap<u64, u32>,
    pub modules: Vec<Module>,
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
pub(super) struct Places(Vec<Option<u32>>);

impl Table {
    /// The number of a stack; `None` when it is new and there is no room.
    pub(super) fn add(
        &mut self,
        frames: &[Frame],
        end: End,
        unwinder: &Unwinder<'_>,
        places: &mut Places,
    ) -> Option<u32> {
        let first = self.frames.len();
        if first + frames.len() > MOST_FRAMES || self.frames.try_reserve(frames.len()).is_err() {
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
        let hash = self.hash(first, end);
        let known = self.by_hash.get(&hash).copied();
        let known = known.filter(|number| self.is(*number, first, end));
        let number = known.or_else(|| self.put(first, end, hash));
        if known.is_some() || number.is_none() {
            self.frames.truncate(first);
        }
        number
    }

    fn put(&mut self, first: usize, end: End, hash: u64) -> Option<u32> {
        let number = u32::try_from(self.stacks.len()).ok()?;
        let room = self.stacks.len() < MOST_STACKS && self.by_hash.try_reserve(1).is_ok();
        let kept = room && push(&mut self.stacks, (first..self.frames.len(), end));
        kept.then(|| {
            self.by_hash.insert(hash, number);
            number
        })
    }

    fn hash(&self, first: usize, end: End) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.frames.get(first..).hash(&mut hasher);
        (end as u8).hash(&mut hasher);
        hasher.finish()
    }

    fn is(&self, number: u32, first: usize, end: End) -> bool {
        self.stacks.get(number as usize).is_some_and(|known| {
            known.1 == end && self.frames.get(known.0.clone()) == self.frames.get(first..)
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

    /// How many frames a stack has.
    pub(super) fn depth(&self, number: u32) -> usize {
        let stack = self.stacks.get(number as usize);
        stack.map_or(0, |(frames, _)| frames.len())
    }

    /// The frames of a stack, unpacked, and where it ends.
    pub(super) fn unpacked(&self, number: u32) -> Option<(Arc<[Frame]>, End)> {
        let (frames, end) = self.stacks.get(number as usize)?;
        let frames = self.frames.get(frames.clone())?.iter();
        let frames = frames.map(|frame| Frame {
            address: frame.address,
            module: (frame.module != u32::MAX).then_some(frame.module),
            uncertain: frame.uncertain,
            ..Frame::default()
        });
        Some((frames.collect(), *end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::read_own;

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
        let (mut table, mut places) = (Table::default(), Places::default());
        let mut add =
            |addresses: &[u64], end| table.add(&stack(addresses), end, &unwinder, &mut places);
        assert_eq!(add(&[1, 2], End::Root), Some(0));
        assert_eq!(add(&[1, 2, 3], End::Root), Some(1));
        assert_eq!(add(&[1, 2], End::Root), Some(0));
        assert_eq!(add(&[1, 2], End::Cut), Some(2));
        assert_eq!(add(&[], End::Lost), Some(3));
        assert_eq!(table.frames.len(), 7);
        let (frames, end) = table.unpacked(1).unwrap();
        assert_eq!((frames.to_vec(), end), (stack(&[1, 2, 3]), End::Root));
        assert_eq!((table.depth(1), table.depth(9)), (3, 0));
        assert!(table.unpacked(9).is_none());
    }

    #[test]
    fn there_is_a_bound() {
        let unwinder = Unwinder::new(&read_own, &|| true).unwrap();
        let (mut table, mut places) = (Table::default(), Places::default());
        let long: Vec<u64> = (0..255).collect();
        let mut last = Some(0);
        for nr in 0..3000 {
            let addresses: Vec<u64> = long.iter().copied().chain([nr]).collect();
            last = table.add(&stack(&addresses), End::Root, &unwinder, &mut places);
        }
        assert_eq!(last, None);
        assert!(table.frames.len() <= MOST_FRAMES);
        let known: Vec<u64> = long.into_iter().chain([0]).collect();
        let again = table.add(&stack(&known[..3]), End::Root, &unwinder, &mut places);
        assert!(again.is_some());
    }
}
