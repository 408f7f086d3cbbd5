//! The calling thread's own stack, walked inside the host's allocations.
//!
//! What [`super::unwind`] does with a copy, made for that place: nothing is allocated, nobody waited for,
//! nothing read that could fault. What is mapped was found out before, by the console ([`learn`]); rules
//! that were met are kept in a table that threads share. A row that cannot be used ends the walk.

use super::{
    instructions,
    machine::{Cursor, Machine},
    modules::{Image, Images},
    rows::Sections,
    rules::{Rules, Step},
    sections::{Budget, Loaded},
};
use crate::{
    alloc::MOST_FRAMES,
    sys::{
        self,
        stacks::{Read, Registers},
    },
};
use std::sync::{
    Arc, RwLock, TryLockError,
    atomic::{AtomicU64, Ordering},
};

/// Bytes of unwind information of libraries that are kept; the program's own is read in place.
const BUDGET: u64 = 16 << 20;
/// Addresses whose rules are kept, each in a place of its own: 32 KiB.
const KNOWN: usize = 2048;
/// There are no rules for an address.
const NONE: u64 = 0;

/// What is mapped; `None` until it is known. Threads only ever try to lock it, and the console does so for
/// the exchange of a pointer.
static MAP: RwLock<Option<Arc<Map>>> = RwLock::new(None);

/// What was mapped at a moment, and what was learnt of it.
#[derive(Debug)]
struct Map {
    machine: Machine,
    images: Images,
    /// By place in `images`.
    loaded: Vec<Option<Arc<Loaded>>>,
    known: Known,
}

/// Rules by address. Each place is two words, of which the first is the exclusive or of address and rules:
/// words of two writers do not fit together, and are not believed.
#[derive(Debug)]
struct Known(Vec<[AtomicU64; 2]>);

/// Finds out what is mapped, if that changed. 0.2 us a mapping; 0.1 ms for each library that is new.
/// Called by the console now and then, whenever somebody allocates through [`crate::Alloc`].
pub(crate) fn learn(keep_going: &dyn Fn() -> bool) {
    let Ok(before) = MAP.try_read().map(|map| map.clone()) else {
        return;
    };
    let Some(map) = Map::new(before.as_deref(), keep_going) else {
        return;
    };
    if before.is_some_and(|before| before.images.now == map.images.now) {
        return;
    }
    let map = Some(Arc::new(map));
    // Threads hold it for a microsecond; when they never let go, what is known stays.
    for _ in 0..1000 {
        if let Ok(mut place) = MAP.try_write() {
            let old = std::mem::replace(&mut *place, map);
            drop(place);
            return drop(old);
        }
        std::thread::yield_now();
    }
}

/// Fills in where the callers of this thread are, as addresses within calls, leaf first: those whose stack
/// pointer is above `above`. Returns how many. 5 ns a frame whose address was met before, else 1 us.
pub(crate) fn walk(
    registers: &Registers,
    above: u64,
    read: Read<'_>,
    into: &mut [u64; MOST_FRAMES],
) -> usize {
    let map = match MAP.try_read() {
        Ok(map) => map,
        Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return 0,
    };
    map.as_ref()
        .map_or(0, |map| map.walk(registers, above, read, into))
}

impl Map {
    fn new(before: Option<&Self>, keep_going: &dyn Fn() -> bool) -> Option<Self> {
        let mut images = Images::default();
        if !images.refresh(keep_going) {
            return None;
        }
        let mut budget = Budget::of(BUDGET);
        let load = |image: &Image| {
            let known = before.and_then(|before| before.loaded_of(image));
            known.or_else(|| {
                let loaded = Loaded::new(image, &mut budget, &sys::memory::read_own)?;
                Some(Arc::new(loaded))
            })
        };
        let loaded = images.list.iter().map(load).collect();
        Some(Self {
            machine: Machine::NATIVE,
            images,
            loaded,
            known: Known::new()?,
        })
    }

    fn loaded_of(&self, image: &Image) -> Option<Arc<Loaded>> {
        let place = self.images.list.iter().position(|known| known == image)?;
        self.loaded.get(place)?.clone()
    }

    fn walk(
        &self,
        registers: &Registers,
        above: u64,
        read: Read<'_>,
        into: &mut [u64; MOST_FRAMES],
    ) -> usize {
        let mut at = Cursor {
            pc: registers.pc,
            sp: registers.sp,
            fp: registers.fp,
            lr: registers.lr,
            exact: true,
        };
        let mut frames = into.iter_mut();
        let mut count = 0;
        loop {
            let rules = self.rules(at.address());
            if at.sp > above && (rules.is_some() || self.images.is_code(at.address())) {
                let Some(frame) = frames.next() else {
                    return count;
                };
                *frame = at.address();
                count += 1;
            }
            let step = rules.map(|rules| rules.step(self.machine, &NOTHING, &at, read));
            let Some(Step::Caller(next)) = step else {
                return count;
            };
            at = Cursor {
                pc: self.address(next.pc),
                lr: self.address(next.lr),
                ..next
            };
        }
    }

    /// A pointer to code without the signature that it may carry.
    fn address(&self, pointer: u64) -> u64 {
        match cfg!(target_arch = "aarch64") {
            true => pointer & instructions::address_bits(self.images.highest),
            false => pointer,
        }
    }

    fn rules(&self, address: u64) -> Option<Rules> {
        let packed = self.known.get(address).unwrap_or_else(|| {
            let packed = self.look_up(address).unwrap_or(NONE);
            self.known.set(address, packed);
            packed
        });
        (packed != NONE).then(|| Rules::unpack(packed))
    }

    #[cold]
    #[inline(never)]
    fn look_up(&self, address: u64) -> Option<u64> {
        let place = self.images.find(address)? as usize;
        let bias = self.images.list.get(place)?.module.bias;
        let sections = self.loaded.get(place)?.as_ref()?.sections();
        let rules = sections.brief(self.machine, address.wrapping_sub(bias))?;
        rules.pack()
    }
}

/// Rules that were packed need no section.
const NOTHING: Sections<'static> = Sections {
    index: &[],
    index_at: 0,
    frames: &[],
    frames_at: 0,
};

impl Known {
    fn new() -> Option<Self> {
        let mut places = Vec::new();
        places.try_reserve_exact(KNOWN).ok()?;
        places.resize_with(KNOWN, Default::default);
        Some(Self(places))
    }

    fn place(&self, address: u64) -> Option<&[AtomicU64; 2]> {
        let hash = address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        self.0.get(hash as usize % KNOWN)
    }

    fn get(&self, address: u64) -> Option<u64> {
        let [mixed, packed] = self.place(address)?;
        let packed = packed.load(Ordering::Relaxed);
        (mixed.load(Ordering::Relaxed) ^ packed == address).then_some(packed)
    }

    fn set(&self, address: u64, rules: u64) {
        if let Some([mixed, packed]) = self.place(address) {
            mixed.store(address ^ rules, Ordering::Relaxed);
            packed.store(rules, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        probe::stacks::rows,
        sys::stacks::{self, with_own_stack},
    };
    use gimli::UnwindContext;
    use std::{cell::Cell, hint::black_box};

    fn map() -> Map {
        Map::new(None, &|| true).unwrap()
    }

    /// The callers of `nested`, as the hook sees them.
    #[inline(never)]
    fn nested(map: &Map, depth: usize) -> Vec<u64> {
        let frames = match depth {
            0 => {
                let here = black_box(0_u8);
                let known = Cell::new(stacks::Known::NONE);
                let mut frames = [0; MOST_FRAMES];
                let mut count = 0;
                with_own_stack(&known, &mut |registers, read| {
                    count = map.walk(registers, &raw const here as u64, read, &mut frames);
                });
                frames[..count].to_vec()
            }
            _ => nested(map, black_box(depth - 1)),
        };
        black_box(frames)
    }

    #[test]
    fn callers_are_found_up_to_the_root_and_again_from_what_is_known() {
        let map = map();
        let start = nested as *const () as u64;
        let inside = |address: &u64| (start..start + 4096).contains(address);
        for _ in 0..2 {
            let frames = nested(&map, 10);
            // `nested(0)` itself is below the mark on its own frame, its callers are above.
            assert!(frames[..10].iter().all(inside), "{frames:x?}");
            let mut theirs = [0; 256];
            let here = black_box(0_u8);
            let count = sys::backtrace::callers(&here, &mut theirs);
            // From this function's caller on both are the same.
            let common = count.min(20) - 1;
            assert!(count > 3);
            assert_eq!(
                frames[frames.len() - common..],
                theirs[count - common..count],
                "{frames:x?}"
            );
        }
        assert_eq!(nested(&map, 200).len(), MOST_FRAMES);
    }

    #[test]
    fn nothing_is_known_of_what_is_no_code() {
        let map = map();
        let mut frames = [0; MOST_FRAMES];
        let registers = Registers {
            pc: 4096,
            sp: 8,
            ..Registers::default()
        };
        assert_eq!(map.walk(&registers, 0, &mut |_| None, &mut frames), 0);
        assert_eq!(map.rules(4096), None);
    }

    #[test]
    fn what_is_mapped_is_loaded_once() {
        let first = map();
        let second = Map::new(Some(&first), &|| true).unwrap();
        let kept = first
            .loaded
            .iter()
            .zip(&second.loaded)
            .filter(|(a, b)| match (a, b) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                _ => false,
            });
        assert!(kept.count() >= 2, "{}", first.loaded.len());
    }

    /// Every row of this program and of its libraries, beside what gimli's own table says.
    #[test]
    fn brief_rows_are_those_that_gimli_finds() {
        let map = map();
        let mut context = UnwindContext::new();
        let (mut same, mut left_out) = (0_u64, 0_u64);
        for (image, loaded) in map.images.list.iter().zip(&map.loaded) {
            let Some(loaded) = loaded else { continue };
            let sections = loaded.sections();
            for code in &image.module.code {
                for address in (code.start..code.end).step_by(61) {
                    let address = address.wrapping_sub(image.module.bias);
                    let full = sections.rules(map.machine, address, &mut context);
                    let brief = sections.brief(map.machine, address);
                    let packed = brief.and_then(|rules| rules.pack());
                    match (full.and_then(|rules| rules.pack()), packed) {
                        (full, brief) if full == brief => same += u64::from(full.is_some()),
                        (Some(_), None) => left_out += 1,
                        (full, brief) => {
                            panic!("{:?} {address:x}: {full:x?} {brief:x?}", image.module.path)
                        }
                    }
                }
            }
        }
        assert!(same > 10_000, "{same}");
        assert!(left_out * 1000 < same, "{left_out} of {same}");
        assert_eq!(rows::frames_start(&[], 0), None);
    }

    #[test]
    fn words_of_two_writers_are_not_believed() {
        let known = Known::new().unwrap();
        known.set(100, 7);
        assert_eq!((known.get(100), known.get(101)), (Some(7), None));
        let [mixed, packed] = known.place(100).unwrap();
        packed.store(8, Ordering::Relaxed);
        assert_eq!(known.get(100), None);
        mixed.store(100 ^ 8, Ordering::Relaxed);
        assert_eq!(known.get(100), Some(8));
    }
}
