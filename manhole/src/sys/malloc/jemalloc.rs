//! jemalloc's figures and its purge, through `mallctl`.
//!
//! With the feature `jemalloc` it is that of `tikv-jemalloc-sys`, of which cargo links one version
//! only, so it is the one that the service uses. Without it, the one that is loaded as `malloc`.
//! `tikv-jemalloc-ctl` would have the reading, but not the purge, which writes nothing and reads
//! nothing; it brings another procedural macro into the build; and it knows nothing of a library.
//!
//! `mallctl` takes a lock of jemalloc's that allocations do not take, and those of each arena for a
//! moment when the figures are renewed: 0.2 ms for all of [`Jemalloc::stats`] with nine arenas, of which
//! it makes four for each core. A purge takes as long as the system calls do that give the pages back:
//! 1 s for each GiB where they are scattered.

use super::Address;
use nix::libc::{c_char, c_int, c_void};
use std::{
    ffi::CStr,
    ptr::{from_mut, null_mut},
};

/// `int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen)`.
type Mallctl =
    unsafe extern "C" fn(*const c_char, *mut c_void, *mut usize, *mut c_void, usize) -> c_int;

/// jemalloc(3), `MALLCTL_ARENAS_ALL`: all arenas at once.
const PURGE_ALL: &CStr = c"arena.4096.purge";

/// A jemalloc in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Jemalloc(Mallctl);

/// What it counts, in bytes. All unknown where it was built without its statistics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Handed out to the program.
    pub allocated: Option<u64>,
    /// In pages that hold something handed out.
    pub active: Option<u64>,
    /// Of its own structures.
    pub metadata: Option<u64>,
    /// Pages in memory that it has mapped: active, its own, and unused ones not given back yet.
    pub resident: Option<u64>,
    /// In mappings that are in use, in memory or not.
    pub mapped: Option<u64>,
    /// Address space kept for reuse, without memory behind it.
    pub retained: Option<u64>,
}

impl Jemalloc {
    /// The one that is linked into the program.
    #[cfg(feature = "jemalloc")]
    pub(crate) fn linked() -> Option<Self> {
        Some(Self(tikv_jemalloc_sys::mallctl))
    }

    /// None is known to be linked into the program.
    #[cfg(not(feature = "jemalloc"))]
    pub(crate) fn linked() -> Option<Self> {
        None
    }

    /// The one that is loaded as the program's `malloc`; ask only where that is jemalloc.
    pub(crate) fn loaded() -> Option<Self> {
        let symbol = super::lookup(c"mallctl")?;
        // SAFETY: the caller has seen that `malloc` comes from jemalloc's library, which exports under
        // this name the function of jemalloc(3) with this signature. It is never unloaded.
        Some(Self(unsafe {
            std::mem::transmute::<*const c_void, Mallctl>(symbol)
        }))
    }

    /// Its figures as of now.
    pub(crate) fn stats(self) -> Stats {
        let mut epoch = 1_u64;
        // SAFETY: jemalloc(3): "epoch" is a uint64_t that is written to renew the figures.
        let renewed = unsafe {
            (self.0)(
                c"epoch".as_ptr(),
                null_mut(),
                null_mut(),
                from_mut(&mut epoch).cast(),
                size_of::<u64>(),
            )
        };
        if renewed != 0 {
            return Stats::default();
        }
        Stats {
            allocated: self.size(c"stats.allocated"),
            active: self.size(c"stats.active"),
            metadata: self.size(c"stats.metadata"),
            resident: self.size(c"stats.resident"),
            mapped: self.size(c"stats.mapped"),
            retained: self.size(c"stats.retained"),
        }
    }

    /// Gives unused pages of all arenas back to the system; whether it was done.
    pub(crate) fn purge(self) -> bool {
        // SAFETY: jemalloc(3): "arena.<i>.purge" neither reads nor writes, so all is null.
        unsafe { (self.0)(PURGE_ALL.as_ptr(), null_mut(), null_mut(), null_mut(), 0) == 0 }
    }

    /// Its version, as `5.3.1`.
    pub(crate) fn version(self) -> Option<String> {
        let mut text: *const c_char = std::ptr::null();
        let mut length = size_of::<*const c_char>();
        // SAFETY: jemalloc(3): "version" is a const char * that is read; it points to a constant.
        let text = unsafe {
            let read = (self.0)(
                c"version".as_ptr(),
                from_mut(&mut text).cast(),
                &mut length,
                null_mut(),
                0,
            );
            (read == 0 && !text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy())?
        };
        Some(short(&text).to_owned())
    }

    /// Whether the block is from its heap; it only looks the address up in its tables.
    pub(crate) fn owns(self, mut block: Address) -> bool {
        let mut arena: u32 = 0;
        let mut length = size_of::<u32>();
        // SAFETY: jemalloc(3): "arenas.lookup" takes a pointer and gives the index of its arena, an
        // unsigned; since 5.3 an address that it does not know is an error. `Address` is one pointer.
        unsafe {
            (self.0)(
                c"arenas.lookup".as_ptr(),
                from_mut(&mut arena).cast(),
                &mut length,
                from_mut(&mut block.0).cast(),
                size_of::<*const u8>(),
            ) == 0
        }
    }

    fn size(self, name: &CStr) -> Option<u64> {
        let mut value: usize = 0;
        let mut length = size_of::<usize>();
        // SAFETY: all names that are asked for are size_t in jemalloc(3); one of another size, and one
        // that is not there, is an error and read as unknown.
        let read = unsafe {
            (self.0)(
                name.as_ptr(),
                from_mut(&mut value).cast(),
                &mut length,
                null_mut(),
                0,
            )
        };
        (read == 0 && length == size_of::<usize>()).then_some(value as u64)
    }
}

/// `5.3.1-0-g81034ce1f1373e37dc865038e1bc8eeecf559ce8`, without what nobody reads.
fn short(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_cut_at_its_commit() {
        assert_eq!(
            short("5.3.1-0-g81034ce1f1373e37dc865038e1bc8eeecf559ce8"),
            "5.3.1"
        );
        assert_eq!(short("5.2.1"), "5.2.1");
        assert_eq!(short(""), "");
    }
}
