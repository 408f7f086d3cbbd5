//! `manhole::Alloc`: the allocator of the host, with a few allocations looked at.
//!
//! One of the places with `unsafe`, beside `sys`: the trait that Rust asks of allocators is. Layers: `mod.rs`
//! passes calls on, `countdown` says which allocation is looked at, `hook` what happens then, `tables` and
//! what they are made of keep it, `read` shows it.

mod atomics {
    //! For which a test has others.
    pub(super) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
}
mod books;
mod countdown;
mod filter;
mod hook;
mod live;
mod memory;
mod rate;
pub(crate) mod read;
mod stacks;
mod tables;
#[cfg(test)]
mod tests;

pub(crate) use countdown::exclude_this_thread;
pub(crate) use hook::{MOST_FRAMES, walk_with};

use std::alloc::{GlobalAlloc, Layout, System};

/// An allocator that knows who holds the memory: it passes all calls to `A`, and looks at a sample of them.
///
/// ```
/// #[global_allocator]
/// static ALLOC: manhole::Alloc = manhole::Alloc::system();
/// # fn main() {}
/// ```
///
/// Over another one than the system's:
///
/// ```
/// # use std::alloc::System as MiMalloc;
/// #[global_allocator]
/// static ALLOC: manhole::Alloc<MiMalloc> = manhole::Alloc::new(MiMalloc);
/// # fn main() {}
/// ```
///
/// Then `heap` says which lines of the service hold how much, what grew, and what leaks.
///
/// # What is seen
///
/// What Rust code allocates in this process. Not what C libraries get from `malloc`, nor mappings: `memory`
/// shows how much that is. One allocation in 512 KiB is sampled on average, larger ones the more probably;
/// `heap sampling` changes that while the process runs. Figures are estimates, and answers say how good.
///
/// # What it costs
///
/// An allocation pays a subtraction and a branch, a free the load of one byte: together about 1 ns
/// (BENCHMARKS.md). With thousands of live samples as many pages are marked, and frees there pay a look into a table:
/// with 10 GiB live at the default rate that is a quarter of all. A sample takes 0.1 us where its stack was met
/// before, and more where it leads through code that was not; a thread takes at most 5000 a second before it takes
/// fewer. Memory is the sampler's own: 32 bytes for each live sample, 80 and 8 for each frame for each stack, at most
/// 13 MiB; 0.2 MiB beside that; and copies of libraries' unwind information, 0.25 MiB for those of C, at most 16 MiB.
/// When a table is full, samples are dropped and counted. A sample needs 3.5 KiB of the thread's stack, in builds without
/// optimization 11 KiB.
///
/// Beside what the allocator below does, threads that sample call `process_vm_readv`, `getpid` and `gettid`
/// (rarely: when they reach deeper into their stack, and always on stacks of coroutines), and `mmap`, `madvise`,
/// `munlock`, `mprotect` and `munmap` (the first few samples of the process). A sandbox that refuses them
/// costs stacks; one that kills must allow them.
///
/// A library that is loaded with an `Alloc` of its own leaves that one's tables behind when it is unloaded.
///
/// It never allocates itself, takes no lock and does not panic; in a library that was loaded by `dlopen`, the
/// first access of a thread to its counters is the loader's, who may. What is allocated before [`crate::install`] is
/// known by its size only; the console's own threads are left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alloc<A = System> {
    inner: A,
}

impl Alloc {
    /// Over the allocator that a program has if it says nothing.
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> Alloc<A> {
    /// Over `inner`.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }

    /// What the calls are passed to.
    pub const fn inner(&self) -> &A {
        &self.inner
    }
}

// SAFETY: memory comes from `inner`, an allocator by its own promise, and goes back to it with the layout
// that it came with; each call is passed on exactly once, with its arguments as they are, and its answer is
// returned as it is. What is done besides touches memory of our own only, does not unwind, and does not
// allocate.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Alloc<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_sampled(layout.size()) {
            // SAFETY: as the caller promised.
            return unsafe { self.alloc_sampled(layout) };
        }
        // SAFETY: as the caller promised.
        unsafe { self.inner.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_sampled(layout.size()) {
            // SAFETY: as the caller promised.
            return unsafe { self.alloc_zeroed_sampled(layout) };
        }
        // SAFETY: as the caller promised.
        unsafe { self.inner.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if tables::may_hold(pointer as usize) {
            // SAFETY: as the caller promised.
            return unsafe { self.dealloc_sampled(pointer, layout) };
        }
        // SAFETY: as the caller promised.
        unsafe { self.inner.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both are done, whatever the other says.
        if tables::may_hold(pointer as usize) | is_sampled(size) {
            // SAFETY: as the caller promised.
            return unsafe { self.realloc_sampled(pointer, layout, size) };
        }
        // SAFETY: as the caller promised.
        unsafe { self.inner.realloc(pointer, layout, size) }
    }
}

/// The rare ways, in functions of their own, so that the usual ones end in a jump.
impl<A: GlobalAlloc> Alloc<A> {
    /// # Safety
    /// As of [`GlobalAlloc::alloc`].
    #[cold]
    #[inline(never)]
    unsafe fn alloc_sampled(&self, layout: Layout) -> *mut u8 {
        let mark = 0;
        // SAFETY: as the caller promised.
        let pointer = unsafe { self.inner.alloc(layout) };
        hook::allocated(pointer as usize, layout.size(), &mark);
        pointer
    }

    /// # Safety
    /// As of [`GlobalAlloc::alloc_zeroed`].
    #[cold]
    #[inline(never)]
    unsafe fn alloc_zeroed_sampled(&self, layout: Layout) -> *mut u8 {
        let mark = 0;
        // SAFETY: as the caller promised.
        let pointer = unsafe { self.inner.alloc_zeroed(layout) };
        hook::allocated(pointer as usize, layout.size(), &mark);
        pointer
    }

    /// What is known of a pointer is forgotten before it is freed: somebody else may get it at once.
    ///
    /// # Safety
    /// As of [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_sampled(&self, pointer: *mut u8, layout: Layout) {
        hook::freed(pointer as usize);
        // SAFETY: as the caller promised.
        unsafe { self.inner.dealloc(pointer, layout) }
    }

    /// # Safety
    /// As of [`GlobalAlloc::realloc`].
    #[cold]
    #[inline(never)]
    unsafe fn realloc_sampled(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let mark = 0;
        let known = hook::freed(old as usize);
        // SAFETY: as the caller promised.
        let new = unsafe { self.inner.realloc(old, layout, size) };
        match known {
            Some(value) if new.is_null() => hook::not_moved(old as usize, value),
            _ if countdown::is_due() => hook::allocated(new as usize, size, &mark),
            _ => {}
        }
        new
    }
}

#[inline(always)]
fn is_sampled(size: usize) -> bool {
    !cfg!(feature = "stub") && countdown::charge(size)
}
