//! A service on mimalloc: `cargo test -p manhole --features mimalloc --test mimalloc`.

mod allocators;

use libmimalloc_sys as mi;
use std::alloc::{GlobalAlloc, Layout};

/// What the crate `mimalloc` does, which would be built for every test if it were asked for.
struct Mimalloc;

// SAFETY: mimalloc.h: mi_malloc_aligned gives a block of that size and alignment or null, mi_free
// takes any block of its own back; neither unwinds.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Mimalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above; the size is not 0 by GlobalAlloc's own conditions.
        unsafe { mi::mi_malloc_aligned(layout.size(), layout.align()).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: as above; the caller passes a block that came from `alloc`.
        unsafe { mi::mi_free(block.cast()) }
    }
}

#[global_allocator]
static ALLOC: manhole::Alloc<Mimalloc> = manhole::Alloc::new(Mimalloc);

fn main() {
    allocators::check(&allocators::Expected {
        name: "mimalloc 3.",
        purge: "mimalloc collect",
        counts: &["taken_bytes"],
        unknown: &["used_bytes", "held_bytes"],
        deep: &[],
        beside_libc: true,
    });
}
