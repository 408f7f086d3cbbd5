//! Memory that goes back to the system when it is dropped, whatever allocator the host has.
//!
//! For large copies that live as long as a command: through the allocator they would raise its
//! threshold for mappings (glibc) or stay in its caches, and the host would keep what we used.

use nix::{libc, sys::mman};
use std::{
    num::NonZeroUsize,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    slice,
};

/// Zeroed bytes in a mapping of their own.
#[derive(Debug)]
pub(crate) struct Pages {
    start: NonNull<u8>,
    length: NonZeroUsize,
}

// SAFETY: the mapping belongs to this value alone and to no thread: whoever has the value may use
// the bytes, by the rules of references.
unsafe impl Send for Pages {}
// SAFETY: a shared reference only reads.
unsafe impl Sync for Pages {}

impl Pages {
    /// `length` bytes; `None` when they cannot be had, or are none. About 3 us, and a page fault for
    /// each page that is used.
    pub(crate) fn new(length: usize) -> Option<Self> {
        let length = NonZeroUsize::new(length)?;
        let access = mman::ProtFlags::PROT_READ | mman::ProtFlags::PROT_WRITE;
        // SAFETY: mmap(2): without an address and MAP_FIXED nothing that exists is replaced.
        let start =
            unsafe { mman::mmap_anonymous(None, length, access, mman::MapFlags::MAP_PRIVATE) };
        let start = start.ok()?.cast();
        Some(Self { start, length })
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `new` mapped `length` readable bytes at `start`, zeroed by the kernel; nobody else
        // knows them, and they stay until `drop`.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length.get()) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; they are writable, and `&mut self` says that nobody else looks.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length.get()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: munmap(2) of exactly what `new` mapped; the borrow checker knows of no reference.
        // It fails only for an address that was not mapped.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_zeroed_writable_and_gone_afterwards() {
        let mut pages = Pages::new(10_000).unwrap();
        assert!(pages.len() == 10_000 && pages.iter().all(|byte| *byte == 0));
        pages[9_999] = 7;
        assert_eq!(pages[9_999], 7);
        assert!(Pages::new(0).is_none());
        assert!(Pages::new(usize::MAX / 2).is_none());
    }
}
