//! The memory that threads answer into: 64 slots for requests, 256 places for samples, and 64 KiB of
//! stack for each.
//!
//! One mapping, made at first use and never unmapped: a late handler must find it. It is a child's
//! zeros after a fork (MADV_WIPEONFORK), stays out of core files (copies of stacks hold secrets) and
//! never becomes a huge page, whose clearing would happen inside somebody's handler.

use super::{
    Registers,
    atomics::{AtomicU32, AtomicU64, Ordering},
    guards::Guards,
    pool::{self, Pool},
    slots::{Generation, Holder, SENT, Slot},
    value::SLOTS,
};
use nix::{libc, sys::mman};
use std::{
    cell::UnsafeCell,
    num::NonZeroUsize,
    ptr::{self, NonNull},
    sync::atomic::AtomicPtr,
};

/// Bytes of stack that a slot holds.
pub(super) const STACK: usize = 64 << 10;
/// Bytes that are made ready before anybody is asked: for few threads all they may need, for 64 more
/// than most do.
const WARM: usize = 1 << 20;
/// Where the first slot's stack begins: behind what describes the slots, on a page of any size.
const HEAD: usize = 2 * STACK;
const LENGTH: usize = HEAD + (SLOTS + TICKS) * STACK;
const _: [(); 1] = [(); (size_of::<Head>() <= HEAD) as usize];

/// Words of the pool, a power of two, and places for samples. A core leaves at most one in each tick
/// of the scheduler, and they are taken each 10 ms.
const WORDS: usize = 4;
pub(super) const TICKS: usize = WORDS * pool::EACH;
/// Places whose memory is kept between two samples, and how much of it is made ready beforehand.
const KEPT: usize = 32;
const READY_PLACES: usize = 8;
const READY_BYTES: usize = 16 << 10;

/// Stacks deeper than this are not measured: it takes 0.1 us a page.
const LONGEST: u64 = 16 << 20;

/// Null, or a mapping of [`LENGTH`] bytes that begins with a [`Head`].
static AREA: AtomicPtr<Head> = AtomicPtr::new(ptr::null_mut());
/// Tells our signals from those of another copy of this code; 0 before the first use.
static MAGIC: AtomicU32 = AtomicU32::new(0);

/// What the mapping begins with; all zeros is valid and belongs to nobody.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Head {
    /// The process that this is for. Written last; a handler that finds another one is inert.
    owner: AtomicU32,
    /// The thread that may send, or 0.
    pub(super) turn: Holder,
    /// How many wait for the turn.
    pub(super) waiting: AtomicU32,
    /// The size of a page.
    pub(super) page: AtomicU64,
    /// Where the stack of the main thread ends.
    pub(super) main_end: AtomicU64,
    slots: [Place; SLOTS],
    /// Whether the pool has got its places.
    furnished: AtomicU32,
    /// What the timers of this moment have: their signal and their period in nanoseconds.
    pub(super) signal: AtomicU32,
    pub(super) period_ns: AtomicU64,
    /// The generation that was given out last.
    last: AtomicU64,
    pub(super) pool: Pool<WORDS>,
    pub(super) ticks: [TickPlace; TICKS],
    pub(super) guards: Guards,
}

/// Where a sample is left.
#[repr(C, align(64))]
#[derive(Debug)]
pub(super) struct TickPlace(UnsafeCell<Tick>);

/// What a thread leaves of a sample beside its stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tick {
    pub(super) left: Left,
    /// The generation of the timer.
    pub(super) generation: u64,
    pub(super) kind: usize,
    pub(super) tid: u32,
    pub(super) weight: u32,
}

impl TickPlace {
    /// Where to write registers and what belongs to them.
    #[inline(always)]
    pub(super) fn left(&self) -> *mut Left {
        // SAFETY: a place inside the cell's own memory; nothing is read.
        unsafe { &raw mut (*self.0.get()).left }
    }

    /// Writes the rest.
    ///
    /// # Safety
    /// The caller has claimed the place and not finished.
    #[inline(always)]
    pub(super) unsafe fn mark(&self, generation: u64, kind: usize, tid: u32, weight: u32) {
        let tick = self.0.get();
        // SAFETY: by the pool's protocol the one who claimed is alone with it.
        unsafe {
            (&raw mut (*tick).generation).write(generation);
            (&raw mut (*tick).kind).write(kind);
            (&raw mut (*tick).tid).write(tid);
            (&raw mut (*tick).weight).write(weight);
        }
    }

    /// # Safety
    /// The place was taken from those that are ready and is not released.
    pub(super) unsafe fn read(&self) -> Tick {
        // SAFETY: by the pool's protocol nobody writes until it is released; it was written before.
        unsafe { self.0.get().read() }
    }
}

/// A slot on cache lines of its own.
#[repr(C, align(64))]
#[derive(Debug)]
pub(super) struct Place {
    pub(super) slot: Slot,
    left: UnsafeCell<Left>,
}

/// What a thread leaves beside its stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    pub(super) registers: Registers,
    pub(super) bound: super::copy::Bound,
    /// Bytes of stack that could be copied.
    pub(super) copied: usize,
    /// What the thread was labelled with.
    pub(super) label: u64,
}

impl Left {
    /// Whether the stack may go on behind the copy.
    pub(super) fn is_cut(&self) -> bool {
        let copied = self.copied as u64;
        copied > 0 && copied == self.bound.wanted && self.bound.end != Some(copied)
    }

    /// Bytes in use of the thread's own stack: known when all of them could be read, up to the end.
    pub(super) fn depth(&self) -> Option<u64> {
        let end = self.bound.end.filter(|_| self.bound.own)?;
        let whole = self.copied as u64 == end || self.is_cut() && self.goes_on_to(end);
        whole.then_some(end)
    }

    /// Whether everything between the stack pointer and `end` is there, which no other stack below
    /// the thread's own would have: libc leaves an unreadable page under each.
    fn goes_on_to(&self, end: u64) -> bool {
        end <= LONGEST && super::super::memory::is_there(self.registers.sp, end)
    }
}

/// The mapping, for whoever has checked that it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area(NonNull<Head>);

// SAFETY: the mapping is never unmapped and belongs to no thread; what it holds are atomics, and cells
// that the protocols of slots and pool give to one thread at a time.
unsafe impl Send for Area {}

/// The mapping if there is one; what the handler asks.
#[inline(always)]
pub(super) fn present() -> Option<Area> {
    NonNull::new(AREA.load(Ordering::Acquire)).map(Area)
}

/// The mapping, made if need be, for this very process. Called by one thread at a time or by
/// several: whoever comes second leaks nothing but an unused reservation.
pub(super) fn ours() -> Option<Area> {
    let me = std::process::id();
    let there = present();
    if let Some(area) = there
        && area.adopt(me)
    {
        return Some(area);
    }
    let fresh = Area(map()?);
    fresh.adopt(me);
    let old = there.map_or(ptr::null_mut(), |area| area.0.as_ptr());
    match AREA.compare_exchange(old, fresh.0.as_ptr(), Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Some(fresh),
        Err(_) => {
            // SAFETY: munmap(2) of what `map` returned a moment ago and nobody else has seen.
            let _ = unsafe { mman::munmap(fresh.0.cast(), LENGTH) };
            present().filter(|area| area.adopt(me))
        }
    }
}

/// What our signals carry.
pub(super) fn magic() -> u32 {
    MAGIC.load(Ordering::Relaxed)
}

impl Area {
    #[inline(always)]
    pub(super) fn head(&self) -> &Head {
        // SAFETY: the mapping begins with a Head, zeroed memory being valid for its atomics and
        // numbers; it is never unmapped, and what threads write into it is inside UnsafeCells.
        unsafe { self.0.as_ref() }
    }

    /// Makes a mapping that nobody owns ours: a fresh one, or one that a fork wiped. False when it
    /// is another process's, whose handlers and turns this one copied as they were (before Linux 4.14).
    fn adopt(&self, me: u32) -> bool {
        let head = self.head();
        match head.owner.load(Ordering::Acquire) {
            0 => {}
            owner => return owner == me,
        }
        let _ = MAGIC.compare_exchange(0, some_magic(), Ordering::Relaxed, Ordering::Relaxed);
        head.page
            .store(super::super::page_size(), Ordering::Relaxed);
        // SAFETY: getauxval(3) reads the vector that the kernel put on the initial stack.
        let main_end = unsafe { libc::getauxval(libc::AT_EXECFN) };
        head.main_end.store(main_end, Ordering::Relaxed);
        head.owner.store(me, Ordering::Release);
        true
    }

    /// Whether it belongs to the process `pid`.
    #[inline(always)]
    pub(super) fn is_of(&self, pid: u32) -> bool {
        self.head().owner.load(Ordering::Acquire) == pid
    }

    #[inline(always)]
    pub(super) fn slots(&self) -> &[Place; SLOTS] {
        &self.head().slots
    }

    /// Where the stack of slot `index` is copied to: [`STACK`] bytes.
    #[inline(always)]
    pub(super) fn stack(&self, index: usize) -> *mut u8 {
        let offset = HEAD.wrapping_add((index & (SLOTS - 1)).wrapping_mul(STACK));
        self.0.as_ptr().cast::<u8>().wrapping_add(offset)
    }

    /// Where the stack of the sample in place `index` is copied to: [`STACK`] bytes.
    #[inline(always)]
    pub(super) fn tick_stack(&self, index: usize) -> *mut u8 {
        let index = (index & (TICKS - 1)).wrapping_add(SLOTS);
        let offset = HEAD.wrapping_add(index.wrapping_mul(STACK));
        self.0.as_ptr().cast::<u8>().wrapping_add(offset)
    }

    /// Fills the pool, once for each process, and has the kernel provide memory for the first samples.
    /// For who has the turn, while nobody samples.
    pub(super) fn furnish(&self) {
        let head = self.head();
        if head.furnished.swap(1, Ordering::AcqRel) == 0 {
            for word in &head.pool.free {
                word.store(u64::MAX, Ordering::Release);
            }
        }
        let page = head.page.load(Ordering::Relaxed).max(1) as usize;
        let (mine, others): (Vec<_>, Vec<_>) = head
            .pool
            .take_free(0)
            .partition(|place| *place < READY_PLACES);
        for place in &mine {
            for offset in (0..READY_BYTES).step_by(page) {
                // SAFETY: inside the place's own part of the mapping; it was taken from the free ones.
                unsafe { self.tick_stack(*place).add(offset).write_volatile(0) };
            }
        }
        mine.into_iter()
            .chain(others)
            .for_each(|place| head.pool.release(place));
    }

    /// Frees a place that was read. Memory beyond what is usual goes back at once.
    pub(super) fn give_back(&self, place: usize) {
        if place >= KEPT {
            self.wipe(self.tick_stack(place), 1);
        }
        self.head().pool.release(place);
    }

    /// Gives the memory of all places back, and with it what they hold, but of those that are written.
    pub(super) fn clear(&self) {
        let pool = &self.head().pool;
        for word in 0..WORDS {
            for place in pool.take_free(word) {
                self.wipe(self.tick_stack(place), 1);
                pool.release(place);
            }
        }
    }

    /// When the first period of a timer shall end: anywhere in it. Not of use to anybody who would
    /// guess it, so clock and seed are enough.
    pub(super) fn some_phase(&self, period_ns: u64, seed: u32) -> u64 {
        let now = nix::time::ClockId::CLOCK_MONOTONIC.now();
        let now = now.map_or(0, |now| now.tv_nsec().unsigned_abs());
        let mixed = (now ^ u64::from(seed) << 32 ^ u64::from(magic()))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        1 + (mixed >> 11) % period_ns.max(1)
    }

    /// Has the kernel provide memory for the answers of `count` threads: a page that is touched for
    /// the first time costs 2 us, which is the console's to pay and not the thread's.
    pub(super) fn warm(&self, count: usize) {
        let page = self.head().page.load(Ordering::Relaxed).max(1) as usize;
        let each = (WARM / count.clamp(1, SLOTS)).min(STACK);
        for (index, place) in self.slots().iter().enumerate().take(count) {
            if place.slot.is_being_written() {
                continue;
            }
            for offset in (0..each).step_by(page) {
                // SAFETY: inside the slot's own part of the mapping, which nobody writes to: it is not
                // being written, and only the caller, who has the turn, arms slots.
                unsafe { self.stack(index).add(offset).write_volatile(0) };
            }
        }
    }

    /// Gives the memory of all stacks back, and with it what they hold; a thread that is still
    /// writing keeps its slot's.
    pub(super) fn forget(&self) {
        let mut slots = self.slots().iter();
        if slots.all(|place| !place.slot.is_being_written()) {
            return self.wipe(self.stack(0), SLOTS);
        }
        for (index, place) in self.slots().iter().enumerate() {
            if !place.slot.is_being_written() {
                self.wipe(self.stack(index), 1);
            }
        }
    }

    /// Zeroes so many stacks from the one at `start` on, to which nobody writes. The kernel does it by
    /// taking the pages away, unless the host has locked all its memory.
    fn wipe(&self, start: *mut u8, count: usize) {
        let length = count.min(SLOTS) * STACK;
        // SAFETY: inside the mapping, which holds all stacks one behind the other. Nobody writes there:
        // of slots, none is being written, and only the caller, who has the turn, arms them; places
        // of the pool are wiped by who has taken them from it.
        unsafe {
            if libc::madvise(start.cast(), length, libc::MADV_DONTNEED) != 0 {
                start.write_bytes(0, length);
            }
        }
    }
}

impl Head {
    /// A generation that was not given out for long, and never 0. For who has the turn.
    pub(super) fn generation(&self) -> u64 {
        let next = self.last.load(Ordering::Relaxed).wrapping_add(1) & SENT;
        let next = next.max(1);
        self.last.store(next, Ordering::Relaxed);
        next
    }
}

impl Place {
    /// Where to write what a thread leaves: for who has claimed the slot and not finished.
    #[inline(always)]
    pub(super) fn left(&self) -> *mut Left {
        self.left.get()
    }

    /// What the thread left, if it has answered.
    pub(super) fn answer(&self, generation: Generation) -> Option<Left> {
        // SAFETY: by the slot's protocol nobody writes from READY on until the console arms it.
        self.slot
            .is_ready(generation)
            .then(|| unsafe { *self.left.get() })
    }
}

/// Never 0. From std's hash keys, which the kernel seeds.
fn some_magic() -> u32 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(AREA.as_ptr() as usize) as u32 | 1
}

fn map() -> Option<NonNull<Head>> {
    let length = NonZeroUsize::new(LENGTH)?;
    let access = mman::ProtFlags::PROT_READ | mman::ProtFlags::PROT_WRITE;
    let flags = mman::MapFlags::MAP_PRIVATE | mman::MapFlags::MAP_NORESERVE;
    let advice = [
        libc::MADV_WIPEONFORK,
        libc::MADV_DONTDUMP,
        libc::MADV_NOHUGEPAGE,
    ];
    // SAFETY: mmap(2) without an address places a fresh private mapping where nothing else is;
    // madvise(2) is given exactly that. Advice that this kernel does not know is done without.
    unsafe {
        let start = mman::mmap_anonymous(None, length, access, flags).ok()?;
        for advice in advice {
            libc::madvise(start.as_ptr(), LENGTH, advice);
        }
        Some(start.cast())
    }
}
