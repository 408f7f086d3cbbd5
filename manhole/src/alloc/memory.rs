//! Memory of our own: arrays that are mapped when they are first needed, and stay.
//!
//! Never through the allocator, which is what calls. The kernel gives zeros, and a page only when it is
//! written to.

use super::{
    atomics::{AtomicU32, AtomicU64},
    stacks::Record,
};
use nix::{libc, sys::mman};
use std::{
    marker::PhantomData,
    num::NonZeroUsize,
    ptr, slice,
    sync::atomic::{AtomicPtr, Ordering},
};

/// Of so many requests for memory that could not be had one tries again.
const TRIES: u32 = 1024;

/// A type that zeros are a value of, that needs no drop, and that threads may share.
///
/// # Safety
/// All of that.
pub(super) unsafe trait Zeroed: Sync + 'static {}

// SAFETY: integers that are changed atomically only.
unsafe impl Zeroed for AtomicU32 {}
// SAFETY: as above.
unsafe impl Zeroed for AtomicU64 {}
// SAFETY: a structure of these.
unsafe impl Zeroed for Record {}

/// An array of `length` elements, or none yet.
#[derive(Debug)]
pub(super) struct Array<T: 'static> {
    start: AtomicPtr<T>,
    length: usize,
    refused: std::sync::atomic::AtomicU32,
    of: PhantomData<&'static [T]>,
}

impl<T: Zeroed> Array<T> {
    pub(super) const fn new(length: usize) -> Self {
        Self {
            start: AtomicPtr::new(ptr::null_mut()),
            length,
            refused: std::sync::atomic::AtomicU32::new(0),
            of: PhantomData,
        }
    }

    /// The elements, if there are any yet.
    #[inline]
    pub(super) fn get(&'static self) -> &'static [T] {
        let start = self.start.load(Ordering::Acquire);
        if start.is_null() {
            return &[];
        }
        // SAFETY: what is stored is null or a mapping that `map` made for `length` elements and that
        // nobody unmaps; it is aligned to a page, its bytes are zeros or what was written through
        // shared references, and both are values of T, by its trait.
        unsafe { slice::from_raw_parts(start, self.length) }
    }

    /// The elements, mapped now if they are not yet; empty when that fails. About 3 us the first time.
    pub(super) fn map(&'static self) -> &'static [T] {
        let missing = self.start.load(Ordering::Acquire).is_null();
        if missing
            && self
                .refused
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(TRIES)
        {
            let bytes = NonZeroUsize::new(self.length.saturating_mul(size_of::<T>()));
            if let Some(bytes) = bytes {
                self.fill(bytes);
            }
        }
        self.get()
    }

    fn fill(&self, bytes: NonZeroUsize) {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let none = mman::ProtFlags::PROT_NONE;
        let flags = mman::MapFlags::MAP_PRIVATE | mman::MapFlags::MAP_NORESERVE;
        // SAFETY: mmap(2): without an address and MAP_FIXED nothing that exists is replaced.
        let Ok(start) = (unsafe { mman::mmap_anonymous(None, bytes, none, flags) }) else {
            return;
        };
        // A huge page would make the first sample cost two megabytes; and a process that locks all of its
        // memory (mlockall) would have all of this made at once, which nobody may access so far.
        // SAFETY: madvise(2), munlock(2) and mprotect(2) of the mapping made above, which nobody knows yet.
        let ready = unsafe {
            libc::madvise(start.as_ptr(), bytes.get(), libc::MADV_NOHUGEPAGE);
            libc::munlock(start.as_ptr(), bytes.get());
            libc::mprotect(start.as_ptr(), bytes.get(), access) == 0
        };
        let mine = start.as_ptr().cast();
        let (order, failed) = (Ordering::AcqRel, Ordering::Acquire);
        let first = self.start.compare_exchange(
            ptr::null_mut(),
            if ready { mine } else { ptr::null_mut() },
            order,
            failed,
        );
        if first.is_err() || !ready {
            // SAFETY: munmap(2) of what was mapped above; somebody else was first, so nobody knows it.
            unsafe { libc::munmap(start.as_ptr(), bytes.get()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn an_array_is_there_once_for_all() {
        static ARRAY: Array<AtomicU64> = Array::new(100_000);
        assert_eq!(ARRAY.get().len(), 0);
        thread::scope(|scope| {
            for at in 0..8 {
                scope.spawn(move || ARRAY.map()[at * 1000].store(7, Ordering::Relaxed));
            }
        });
        let sum = |all: &[AtomicU64]| {
            all.iter()
                .map(|one| one.load(Ordering::Relaxed))
                .sum::<u64>()
        };
        assert_eq!((ARRAY.get().len(), sum(ARRAY.get())), (100_000, 56));
    }

    #[test]
    fn a_process_that_locks_all_of_its_memory_is_not_given_an_array_at_once() {
        static ARRAY: Array<AtomicU64> = Array::new(4 << 20);
        let bytes = 32 << 20;
        let mut there = vec![0_u8; bytes / 4096];
        crate::sys::testing::in_a_child(|| {
            // Who may not lock memory is not in that trouble; root may, as in CI.
            if mman::mlockall(mman::MlockAllFlags::MCL_FUTURE).is_err() {
                return true;
            }
            let Some(first) = ARRAY.map().first() else {
                return false;
            };
            first.store(1, Ordering::Relaxed);
            let start = ptr::from_ref(first).cast_mut().cast();
            // SAFETY: mincore(2) writes a byte for each page of the array, and pages have 4 KiB or more.
            let known = unsafe { libc::mincore(start, bytes, there.as_mut_ptr()) } == 0;
            known && there.iter().filter(|page| *page & 1 == 1).count() == 1
        });
    }

    #[test]
    fn what_cannot_be_mapped_is_empty() {
        static ARRAY: Array<AtomicU64> = Array::new(1 << 59);
        assert_eq!(ARRAY.map().len(), 0);
    }
}
