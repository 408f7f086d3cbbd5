//! mimalloc's figures and its purge.
//!
//! With the feature `mimalloc` it is that of `libmimalloc-sys`, the one that the service uses: its
//! releases are compatible, so cargo has one. Without it, the one that is loaded as `malloc`.
//!
//! What it says of resident memory is not asked for: on Linux that is its own guess. What is handed
//! out it counts only when it is built for debugging. So there is one figure, and that costs 1 us.

use super::Address;
use nix::libc::{c_int, c_void};
use std::ptr::null_mut;

type Collect = unsafe extern "C" fn(bool);
type ProcessInfo = unsafe extern "C" fn(
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
    *mut usize,
);
type Version = unsafe extern "C" fn() -> c_int;
type Owns = unsafe extern "C" fn(*const c_void) -> bool;

/// A mimalloc in this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mimalloc {
    collect: Collect,
    info: ProcessInfo,
    version: Version,
    owns: Owns,
}

impl Mimalloc {
    /// The one that is linked into the program.
    #[cfg(feature = "mimalloc")]
    pub(crate) fn linked() -> Option<Self> {
        use libmimalloc_sys as mi;
        Some(Self {
            collect: mi::mi_collect,
            info: mi::mi_process_info,
            version: mi::mi_version,
            owns: mi::mi_is_in_heap_region,
        })
    }

    /// None is known to be linked into the program.
    #[cfg(not(feature = "mimalloc"))]
    pub(crate) fn linked() -> Option<Self> {
        None
    }

    /// The one that is loaded as the program's `malloc`; ask only where that is mimalloc.
    pub(crate) fn loaded() -> Option<Self> {
        let collect = super::lookup(c"mi_collect")?;
        let info = super::lookup(c"mi_process_info")?;
        let version = super::lookup(c"mi_version")?;
        let owns = super::lookup(c"mi_is_in_heap_region")?;
        // SAFETY: the caller has seen that `malloc` comes from mimalloc's library, which exports under
        // these names the functions of mimalloc.h with these signatures. It is never unloaded.
        Some(unsafe {
            Self {
                collect: std::mem::transmute::<*const c_void, Collect>(collect),
                info: std::mem::transmute::<*const c_void, ProcessInfo>(info),
                version: std::mem::transmute::<*const c_void, Version>(version),
                owns: std::mem::transmute::<*const c_void, Owns>(owns),
            }
        })
    }

    /// Bytes that it has taken from the system and not given back, its own guess of what is touched.
    pub(crate) fn committed(self) -> Option<u64> {
        let mut committed = 0;
        let none = null_mut;
        // SAFETY: mimalloc.h: each of the eight is optional, and written if it is not null.
        unsafe {
            (self.info)(
                none(),
                none(),
                none(),
                none(),
                none(),
                &mut committed,
                none(),
                none(),
            );
        }
        (committed > 0).then_some(committed as u64)
    }

    /// Gives back what is unused: of all arenas, and what this thread keeps for itself. What other
    /// threads keep stays until they collect, which they do as they allocate.
    pub(crate) fn collect(self) {
        // SAFETY: mimalloc.h: may be called by any thread; true means that pages go back at once.
        unsafe { (self.collect)(true) }
    }

    /// Its version, as `3.3.2`.
    pub(crate) fn version(self) -> Option<String> {
        // SAFETY: mimalloc.h: returns a constant.
        version_text(unsafe { (self.version)() })
    }

    /// Whether the block is from its heap; it only looks the address up in its tables.
    pub(crate) fn owns(self, block: Address) -> bool {
        // SAFETY: mimalloc.h: any address may be asked; what it points to is not read.
        unsafe { (self.owns)(block.0.cast()) }
    }
}

/// mimalloc.h has two digits each for minor and patch since 2.2 and 3.0, one before: `217`, `30302`.
fn version_text(number: c_int) -> Option<String> {
    match number {
        100..1000 => Some(format!(
            "{}.{}.{}",
            number / 100,
            number / 10 % 10,
            number % 10
        )),
        10_000.. => Some(format!(
            "{}.{}.{}",
            number / 10_000,
            number / 100 % 100,
            number % 100
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_kinds_are_read() {
        let check =
            |number, expected: Option<&str>| assert_eq!(version_text(number).as_deref(), expected);
        check(30302, Some("3.3.2"));
        check(20302, Some("2.3.2"));
        check(217, Some("2.1.7"));
        check(0, None);
    }
}
