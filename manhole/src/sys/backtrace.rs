//! The calling thread's own stack, by the platform's unwinder: what std does for a panic.
//!
//! For calls that the application makes itself, in the open. Everything else copies first and unwinds
//! later ([`super::stacks`]).

use nix::libc::{c_int, c_void};
use std::ops::ControlFlow;

unsafe extern "C-unwind" {
    fn _Unwind_Backtrace(
        each: extern "C-unwind" fn(*mut c_void, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIPInfo(context: *mut c_void, before: *mut c_int) -> usize;
    /// Where the frame's stack pointer was at its call, in spite of the name.
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

/// Go on, and stop (`_URC_NO_REASON`, `_URC_NORMAL_STOP`).
const GO_ON: c_int = 0;
const STOP: c_int = 4;
/// Frames that are looked at, whatever is wanted of them.
const MOST: usize = 256;

/// What is filled, and what tells the caller's frames from ours.
struct Filling<'a> {
    into: &'a mut [u64],
    filled: usize,
    seen: usize,
    /// Frames whose stack pointer is not above this are that function's, or of what it called.
    above: usize,
}

/// Fills `into` with the addresses of those who called the function that has `local` on its stack, leaf
/// first, of each the address within its call; returns how many. 2 to 7 us, by their number.
pub(crate) fn callers<T>(local: &T, into: &mut [u64]) -> usize {
    let mut filling = Filling {
        into,
        filled: 0,
        seen: 0,
        above: std::ptr::from_ref(local) as usize,
    };
    // SAFETY: as the Itanium ABI for exceptions declares it. The callback gets what is passed here, which
    // outlives the call, and does not unwind. Of the stack only what is in use is read, and nobody else
    // runs on it.
    unsafe { _Unwind_Backtrace(each, (&raw mut filling).cast()) };
    filling.filled
}

extern "C-unwind" fn each(context: *mut c_void, argument: *mut c_void) -> c_int {
    // SAFETY: `argument` is what `callers` passes: a Filling that nobody else uses meanwhile.
    let Some(filling) = (unsafe { argument.cast::<Filling<'_>>().as_mut() }) else {
        return STOP;
    };
    let mut before = 0;
    // SAFETY: the context is valid during the call, and `before` may be written to.
    let (address, pointer) = unsafe {
        (
            _Unwind_GetIPInfo(context, &raw mut before),
            _Unwind_GetCFA(context),
        )
    };
    match filling.add(address, pointer, before != 0) {
        ControlFlow::Continue(()) => GO_ON,
        ControlFlow::Break(()) => STOP,
    }
}

impl Filling<'_> {
    fn add(&mut self, address: usize, pointer: usize, exact: bool) -> ControlFlow<()> {
        self.seen += 1;
        // libgcc shows the end of a stack as a frame at 0.
        if address == 0 || self.seen > MOST {
            return ControlFlow::Break(());
        }
        if pointer <= self.above {
            return ControlFlow::Continue(());
        }
        let Some(place) = self.into.get_mut(self.filled) else {
            return ControlFlow::Break(());
        };
        *place = (address as u64).saturating_sub(u64::from(!exact));
        self.filled += 1;
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[inline(never)]
    fn called(into: &mut [u64]) -> usize {
        let here = black_box(0_u8);
        callers(&here, into)
    }

    #[inline(never)]
    fn nested(depth: usize, into: &mut [u64]) -> usize {
        let filled = match depth {
            0 => called(into),
            _ => nested(black_box(depth - 1), into),
        };
        black_box(filled)
    }

    #[test]
    fn callers_come_leaf_first_and_the_function_itself_does_not() {
        let mut frames = [0; 64];
        let filled = nested(10, &mut frames);
        let start = nested as *const () as u64;
        let inside = |address: &u64| (start..start + 256).contains(address);
        assert!(filled > 12, "{filled}");
        assert!(frames[..11].iter().all(inside), "{frames:x?}");
        assert!(!frames[11..].iter().any(inside));
    }

    #[test]
    fn no_more_are_taken_than_there_is_room_for() {
        assert_eq!(nested(20, &mut [0; 5]), 5);
        assert_eq!(nested(3, &mut []), 0);
        let mut frames = [0; 1000];
        assert!(nested(900, &mut frames) < MOST);
    }
}
