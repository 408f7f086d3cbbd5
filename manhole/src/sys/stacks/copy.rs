//! How much of a stack is copied, and the copy, which cannot fault.
//!
//! A stack pointer says nothing of where its stack ends. An alternate signal stack is known to the
//! kernel; else the thread's control block lies at the upper end of the stack that libc made. But
//! code may run on a stack of its own making below that, with unreadable pages between. So the kernel
//! copies: it stops where a page cannot be read.

use super::{
    arch::{self, Alternate},
    area::STACK,
};
use nix::libc;
use std::mem::MaybeUninit;

/// What is copied of a stack whose end nobody knows.
const UNKNOWN: u64 = 16 << 10;
/// A copy touches this many pages at most: those of 4 KiB, the first and the last in part.
const PIECES: usize = STACK / 4096 + 1;

/// How far a stack may be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    /// Bytes that are asked for.
    pub(super) wanted: u64,
    /// Bytes up to the end of the stack, if it is where it seems; `None` when nobody knows.
    pub(super) end: Option<u64>,
    /// Whether the end is that of the stack that libc made for the thread.
    pub(super) own: bool,
}

/// The bound for a stack pointer, given the thread's alternate stack and what may lie at the upper
/// end of its own.
#[inline(always)]
pub(super) fn bound(sp: u64, alternate: Alternate, ends: [u64; 2]) -> Bound {
    let inside = sp.wrapping_sub(alternate.start);
    if inside < alternate.size {
        return up_to(alternate.size.wrapping_sub(inside), false);
    }
    let [a, b] = ends.map(
        #[inline(always)]
        |end| end.checked_sub(sp).unwrap_or(u64::MAX),
    );
    let nearest = if a < b { a } else { b };
    if nearest == u64::MAX {
        return Bound {
            wanted: UNKNOWN,
            end: None,
            own: false,
        };
    }
    up_to(nearest, true)
}

#[inline(always)]
fn up_to(end: u64, own: bool) -> Bound {
    let wanted = if end < STACK as u64 {
        end
    } else {
        STACK as u64
    };
    Bound {
        wanted,
        end: Some(end),
        own,
    }
}

/// `struct iovec`, with a number for an address: what it names may not be there.
#[repr(C)]
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    length: u64,
}

/// Copies `wanted` bytes from `from` upwards in the calling process, whose id is `pid`; returns how
/// many could be read before the first page that cannot. 0 when the system refuses the call.
///
/// # Safety
/// `into` is valid for writing `wanted` bytes, which are at most [`STACK`]; `page` is the size of a page.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
pub(super) unsafe fn copy(pid: u32, from: u64, wanted: u64, page: u64, into: *mut u8) -> usize {
    let mut pieces = [const { MaybeUninit::<Piece>::uninit() }; PIECES];
    let first = pieces.as_mut_ptr().cast::<Piece>();
    let (mut count, mut start, mut left) = (0_usize, from, wanted);
    while left > 0 && count < PIECES {
        let in_page = page.wrapping_sub(start & page.wrapping_sub(1));
        let length = if in_page < left { in_page } else { left };
        // SAFETY: `count` is below the length of `pieces`.
        unsafe { first.add(count).write(Piece { start, length }) };
        count = count.wrapping_add(1);
        start = start.wrapping_add(length);
        left = left.wrapping_sub(length);
    }
    let here = Piece {
        start: into as u64,
        length: wanted,
    };
    // SAFETY: process_vm_readv(2) reads `here` and the `count` pieces that were written, and writes
    // at most `wanted` bytes to `into`, which has room for them; what the pieces name it only reads,
    // as far as it is there.
    let read = unsafe {
        arch::call(
            libc::SYS_process_vm_readv,
            [
                u64::from(pid),
                &raw const here as u64,
                1,
                first as u64,
                count as u64,
                0,
            ],
        )
    };
    if read < 0 { 0 } else { read as usize }
}

/// Whether each page from `from` until `until` can be read, in the calling process, whose id is `pid`.
/// 1 us for 16 pages.
pub(super) fn readable(pid: u32, from: u64, until: u64, page: u64) -> bool {
    let mut bytes = [0_u8; PIECES];
    let mut at = from & !page.wrapping_sub(1);
    while at < until {
        let mut pieces = [Piece {
            start: 0,
            length: 0,
        }; PIECES];
        let mut count = 0_u64;
        for piece in &mut pieces {
            if at < until {
                *piece = Piece {
                    start: at,
                    length: 1,
                };
                at = at.saturating_add(page);
                count = count.wrapping_add(1);
            }
        }
        let here = Piece {
            start: bytes.as_mut_ptr() as u64,
            length: PIECES as u64,
        };
        // SAFETY: process_vm_readv(2) reads `here` and `count` pieces, each of a byte, and writes as many
        // bytes to `here`, which has room for all; what the pieces name it only reads, as far as it is there.
        let read = unsafe {
            arch::call(
                libc::SYS_process_vm_readv,
                [
                    u64::from(pid),
                    &raw const here as u64,
                    1,
                    pieces.as_ptr() as u64,
                    count,
                    0,
                ],
            )
        };
        if u64::try_from(read) != Ok(count) {
            return false;
        }
    }
    true
}

/// The bound of the calling thread's stack.
#[inline(always)]
pub(super) fn stack_of(sp: u64, alternate: Alternate, main_end: u64) -> Bound {
    bound(sp, alternate, [arch::thread_pointer(), main_end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const SP: u64 = 0x7f00_0000_1000;

    #[test]
    fn a_stack_ends_where_its_thread_says() {
        let check = |alternate: (u64, u64), ends: [u64; 2], expected: (u64, Option<u64>, bool)| {
            let alternate = Alternate {
                start: alternate.0,
                flags: 0,
                size: alternate.1,
            };
            let bound = bound(SP, alternate, ends);
            assert_eq!((bound.wanted, bound.end, bound.own), expected);
        };
        let big = STACK as u64;
        check((0, 0), [SP + 100, 0], (100, Some(100), true));
        check((0, 0), [SP + (1 << 20), 0], (big, Some(1 << 20), true));
        check((0, 0), [0, SP + 300], (300, Some(300), true));
        check((0, 0), [SP + (1 << 30), SP + 300], (300, Some(300), true));
        check((0, 0), [SP - 8, 0], (UNKNOWN, None, false));
        check((0, 0), [SP, 0], (0, Some(0), true));
        check((SP - 50, 100), [SP + 8, 0], (50, Some(50), false));
        check((SP, 8), [SP + 80, 0], (8, Some(8), false));
        check((SP - 100, 100), [SP + 80, 0], (80, Some(80), true));
        check((SP + 1, 100), [SP + 80, 0], (80, Some(80), true));
        check((SP - 9, 1 << 20), [0, 0], (big, Some((1 << 20) - 9), false));
    }

    #[test]
    fn pages_are_readable_without_a_gap_or_not() {
        let page = crate::sys::page_size();
        let bytes = vec![1_u8; 200 << 10];
        let (start, pid) = (bytes.as_ptr() as u64, std::process::id());
        assert!(readable(pid, start, start + (200 << 10), page));
        assert!(readable(pid, start, start, page));
        assert!(!readable(pid, 0, 10, page));
        assert!(!readable(pid, 0, start + 10, page));
    }

    #[test]
    fn a_copy_is_what_is_there_and_stops_where_nothing_is() {
        let source: Vec<u8> = (0..STACK + 100).map(|at| (at % 251) as u8).collect();
        let mut into = vec![0; STACK];
        let page = crate::sys::page_size();
        let mut copied = |from: u64, wanted: usize| {
            // SAFETY: `into` has STACK bytes, and `wanted` is not more.
            unsafe {
                copy(
                    std::process::id(),
                    from,
                    wanted as u64,
                    page,
                    into.as_mut_ptr(),
                )
            }
        };
        assert_eq!(copied(source.as_ptr() as u64 + 99, STACK), STACK);
        assert_eq!(copied(0, 100), 0);
        assert_eq!(copied(u64::MAX - 10, 100), 0);
        assert_eq!(copied(source.as_ptr() as u64, 0), 0);
        assert_eq!(into, source[99..99 + STACK]);
    }
}
