//! For tests of the allocator: what only unsafe code asks of one.

use nix::{
    libc,
    sys::signal::{SigHandler, Signal, signal},
};
use std::{
    alloc::{GlobalAlloc, Layout, alloc, alloc_zeroed, dealloc, realloc},
    hint::black_box,
    mem, ptr,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// Allocates, moves and frees at each alignment up to 2 MiB, and looks whether all is as it should be.
pub(crate) fn every_alignment() {
    for bits in 0..22 {
        let layout = Layout::from_size_align(777, 1 << bits).unwrap();
        let larger = Layout::from_size_align(99_999, 1 << bits).unwrap();
        // SAFETY: what is allocated is used within its size and freed with its layout.
        unsafe {
            let block = alloc_zeroed(layout);
            assert!(
                (0..777).all(|at| *block.add(at) == 0)
                    && (block as usize).is_multiple_of(1 << bits)
            );
            block.write(9);
            let block = realloc(block, layout, larger.size());
            assert_eq!((*block, block as usize % (1 << bits)), (9, 0));
            dealloc(block, larger);
        }
    }
}

/// Asks for more than there is, by either way; then calls `look` while 1000 bytes are still there, and
/// frees them.
pub(crate) fn refused_requests(look: impl FnOnce()) {
    let (layout, too_much) = (
        Layout::from_size_align(1000, 8).unwrap(),
        isize::MAX as usize - 4096,
    );
    let huge = Layout::from_size_align(too_much, 1).unwrap();
    // SAFETY: what is allocated is used within its size and freed with its layout; what is refused is
    // not used.
    unsafe {
        let block = alloc(layout);
        block.write(7);
        assert!(realloc(block, layout, black_box(too_much)).is_null() && *block == 7);
        assert!(black_box(alloc(huge)).is_null());
        look();
        dealloc(block, layout);
    }
}

/// An allocator that a signal handler may call: it hands out pieces of one block, again from its beginning
/// when all are gone.
#[derive(Debug)]
pub(crate) struct Pieces(pub AtomicUsize);

const WORDS: usize = 1 << 16;
static BLOCK: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

// SAFETY: pieces are aligned to 8 and lie in a block that stays; who uses this has few at a time, and
// writes to none.
unsafe impl GlobalAlloc for Pieces {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let words = layout.size().div_ceil(8);
        let at = self.0.fetch_add(words, Ordering::Relaxed) % (WORDS - 64);
        assert!(layout.align() <= 8 && words <= 64);
        BLOCK[at].as_ptr().cast()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

/// Allocates 32 bytes of `allocator` and frees them.
pub(crate) fn use_once(allocator: &impl GlobalAlloc) {
    let layout = Layout::new::<[u64; 4]>();
    // SAFETY: freed with the layout that it was allocated with.
    unsafe { allocator.dealloc(black_box(allocator.alloc(layout)), layout) };
}

/// Has `work` done while `handler` interrupts the process every 50 us. It must be alone.
pub(crate) fn interrupted(handler: extern "C" fn(libc::c_int), work: impl FnOnce()) {
    // SAFETY: the handler does what handlers may, by whoever calls this in a test.
    unsafe { signal(Signal::SIGALRM, SigHandler::Handler(handler)) }.unwrap();
    let often = libc::timeval {
        tv_sec: 0,
        tv_usec: 50,
    };
    let timer = libc::itimerval {
        it_interval: often,
        it_value: often,
    };
    // SAFETY: setitimer(2) reads the structure; no old one is wanted.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, ptr::null_mut()) };
    work();
    // SAFETY: as above; all zeros is no timer.
    unsafe { libc::setitimer(libc::ITIMER_REAL, &mem::zeroed(), ptr::null_mut()) };
}
