//! Is this still the process that installed the console, or a copy of it?
//!
//! Every entry of the API asks. A page that the kernel wipes in a forked child answers with one
//! load, and also for children made without libc's knowledge (raw clone, perhaps as pid 1 of a
//! namespace whose pid is 1 as well). Kernels that cannot wipe are asked for the pid.

use nix::sys::mman;
use std::{
    num::NonZeroUsize,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU32, Ordering},
};

/// Zero in every process that never called [`claim`] itself, once it is there.
static PAGE: AtomicPtr<AtomicU32> = AtomicPtr::new(ptr::null_mut());
/// The process that called [`claim`], for when there is no page.
static PID: AtomicU32 = AtomicU32::new(0);

/// Declares this process the one in which the console lives. Costs two system calls once.
pub(crate) fn claim() {
    if PAGE.load(Ordering::Acquire).is_null()
        && let Some(page) = wiped_on_fork()
    {
        // Whoever comes second leaks a page: two installs at the same moment.
        let old = ptr::null_mut();
        let _ = PAGE.compare_exchange(old, page, Ordering::AcqRel, Ordering::Acquire);
    }
    PID.store(std::process::id(), Ordering::Release);
    if let Some(mark) = mark() {
        mark.store(1, Ordering::Release);
    }
}

/// Whether this very process called [`claim`]; false in a forked child until it does.
pub(crate) fn is_ours() -> bool {
    match mark() {
        Some(mark) => mark.load(Ordering::Acquire) == 1,
        None => PID.load(Ordering::Acquire) == std::process::id(),
    }
}

fn mark() -> Option<&'static AtomicU32> {
    let page = PAGE.load(Ordering::Acquire);
    // SAFETY: PAGE is null or the page that `wiped_on_fork` mapped: aligned, readable, writable,
    // never unmapped, zeroed memory being a valid AtomicU32. A fork wipes or copies it in the
    // child, both of which leave it mapped.
    unsafe { page.as_ref() }
}

fn wiped_on_fork() -> Option<*mut AtomicU32> {
    let size = usize::try_from(super::page_size()).ok()?;
    let length = NonZeroUsize::new(size)?;
    let access = mman::ProtFlags::PROT_READ | mman::ProtFlags::PROT_WRITE;
    // SAFETY: mmap(2) without an address places a fresh private mapping where nothing else is;
    // madvise(2) and munmap(2) are given exactly that mapping, to which nobody else has a pointer.
    unsafe {
        let page = mman::mmap_anonymous(None, length, access, mman::MapFlags::MAP_PRIVATE).ok()?;
        match mman::madvise(page, size, mman::MmapAdvise::MADV_WIPEONFORK) {
            Ok(()) => Some(page.as_ptr().cast()),
            Err(_) => {
                let _ = mman::munmap(page, size);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;

    #[test]
    fn a_forked_child_is_somebody_else_until_it_claims() {
        claim();
        assert!(is_ours());
        in_a_child(|| {
            let foreign = !is_ours();
            claim();
            foreign && is_ours()
        });
        assert!(is_ours());
    }
}
