//! A service on jemalloc: `cargo test -p manhole --features jemalloc --test jemalloc`. Building
//! jemalloc takes two minutes.

mod allocators;

use std::alloc::{GlobalAlloc, Layout};
use tikv_jemalloc_sys as je;

/// What the crate `tikv-jemallocator` does, which would be built for every test if it were asked for.
struct Jemalloc;

// SAFETY: jemalloc(3): aligned_alloc gives a block of that size and alignment or null when the
// alignment is a power of two and at least a pointer's; free takes any block of its own back.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Jemalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align = layout.align().max(size_of::<usize>());
        // SAFETY: as above; the size is not 0 by GlobalAlloc's own conditions.
        unsafe { je::aligned_alloc(align, layout.size()).cast() }
    }

    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: as above; the caller passes a block that came from `alloc`.
        unsafe { je::free(block.cast()) }
    }
}

#[global_allocator]
static ALLOC: manhole::Alloc<Jemalloc> = manhole::Alloc::new(Jemalloc);

fn main() {
    allocators::check(&allocators::Expected {
        name: "jemalloc 5.",
        purge: "jemalloc purge",
        counts: &["used_bytes", "held_bytes"],
        unknown: &[],
        deep: &[],
        beside_libc: true,
    });
}
