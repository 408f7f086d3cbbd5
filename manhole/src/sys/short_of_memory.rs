//! For tests: an allocator that has no large piece of memory left, on the thread that asks for that,
//! and that knows how often each thread came to it.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    ptr,
};

thread_local! {
    /// Requests of this many bytes and more are refused.
    static REFUSED: Cell<usize> = const { Cell::new(usize::MAX) };
    /// How often this thread asked for memory or gave some back.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

/// How often the calling thread has been at the allocator.
pub(crate) fn visits() -> u64 {
    ASKED.get()
}

/// Has `work` done with requests of `size` bytes and more refused: code that does not expect that ends
/// the process, so do it [`super::testing::in_a_child`].
pub(crate) fn refusing<T>(size: usize, work: impl FnOnce() -> T) -> T {
    REFUSED.set(size);
    let result = work();
    REFUSED.set(usize::MAX);
    result
}

/// What tests allocate through: `alloc/tests.rs` installs it.
#[derive(Debug)]
pub(crate) struct Allocator;

fn count() {
    // At a thread's end nobody looks any more.
    let _ = ASKED.try_with(|asked| asked.set(asked.get().wrapping_add(1)));
}

fn is_refused(size: usize) -> bool {
    count();
    // At a thread's end nothing is refused.
    REFUSED
        .try_with(|refused| size >= refused.get())
        .unwrap_or(false)
}

// SAFETY: every request is either handed to the system's allocator as it came, which keeps the
// contract, or answered with null, which the contract allows. The thread-local has no destructor
// and needs no allocation.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_refused(layout.size()) {
            true => ptr::null_mut(),
            // SAFETY: the caller's promise is passed on.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_refused(layout.size()) {
            true => ptr::null_mut(),
            // SAFETY: the caller's promise is passed on.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match is_refused(size) {
            true => ptr::null_mut(),
            // SAFETY: the caller's promise is passed on.
            false => unsafe { System.realloc(block, layout, size) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promise is passed on; all blocks come from the system's allocator.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_requests_are_refused_and_only_meanwhile() {
        let large = || Vec::<u8>::new().try_reserve_exact(1 << 16).is_ok();
        let small = || Vec::<u8>::new().try_reserve_exact((1 << 16) - 1).is_ok();
        assert_eq!(refusing(1 << 16, || (large(), small())), (false, true));
        assert!(large());
    }
}
