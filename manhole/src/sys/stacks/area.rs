//! The memory that threads answer into: 64 slots, and 64 KiB of stack for each.
//!
//! One mapping, made at first use and never unmapped: a late handler must find it. It is a child's
//! zeros after a fork (MADV_WIPEONFORK), stays out of core files (copies of stacks hold secrets) and
//! never becomes a huge page, whose clearing would happen inside somebody's handler.

use super::{
    Registers,
    atomics::{AtomicU32, AtomicU64, Ordering},
    slots::{Generation, Holder, Slot},
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
const HEAD: usize = STACK;
const LENGTH: usize = HEAD + SLOTS * STACK;
const _: [(); 1] = [(); (size_of::<Head>() <= HEAD) as usize];

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
            return self.wipe(0, SLOTS);
        }
        for (index, place) in self.slots().iter().enumerate() {
            if !place.slot.is_being_written() {
                self.wipe(index, 1);
            }
        }
    }

    /// Zeroes the stacks of some slots, to which nobody writes. The kernel does it by taking the pages
    /// away, unless the host has locked all its memory.
    fn wipe(&self, first: usize, count: usize) {
        let (start, length) = (self.stack(first), count.min(SLOTS) * STACK);
        // SAFETY: inside the mapping, which holds the stacks of all slots one behind the other. Nobody
        // writes there: no slot is being written, and only the caller, who has the turn, arms slots.
        unsafe {
            if libc::madvise(start.cast(), length, libc::MADV_DONTNEED) != 0 {
                start.write_bytes(0, length);
            }
        }
    }
}

impl Place {
    /// Writes what a thread leaves.
    ///
    /// # Safety
    /// The caller has claimed the slot and not finished.
    #[inline(always)]
    pub(super) unsafe fn leave(&self, left: Left) {
        // SAFETY: by the slot's protocol the one who claimed is alone with it.
        unsafe { self.left.get().write(left) };
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
