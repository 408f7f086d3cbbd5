//! Copies of the registers and stacks of live threads, taken by a signal handler.
//!
//! Nobody is stopped: each thread copies its own registers and at most 64 KiB of its stack into a
//! slot and goes on. What the copy means is found out later, on a thread of ours. Threads do it when
//! they are asked ([`collect`]), or each time when they have used up some processor time
//! ([`Sampling`]).

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod area;
mod awake;
mod collect;
mod copy;
mod disposition;
mod guards;
mod handler;
mod own;
mod pool;
mod sampling;
mod send;
mod slots;
#[cfg(test)]
mod tests;
mod timers;
mod turn;
mod value;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub(crate) use guards::{Guard, guard};
pub(crate) use own::{Known, Read, with_own_stack};
pub(crate) use sampling::{Sample, Sampling};
pub(crate) use timers::{Clock, Timer};

#[cfg(target_arch = "aarch64")]
use aarch64 as arch;
#[cfg(target_arch = "x86_64")]
use x86_64 as arch;

use nix::errno::Errno;
use std::time::Duration;

/// The atomics of the slots' protocol, for which a test has others.
mod atomics {
    pub(super) use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
}

/// The registers that unwinding and the name of a wait need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer, or whatever the code keeps in that register.
    pub fp: u64,
    /// Link register; 0 on x86_64.
    pub lr: u64,
    /// What a system call was made with: number (rax, x8) and six arguments.
    ///
    /// The kernel sets the program counter back to the instruction and restores the number before
    /// it runs a handler in a call that will be restarted; in one that ends with EINTR the first
    /// register holds -EINTR and the number is lost (x86_64).
    pub call: [u64; 7],
}

/// What a thread left in its slot.
#[derive(Debug)]
pub(crate) struct Copied<'a> {
    /// Its registers.
    pub registers: Registers,
    /// Its stack from the stack pointer upwards; empty when it could not be read.
    pub stack: &'a [u8],
    /// Whether the copy ends where the thread's own stack may go on: it was cut at the bound.
    pub cut: bool,
    /// Bytes between the stack pointer and the thread pointer, when the thread is on its own stack.
    pub depth: Option<u64>,
    /// The thread's label ([`super::labels`]).
    pub label: u64,
}

/// Why there is no copy of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It ended.
    Gone,
    /// It did not answer in time.
    Silent,
    /// The signal could not be sent.
    Refused(Errno),
}

/// Why no thread can be asked at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// The host took the signal's handler over; its address.
    Taken(u64),
    /// The kernel refused to install ours.
    Refused(Errno),
    /// No memory for the slots.
    NoMemory,
    /// Somebody else had the slots for as long as one was ready to wait.
    Busy,
}

/// Asks `tids` for copies and hands each to `each` as it comes, in no order; returns when all have
/// answered or had `patience` to do so, or when `keep_going` says no: then nothing is said of the rest.
/// Time in which the calling thread was kept from running hardly counts as patience. The next of
/// `tids` is looked for when there is a slot for it, so that can be done while others answer.
///
/// Concurrent callers queue for the slots, for ten times `patience` at most. Threads of the console
/// must not be among `tids`; the calling thread is never asked.
///
/// # Errors
/// When nobody can be asked; nothing was sent then.
pub(crate) fn collect(
    signal: i32,
    tids: &mut dyn Iterator<Item = u32>,
    patience: Duration,
    keep_going: &dyn Fn() -> bool,
    each: &mut dyn FnMut(u32, Result<Copied<'_>, Missing>),
) -> Result<(), Unusable> {
    collect::collect(signal, tids, patience, false, keep_going, each)
}

/// The same for one who asks again and again: the memory that threads answer into is kept for the next
/// round, so that its pages need not be had anew. [`forget`] at the end gives it back.
///
/// # Errors
/// As [`collect`].
pub(crate) fn collect_again(
    signal: i32,
    tids: &mut dyn Iterator<Item = u32>,
    patience: Duration,
    keep_going: &dyn Fn() -> bool,
    each: &mut dyn FnMut(u32, Result<Copied<'_>, Missing>),
) -> Result<(), Unusable> {
    collect::collect(signal, tids, patience, true, keep_going, each)
}

/// Gives back what [`collect_again`] kept; when others are asking, they do it.
pub(crate) fn forget() {
    drop(turn::Turn::take(Duration::ZERO, &|| true));
}
