//! The calling thread's own stack, read while it is in use.
//!
//! For what runs inside the host's allocations: no allocation, no lock, no wait, and no fault either,
//! whatever unwind information leads to. Where a thread runs on the stack that libc made for it, every
//! page from its stack pointer up to the stack's end is tried once, by a system call; what was readable
//! then stays so while the thread lives, since nobody can unmap the stack that he runs on. On any other
//! stack, of a coroutine or for signals, a part is copied, which takes a system call each time.

use super::{Registers, arch, copy};
use nix::libc;
use std::{
    cell::{Cell, UnsafeCell},
    sync::atomic::{AtomicBool, Ordering},
};

/// The farthest end of a stack that is looked for: each page up to there is tried.
const FARTHEST: u64 = 1 << 20;
/// Bytes that are copied of a stack whose end nobody knows, and how many threads may at a time.
const WINDOW: usize = 16 << 10;
const WINDOWS: usize = 4;

/// The part of its own stack that a thread may read; nothing at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    low: u64,
    high: u64,
    /// Whether the thread was met on a stack that is not known to be its own. It is never believed again
    /// that it is on that one: what is between may have been another stack, and be gone.
    foreign: bool,
}

impl Known {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        low: 0,
        high: 0,
        foreign: false,
    };

    /// Whether all from `sp` to the end of the thread's own stack may be read; tried if nobody did.
    fn reaches(&mut self, sp: u64) -> bool {
        if self.foreign || (self.low..self.high).contains(&sp) {
            return !self.foreign;
        }
        self.foreign = !self.extends_to(sp);
        !self.foreign
    }

    fn extends_to(&mut self, sp: u64) -> bool {
        // The control block of the main thread is elsewhere, perhaps above stacks that are nobody's.
        let high = match is_main() {
            // SAFETY: getauxval(3) reads the vector that the kernel put on the initial stack; an unknown
            // key gives 0. These bytes lie there above all frames.
            true => unsafe { libc::getauxval(libc::AT_RANDOM) },
            false => arch::thread_pointer(),
        };
        if high.checked_sub(sp).is_none_or(|way| way > FARTHEST) {
            return false;
        }
        let page = crate::sys::page_size();
        let low = sp & !page.wrapping_sub(1);
        let until = match self.high == high && self.low > low {
            true => self.low,
            false => high,
        };
        let readable = copy::readable(std::process::id(), low, until, page);
        if readable {
            (self.low, self.high) = (low, high);
        }
        readable
    }
}

/// Whether the calling thread is the process's first. One that has forked is taken for it in the child, where
/// its stack is then copied.
fn is_main() -> bool {
    // SAFETY: gettid(2) takes nothing and cannot fail.
    let thread = unsafe { arch::call(libc::SYS_gettid, [0; 6]) };
    u32::try_from(thread) == Ok(std::process::id())
}

/// What reads a word of the stack; `None` for an address that is not on it.
pub(crate) type Read<'a> = &'a mut dyn FnMut(u64) -> Option<u64>;

/// Calls `walk` with the registers of this function, whose callers' frames are on the stack, and with
/// what reads them; `false` when nothing can be read. 20 ns, on a foreign stack 2 us.
#[inline(never)]
pub(crate) fn with_own_stack(
    known: &Cell<Known>,
    walk: &mut dyn FnMut(&Registers, Read<'_>),
) -> bool {
    let registers = arch::own_registers();
    let sp = registers.sp;
    let mut reach = known.get();
    if reach.reaches(sp) {
        known.set(reach);
        walk(&registers, &mut |address| {
            let inside = address >= sp && address < reach.high && address & 7 == 0;
            // SAFETY: on this thread's own stack, between its stack pointer and the end: `reaches`
            // found each page of that readable, without a gap up to the control block of the thread or, for the first one,
            // what the kernel left there. A guard page lies below every stack that libc makes, so memory without a gap
            // up to there is this very stack, which stays as long as the thread runs on it. The end
            // is a multiple of 8, or lies in a page that was tried.
            inside.then(|| unsafe { arch::load(address) })
        });
        return true;
    }
    copied(&registers, walk)
}

/// The same on a copy.
#[inline(never)]
fn copied(registers: &Registers, walk: &mut dyn FnMut(&Registers, Read<'_>)) -> bool {
    let free = |window: &&Window| !window.taken.swap(true, Ordering::Acquire);
    let Some(window) = COPIES.iter().find(free) else {
        return false;
    };
    let into = window.bytes.get().cast::<u8>();
    let page = crate::sys::page_size();
    // SAFETY: the window has WINDOW bytes and is ours until `taken` is reset.
    let count = unsafe { copy::copy(std::process::id(), registers.sp, WINDOW as u64, page, into) };
    // SAFETY: `count` bytes were written there, and nobody writes until `taken` is reset.
    let bytes = unsafe { std::slice::from_raw_parts(into, count) };
    let start = registers.sp;
    walk(registers, &mut |address| {
        let from = usize::try_from(address.checked_sub(start)?).ok()?;
        Some(u64::from_le_bytes(*bytes.get(from..)?.first_chunk()?))
    });
    window.taken.store(false, Ordering::Release);
    count > 0
}

/// Where a stack is copied to.
struct Window {
    taken: AtomicBool,
    bytes: UnsafeCell<[u8; WINDOW]>,
}

// SAFETY: the bytes are used by the one who changed `taken` from false to true only.
unsafe impl Sync for Window {}

static COPIES: [Window; WINDOWS] = [const {
    Window {
        taken: AtomicBool::new(false),
        bytes: UnsafeCell::new([0; WINDOW]),
    }
}; WINDOWS];

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Reads the word at `address` as somebody who walks does.
    fn read(known: &Cell<Known>, address: u64) -> Option<u64> {
        let mut found = None;
        assert!(with_own_stack(known, &mut |_, read| found = read(address)));
        found
    }

    #[test]
    fn what_is_on_the_own_stack_is_read_and_nothing_else() {
        let known = Cell::new(Known::NONE);
        let local = black_box(0x1234_5678_9abc_def0_u64);
        let at = &raw const local as u64;
        assert_eq!(read(&known, at), Some(local));
        let reach = known.get();
        assert!((reach.low..reach.high).contains(&at), "{reach:x?}");
        let heap = Box::new(local);
        for elsewhere in [
            &raw const *heap as u64,
            0,
            at + 1,
            reach.high,
            u64::MAX,
            u64::MAX - 7,
        ] {
            assert_eq!(read(&known, elsewhere), None, "{elsewhere:x}");
        }
    }

    #[test]
    fn deeper_calls_are_tried_when_they_are_met() {
        #[inline(never)]
        fn deep(known: &Cell<Known>, depth: u32) -> u64 {
            let page = black_box([depth; 1024]);
            let below = match depth {
                0 => read(known, &raw const page as u64).map_or(0, |_| known.get().low),
                _ => deep(known, depth - 1),
            };
            black_box(page);
            below
        }
        let known = Cell::new(Known::NONE);
        let first = deep(&known, 0);
        let deeper = deep(&known, 4);
        assert!(
            deeper + 4 * 4096 <= first,
            "{deeper:x} {first:x} {:x?}",
            known.get()
        );
        assert_ne!(first, 0);
        assert!(deep(&known, 2) == deeper, "what was known stays");
    }

    #[test]
    fn who_was_on_a_foreign_stack_is_not_believed_again() {
        let local = black_box(1_u64);
        let sp = &raw const local as u64;
        let mut known = Known::NONE;
        assert!(known.reaches(sp) && known.reaches(sp));
        // Far below whatever belongs to this thread.
        assert!(!known.reaches(4096));
        assert!(!known.reaches(sp));
        // What is read then is a copy.
        let kept = Cell::new(known);
        assert_eq!((read(&kept, sp), kept.get()), (Some(1), known));
    }

    #[test]
    fn a_foreign_stack_is_copied() {
        let local = black_box(0x0fed_cba9_8765_4321_u64);
        let at = &raw const local as u64;
        let registers = Registers {
            sp: at,
            ..Registers::default()
        };
        let mut words = [None; 3];
        assert!(copied(&registers, &mut |_, read| {
            words = [read(at), read(at - 8), read(at + WINDOW as u64)];
        }));
        assert_eq!(words, [Some(local), None, None]);
        let nowhere = Registers {
            sp: 4096,
            ..Registers::default()
        };
        assert!(!copied(&nowhere, &mut |_, read| assert_eq!(
            read(4096),
            None
        )));
    }

    #[test]
    fn all_threads_know_their_stack() {
        let found = std::thread::spawn(|| {
            let known = Cell::new(Known::NONE);
            let local = black_box(77_u64);
            let word = read(&known, &raw const local as u64);
            (word, known.get() != Known::NONE)
        });
        assert_eq!(found.join().unwrap(), (Some(77), true));
    }
}
