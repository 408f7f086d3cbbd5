//! The allocators of this process: who answers `malloc`, who serves Rust's allocations, and what each
//! says of itself.
//!
//! Nothing here trusts a name. Whose heap a block is from is asked of the allocators themselves, with
//! a block that was allocated for the question, so it does not matter what a `#[global_allocator]` is
//! called or wrapped in. jemalloc and mimalloc are known when they answer `malloc` (preloaded, say),
//! and linked into the program when the feature of that name is on.

pub(crate) mod glibc;
pub(crate) mod jemalloc;
pub(crate) mod mimalloc;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
};

/// Bytes of a block that is allocated for a question: of a size that every allocator keeps at hand in
/// the thread that freed one.
const PROBE: usize = 520;

/// A block that was there for the question: an address to compare, never to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address(*const u8);

/// Whether `owns` says yes to a block that Rust's global allocator gave.
pub(crate) fn of_rust(owns: impl FnOnce(Address) -> bool) -> bool {
    // Not written to: zeros would be asked of `calloc`, which glibc serves from elsewhere.
    let block = black_box(Box::<[u8; PROBE]>::new_uninit());
    owns(Address(block.as_ptr().cast()))
}

/// Whether `owns` says yes to a block that `malloc` gave.
pub(crate) fn of_malloc(owns: impl FnOnce(Address) -> bool) -> bool {
    let layout = Layout::new::<[u8; PROBE]>();
    // SAFETY: GlobalAlloc::alloc wants a layout that is not empty, dealloc the block and the layout
    // that it was made with. `System` is `malloc` and `free` for this alignment.
    unsafe {
        let block = black_box(System.alloc(layout));
        if block.is_null() {
            return false;
        }
        let owned = owns(Address(block));
        System.dealloc(block, layout);
        owned
    }
}

/// Whether Rust's global allocator hands on to `malloc`. "No" may be wrong, "yes" is not.
///
/// Allocators give a thread the block again that it freed last. That both are asked for the same
/// bytes can happen only when both are one: `malloc` keeps what it was given back, and nobody else
/// can have it.
pub(crate) fn rust_uses_malloc() -> bool {
    (0..4).any(|_| {
        let mut freed = None;
        of_malloc(|block| {
            freed = Some(block);
            true
        });
        of_rust(|block| Some(block) == freed)
    })
}

/// The file whose `malloc` C code gets: libc's own, or a preloaded allocator's; `None` without
/// glibc.
#[cfg(target_env = "gnu")]
pub(crate) fn provider() -> Option<String> {
    use nix::libc;
    let symbol = lookup(c"malloc")?;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: dladdr(3) reads the address as a number and writes the structure; zeroed is a valid
    // Dl_info. A name, if there is one, is a NUL-terminated string of the loader that lives as
    // long as the object, and whoever provides malloc is never unloaded.
    unsafe {
        if libc::dladdr(symbol, info.as_mut_ptr()) == 0 {
            return None;
        }
        let name = info.assume_init().dli_fname;
        (!name.is_null()).then(|| {
            std::ffi::CStr::from_ptr(name)
                .to_string_lossy()
                .into_owned()
        })
    }
}

#[cfg(target_env = "gnu")]
fn lookup(name: &std::ffi::CStr) -> Option<*const nix::libc::c_void> {
    // SAFETY: dlsym(3) with RTLD_DEFAULT searches what is loaded for a NUL-terminated name and
    // returns null when there is none.
    let symbol = unsafe { nix::libc::dlsym(nix::libc::RTLD_DEFAULT, name.as_ptr()) };
    (!symbol.is_null()).then_some(symbol.cast_const())
}

/// Not asked here.
#[cfg(not(target_env = "gnu"))]
pub(crate) fn provider() -> Option<String> {
    None
}

#[cfg(not(target_env = "gnu"))]
fn lookup(_: &std::ffi::CStr) -> Option<*const nix::libc::c_void> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_env = "gnu")]
    fn the_test_program_allocates_with_malloc() {
        assert!(provider().unwrap().contains("libc"));
        assert!(rust_uses_malloc());
        assert!(!of_malloc(|_| false) && !of_rust(|_| false));
    }
}
