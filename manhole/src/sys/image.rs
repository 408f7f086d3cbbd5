//! The program's own image, read in place.

use nix::libc::{self, Elf64_Phdr};
use std::slice;

/// Where the kernel says the program headers of the program are; 0 when it does not.
pub(crate) fn program_headers() -> u64 {
    auxv(libc::AT_PHDR)
}

/// The `length` bytes at `address`, if they lie in a part of the program that nobody may write.
///
/// Only the program can be lent for good: a library may be unloaded by `dlclose` meanwhile, and a
/// file that is not being executed may be truncated under its mapping. Whoever reads here costs
/// page faults, and no memory beyond the page cache.
pub(crate) fn of_program(address: u64, length: u64) -> Option<&'static [u8]> {
    let end = address.checked_add(length)?;
    let bias = bias()?;
    let holds = |header: &&Elf64_Phdr| {
        let fixed = header.p_type == libc::PT_LOAD
            && header.p_flags & (libc::PF_R | libc::PF_W) == libc::PF_R;
        let start = bias.wrapping_add(header.p_vaddr);
        let until = start.saturating_add(header.p_filesz);
        fixed && start <= address && end <= until
    };
    headers().iter().find(holds)?;
    let length = usize::try_from(length).ok()?;
    // SAFETY: the bytes belong to a segment of the program that exec(2) mapped from its file, for
    // reading and not for writing, by the program headers that the kernel put into the auxiliary
    // vector. No library call unmaps the program, and the kernel keeps files that run from being
    // written (ETXTBSY). The C++ unwinder, with it Rust's panics, reads the same bytes on the same
    // ground. A host that unmaps or reprotects its own image breaks this, and itself.
    Some(unsafe { slice::from_raw_parts(address as *const u8, length) })
}

/// What to add to the addresses in the headers; without an entry for the headers themselves the
/// program is not relocatable.
fn bias() -> Option<u64> {
    let own = headers()
        .iter()
        .find(|header| header.p_type == libc::PT_PHDR);
    Some(match own {
        Some(own) => program_headers().wrapping_sub(own.p_vaddr),
        None => (!headers().is_empty()).then_some(0)?,
    })
}

fn headers() -> &'static [Elf64_Phdr] {
    let (start, count) = (program_headers(), auxv(libc::AT_PHNUM));
    let sized = auxv(libc::AT_PHENT) == size_of::<Elf64_Phdr>() as u64;
    let start = start as *const Elf64_Phdr;
    let Ok(count) = usize::try_from(count) else {
        return &[];
    };
    if !sized || count > 1024 || start.is_null() || !start.is_aligned() {
        return &[];
    }
    // SAFETY: getauxval(3): AT_PHDR is the address of the program headers in the mapped program,
    // AT_PHNUM their number, and their size was compared. The loader and libc read them there; they
    // stay for the life of the program.
    unsafe { slice::from_raw_parts(start, count) }
}

fn auxv(key: libc::c_ulong) -> u64 {
    // SAFETY: getauxval(3) reads the vector that the kernel put on the initial stack, which nobody
    // unmaps; an unknown key gives 0.
    unsafe { libc::getauxval(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_lent_and_nothing_else() {
        let here = the_program_is_lent_and_nothing_else as *const () as u64;
        let code = of_program(here, 16).unwrap();
        assert_eq!(code.as_ptr() as u64, here);
        static WRITABLE: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);
        assert_eq!(of_program(&raw const WRITABLE as u64, 1), None);
        let heap = Box::new(0_u64);
        assert_eq!(of_program(&raw const *heap as u64, 8), None);
        assert_eq!(of_program(here, u64::MAX), None);
        assert_eq!(of_program(here, 1 << 40), None);
        assert_eq!(of_program(0, 1), None);
        let libc = libc::getpid as *const () as u64;
        assert!(of_program(libc, 1).is_none() || libc >> 32 == here >> 32);
    }
}
