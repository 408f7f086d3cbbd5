//! Reading memory of this process that may be gone by now: a short count instead of a fault.

use nix::{
    sys::uio::{RemoteIoVec, process_vm_readv},
    unistd::Pid,
};
use std::{fs::File, io::IoSliceMut, os::unix::fs::FileExt};

/// Pages per system call.
const PAGES: usize = 16;

/// Copies what is at `address` into `into`, up to the first page that cannot be read; returns how
/// many bytes that is. About 1 us and 0.2 us a page.
///
/// What other threads write there meanwhile comes torn. A sandbox that refuses process_vm_readv
/// (container profiles of before 2020 do) is got round by /proc/self/mem where that can be opened.
pub(crate) fn read_own(address: u64, into: &mut [u8]) -> usize {
    let page = usize::try_from(super::page_size()).unwrap_or(4096);
    let Ok(address) = usize::try_from(address) else {
        return 0;
    };
    let mut done = 0;
    while let Some(rest @ [_, ..]) = into.get_mut(done..) {
        let Some(from) = address.checked_add(done) else {
            break;
        };
        let asked = (PAGES * page - from % page).min(rest.len());
        let Some(piece) = rest.get_mut(..asked) else {
            break;
        };
        let read = by_call(from, page, piece).unwrap_or_else(|()| by_file(from, page, piece));
        done += read;
        if read < asked {
            break;
        }
    }
    done
}

/// Whether every page of the `length` bytes from `address` on can be read. 0.1 us a page.
pub(crate) fn is_there(address: u64, length: u64) -> bool {
    let page = super::page_size();
    let Some(end) = address.checked_add(length) else {
        return false;
    };
    let mut at = address;
    let mut sample = [0_u8; PAGES];
    while at < end {
        let mut pieces = [RemoteIoVec { base: 0, len: 0 }; PAGES];
        let mut asked = 0;
        for piece in &mut pieces {
            if at < end {
                *piece = RemoteIoVec {
                    base: at as usize,
                    len: 1,
                };
                asked += 1;
                at = (at | (page - 1)).saturating_add(1);
            }
        }
        let into = &mut [IoSliceMut::new(&mut sample)];
        if process_vm_readv(Pid::this(), into, &pieces) != Ok(asked) {
            return false;
        }
    }
    true
}

/// The kernel counts whole pieces of the far side, so each page is a piece. Fails when the call is
/// refused as such, and not for this address.
fn by_call(from: usize, page: usize, into: &mut [u8]) -> Result<usize, ()> {
    let mut pieces = [RemoteIoVec { base: 0, len: 0 }; PAGES];
    let (mut at, mut left) = (from, into.len());
    for piece in &mut pieces {
        let len = (page - at % page).min(left);
        *piece = RemoteIoVec { base: at, len };
        at = at.wrapping_add(len);
        left -= len;
    }
    use nix::errno::Errno;
    match process_vm_readv(Pid::this(), &mut [IoSliceMut::new(into)], &pieces) {
        Ok(read) => Ok(read),
        Err(Errno::EFAULT | Errno::EINVAL | Errno::ENOMEM) => Ok(0),
        Err(_) => Err(()),
    }
}

fn by_file(from: usize, page: usize, into: &mut [u8]) -> usize {
    let Ok(file) = File::open("/proc/self/mem") else {
        return 0;
    };
    let mut done = 0;
    while let Some(rest @ [_, ..]) = into.get_mut(done..) {
        let at = from.wrapping_add(done);
        let len = (page - at % page).min(rest.len());
        let Some(piece) = rest.get_mut(..len) else {
            break;
        };
        if file.read_exact_at(piece, at as u64).is_err() {
            break;
        }
        done += len;
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::mman;
    use std::num::NonZeroUsize;

    /// Twenty pages with a pattern, of which the last cannot be read.
    fn pages() -> (usize, usize) {
        let page = crate::sys::page_size() as usize;
        let length = NonZeroUsize::new(20 * page).unwrap();
        let access = mman::ProtFlags::PROT_READ | mman::ProtFlags::PROT_WRITE;
        // SAFETY: a fresh private mapping, filled within its bounds; its last page is then closed to
        // everybody. It stays for the life of the test process.
        let start = unsafe {
            let start = mman::mmap_anonymous(None, length, access, mman::MapFlags::MAP_PRIVATE);
            let start = start.unwrap().cast::<u8>();
            (0..19 * page).for_each(|at| start.as_ptr().add(at).write(at as u8 ^ (at >> 8) as u8));
            let last = start.add(19 * page).cast();
            mman::mprotect(last, page, mman::ProtFlags::PROT_NONE).unwrap();
            start
        };
        (start.as_ptr() as usize, page)
    }

    #[test]
    fn a_read_ends_at_the_first_page_that_is_not_there() {
        let (start, page) = pages();
        let check = |offset: usize, length: usize, expected: usize| {
            let mut into = vec![0xee; length];
            assert_eq!(read_own((start + offset) as u64, &mut into), expected);
            let is = |(at, byte): (usize, &u8)| {
                *byte == (at + offset) as u8 ^ ((at + offset) >> 8) as u8
            };
            assert!(into[..expected].iter().enumerate().all(is));
            let mut by_file = vec![0; length];
            super::by_file(start + offset, page, &mut by_file);
            assert_eq!(by_file[..expected], into[..expected]);
        };
        check(0, 8, 8);
        check(page - 3, 6, 6);
        check(0, 19 * page, 19 * page);
        check(7, 19 * page, 19 * page - 7);
        check(17 * page + 1, 5 * page, 2 * page - 1);
        check(19 * page, 16, 0);
        check(5, 0, 0);
    }

    #[test]
    fn no_address_faults() {
        for address in [
            0,
            1,
            u64::MAX,
            u64::MAX - 4096,
            1 << 47,
            0xffff_ffff_ff60_0000,
        ] {
            assert_eq!(read_own(address, &mut [0; 16]), 0, "{address:#x}");
        }
    }
}
