//! What happens to the few allocations that are sampled, and to frees of what may have been.
//!
//! All of it runs inside the host's allocations: it allocates nothing, takes no lock, waits for nobody, does
//! not panic, and keeps errno. What a signal handler of the host allocates meanwhile is not sampled; what it
//! frees is booked.

use super::{
    countdown::{self, Thread},
    live::Value,
    rate::Rate,
    stacks::{BEFORE_INSTALL, NO_STACK},
    tables,
};
use crate::sys::stacks::{Read, Registers, with_own_stack};
use nix::{
    errno::Errno,
    time::{ClockId, clock_gettime},
};
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Frames that are kept of a stack.
pub(crate) const MOST_FRAMES: usize = 64;

/// Fills the frames in, leaf first, from registers and what reads the stack, but for those whose stack
/// pointer is not above the number; returns how many, and whether the last is the thread's first function. Runs
/// in the hook, so all that is said above holds for it.
pub(crate) type Walker = fn(&Registers, u64, Read<'_>, &mut [u64; MOST_FRAMES]) -> (usize, bool);

/// Who walks stacks; nobody before `install`.
static WALKER: OnceLock<Walker> = OnceLock::new();
/// Whether the allocator is in use.
static IN_USE: AtomicBool = AtomicBool::new(false);

/// From now on stacks are walked by `walker`. The first one stays.
pub(crate) fn walk_with(walker: Walker) {
    let _ = WALKER.set(walker);
}

/// Whether anything was ever allocated through it.
pub(super) fn is_in_use() -> bool {
    IN_USE.load(Ordering::Relaxed)
}

/// An allocation of `size` bytes that is due has been made at `address`; 0 when it failed.
///
/// `mark` is on the stack of the first function that is not to be seen.
pub(super) fn allocated(address: usize, size: usize, mark: &u8) {
    let errno = Errno::last_raw();
    if !is_in_use() {
        IN_USE.store(true, Ordering::Relaxed);
    }
    countdown::take(size, now, |thread, rate| {
        if address != 0 {
            sample(thread, address, size, rate, mark);
        }
    });
    Errno::set_raw(errno);
}

/// What is at `address`, which may have been sampled, is about to be freed or moved.
pub(super) fn freed(address: usize) -> Option<Value> {
    tables::remove(address)
}

/// It was not, for want of memory.
pub(super) fn not_moved(address: usize, value: Value) {
    let errno = Errno::last_raw();
    tables::restore(address, value);
    Errno::set_raw(errno);
}

#[inline(never)]
fn sample(thread: &Thread, address: usize, size: usize, rate: Rate, mark: &u8) {
    let above = std::ptr::from_ref(mark) as u64;
    let Some(walker) = WALKER.get() else {
        return tables::add(address, size, rate, Err(BEFORE_INSTALL), now());
    };
    let mut frames = [0; MOST_FRAMES];
    let (mut count, mut whole) = (0, false);
    with_own_stack(&thread.stack, &mut |registers, read| {
        (count, whole) = walker(registers, above, read, &mut frames);
    });
    let stack = match frames.get(..count) {
        Some(frames @ [_, ..]) => Ok((frames, whole)),
        _ => Err(NO_STACK),
    };
    tables::add(address, size, rate, stack, now());
}

/// Tenths of a second of the monotonic clock; 30 ns.
pub(super) fn now() -> u32 {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE);
    time.map_or(0, |time| {
        (time.tv_sec() as u64 * 10 + time.tv_nsec() as u64 / 100_000_000) as u32
    })
}
