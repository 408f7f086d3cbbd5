//! glibc's allocator: its figures and its trim; other C libraries have neither.
//!
//! All of it is about libc's own heap. A service that brings its own allocator (jemalloc,
//! mimalloc) uses little of that, and one that preloads another `malloc` nothing at all. [`info`]
//! walks the free lists under the arena locks, up to 0.7 s on a fragmented heap of 4 GiB, and whoever
//! allocates meanwhile waits; [`trim`] likewise.

#[cfg(target_env = "gnu")]
use super::lookup;
#[cfg(target_env = "gnu")]
use nix::libc;
#[cfg(target_env = "gnu")]
use std::ffi::CStr;

/// What `mallinfo2` counts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Info {
    /// Taken from the system for the arenas, without the mapped blocks.
    pub arenas: u64,
    /// In blocks of their own, by mmap.
    pub mapped: u64,
    /// Handed out, mapped blocks not included.
    pub used: u64,
    /// Free, in the arenas.
    pub free: u64,
    /// Free at the top of the main arena: what a trim gives back at least.
    pub trimmable: u64,
}

/// The figures of libc's heap; `None` without glibc 2.33. May stall the host, see the module.
#[cfg(target_env = "gnu")]
pub(crate) fn info() -> Option<Info> {
    let symbol = lookup(c"mallinfo2")?;
    // SAFETY: mallinfo(3): `struct mallinfo2 mallinfo2(void)`, since glibc 2.33. The pointer is
    // that function, by the lookup above, and libc::mallinfo2 is that structure. It is looked up
    // rather than linked, so that the program still starts where glibc is older.
    let figures = unsafe {
        let mallinfo2: extern "C" fn() -> libc::mallinfo2 = std::mem::transmute(symbol);
        mallinfo2()
    };
    Some(Info {
        arenas: figures.arena as u64,
        mapped: figures.hblkhd as u64,
        used: figures.uordblks as u64,
        free: figures.fordblks as u64,
        trimmable: figures.keepcost as u64,
    })
}

/// Gives free pages of libc's heap back to the system; whether any were. `None` without glibc.
///
/// Takes up to a second and holds each arena's lock in turn.
#[cfg(target_env = "gnu")]
pub(crate) fn trim() -> Option<bool> {
    // SAFETY: malloc_trim(3) takes a number, is thread-safe, and exists in every glibc.
    Some(unsafe { libc::malloc_trim(0) } == 1)
}

/// The version of glibc at run time, as `2.36`; `None` with another libc.
#[cfg(target_env = "gnu")]
pub(crate) fn libc_version() -> Option<String> {
    // SAFETY: gnu_get_libc_version(3) returns a constant, NUL-terminated string.
    let version = unsafe { CStr::from_ptr(libc::gnu_get_libc_version()) };
    Some(version.to_string_lossy().into_owned())
}

#[cfg(not(target_env = "gnu"))]
pub(crate) use elsewhere::{info, libc_version, trim};

#[cfg(not(target_env = "gnu"))]
mod elsewhere {
    //! The same questions where the answer is always "unknown".

    /// No such figures here.
    pub(crate) fn info() -> Option<super::Info> {
        None
    }

    /// No such call here.
    pub(crate) fn trim() -> Option<bool> {
        None
    }

    /// Not glibc.
    pub(crate) fn libc_version() -> Option<String> {
        None
    }
}

#[cfg(all(test, target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn glibc_tells_its_version() {
        assert!(libc_version().unwrap().starts_with("2."));
    }

    #[test]
    fn a_block_shows_up_in_the_figures() {
        let Some(before) = info() else {
            return eprintln!("skipped: glibc before 2.33");
        };
        let block = std::hint::black_box(vec![1_u8; 64 << 20]);
        let after = info().unwrap();
        assert!(after.mapped + after.used >= before.mapped + before.used + (32 << 20));
        drop(block);
        assert!(trim().is_some());
    }
}
