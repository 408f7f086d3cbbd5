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
/// Addresses whose rules are kept, each in a place of its own: 128 KiB.
const KNOWN: usize = 8192;
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
    // A library that was built anew may lie where its predecessor was.
    let same = |before: Arc<Map>| {
        before.images.now == map.images.now && before.images.list == map.images.list
    };
    if before.is_some_and(same) {
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
/// pointer is above `above`. Returns how many, and whether the last is the thread's first function. 5 ns a frame whose address was met before, else 1 us.
pub(crate) fn walk(
    registers: &Registers,
    above: u64,
    read: Read<'_>,
    into: &mut [u64; MOST_FRAMES],
) -> (usize, bool) {
    let map = match MAP.try_read() {
        Ok(map) => map,
        Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return (0, false),
    };
    map.as_ref()
        .map_or((0, false), |map| map.walk(registers, above, read, into))
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
            let known = known.filter(|known| budget.take(known.copied()).is_some());
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
    ) -> (usize, bool) {
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
                    return (count, false);
                };
                *frame = at.address();
                count += 1;
            }
            let step = rules.map(|rules| rules.step(self.machine, &NOTHING, &at, read));
            let Some(Step::Caller(next)) = step else {
                return (count, step == Some(Step::Root));
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
mod tests;
