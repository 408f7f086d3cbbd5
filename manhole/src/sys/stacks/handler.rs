//! What runs inside somebody else's thread.
//!
//! The rules, and what checks them:
//! - It allocates nothing, locks nothing, touches no thread-local and calls no function of libc, so
//!   errno stays what it was: system calls are made by hand (`tests/handler_is_bare.rs`, with an
//!   allocator that tells; the disassembly of a release build has no call in it but the one to the
//!   host's own handler).
//! - It cannot panic or unwind: no indexing, no arithmetic that is checked, no slices (the same
//!   disassembly). Everything below is `#[inline(always)]` so that one symbol holds it all; not so in
//!   a debug build, where one frame for everything would be too large for an alternate stack that a
//!   handler of the host's is to run on as well.
//! - It cannot fault: it reads what the kernel wrote for it, its own memory that is never unmapped,
//!   and the stack through the kernel, which stops where a page cannot be read.
//! - It never waits: no lock, and no loop but those over slots, places, labels and pages, all of fixed
//!   length.
//!   (process_vm_readv takes the address space's lock for reading, as a page fault does.)
//! - It needs less than 4 KiB of stack, the kernel's frame included (as long as the thread has not
//!   used AMX; no handler of anybody's would fit then).
//! - Whatever is not ours goes to the handler that the host had.

use super::{
    super::labels,
    arch::{self, Context},
    area::{self, Area, Place, TickPlace},
    copy, disposition,
    slots::Generation,
    value::{self, Info},
};
use nix::libc;
use std::sync::atomic::Ordering;

/// Installed with SA_SIGINFO, so that the kernel passes three arguments.
pub(super) extern "C" fn on_signal(
    signal: libc::c_int,
    info: *mut libc::c_void,
    context: *mut libc::c_void,
) {
    // SAFETY: the kernel, or a handler that chains to this one, passes pointers to a siginfo_t and an
    // ucontext_t that live until this returns; `Info` and `Context` are the kernel's layouts of these.
    let (their_info, their_context) = unsafe {
        (
            info.cast::<Info>().as_ref(),
            context.cast::<Context>().as_ref(),
        )
    };
    if let (Some(info), Some(context)) = (their_info, their_context)
        && is_answered(info, context)
    {
        return;
    }
    disposition::chain(signal, info, context, their_context);
}

/// Answers a request of the console's, or leaves a sample. False when the signal is none of ours.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
fn is_answered(info: &Info, context: &Context) -> bool {
    let Some(area) = area::present() else {
        return false;
    };
    let pid = number(libc::SYS_getpid);
    if !area.is_of(pid) {
        return false; // a forked child that nobody installed a console in
    }
    let Some(ours) = read(info, pid) else {
        return false;
    };
    let tid = number(libc::SYS_gettid);
    // Also when it is too late, or answered already, there is nothing to do but for who sent it.
    let mut answered = !matches!(ours, Ours::Nameless);
    // A request that comes while a timer's signal is pending is dropped by the kernel: so whoever
    // leaves a sample looks whether somebody asks. One loop, so that there is one copy of all this.
    let mut round = 0_u32;
    while round < 2 {
        let to = match ours {
            Ours::Tick(timer) if round == 0 => place_for(&area, timer),
            Ours::Tick(_) if area.head().turn.is_free() => None,
            Ours::Asked(_, _) | Ours::Nameless if round == 0 => None,
            Ours::Asked(generation, slot) => asked(&area, tid, Some((generation, slot))),
            Ours::Tick(_) | Ours::Nameless => asked(&area, tid, None),
        };
        if let Some(to) = to {
            // SAFETY: `to` is a slot or a place that this thread has claimed.
            unsafe { fill(&area, to, tid, pid, info, context) };
            answered = true;
        }
        round = round.wrapping_add(1);
    }
    answered
}

/// What a signal of ours says.
#[derive(Clone, Copy)]
enum Ours {
    /// A request, with its generation and slot.
    Asked(u64, usize),
    /// A request, or something from outside: what it carried was lost.
    Nameless,
    /// A period of a timer has ended.
    Tick(Timer),
}

/// Which timer: its generation, and whose time it counts.
#[derive(Clone, Copy)]
struct Timer {
    generation: u64,
    kind: usize,
}

/// What a thread has claimed.
#[derive(Clone, Copy)]
enum To<'a> {
    Slot(usize, &'a Place, Generation),
    Tick(usize, &'a TickPlace, Timer),
}

/// What the signal says; `None`: it is not ours.
///
/// The kernel drops what a signal carries when the user has as many pending as RLIMIT_SIGPENDING
/// allows; it then looks like one from outside. (A timer has room for its signal from the start.)
#[inline(always)]
fn read(info: &Info, pid: u32) -> Option<Ours> {
    if info.code == libc::SI_USER && info.pid == 0 && info.uid == 0 {
        return Some(Ours::Nameless);
    }
    let (magic, generation, number) = value::unpack(info.value);
    if magic != area::magic() {
        return None;
    }
    if info.code == libc::SI_QUEUE && info.pid as u32 == pid {
        Some(Ours::Asked(generation, number))
    } else if info.code == value::SI_TIMER {
        let kind = number;
        Some(Ours::Tick(Timer { generation, kind }))
    } else {
        None
    }
}

/// A place for a sample, if signals of the timer still count and one is free.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
fn place_for(area: &Area, timer: Timer) -> Option<To<'_>> {
    let head = area.head();
    if !head.pool.lets_in(timer.generation) {
        return None;
    }
    let index = head.pool.claim()?;
    let place = head.ticks.get(index)?;
    Some(To::Tick(index, place, timer))
}

/// The slot that the signal names, else whichever is armed for this thread: of two signals that are
/// pending at once the kernel keeps the first, which may be of a request long taken back.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
fn asked(area: &Area, tid: u32, sent: Option<(u64, usize)>) -> Option<To<'_>> {
    if let Some((generation, index)) = sent
        && let Some(place) = area.slots().get(index)
        && let Some(generation) = place.slot.claim(tid, Some(generation))
    {
        return Some(To::Slot(index, place, generation));
    }
    let mut index = 0_usize;
    while let Some(place) = area.slots().get(index) {
        if let Some(generation) = place.slot.claim(tid, None) {
            return Some(To::Slot(index, place, generation));
        }
        index = index.wrapping_add(1);
    }
    None
}

/// Writes registers and stack, and hands over.
///
/// # Safety
/// The calling thread has claimed `to` and not finished.
#[cfg_attr(debug_assertions, inline(never))]
#[cfg_attr(not(debug_assertions), inline(always))]
unsafe fn fill(area: &Area, to: To<'_>, tid: u32, pid: u32, info: &Info, context: &Context) {
    let head = area.head();
    let sp = arch::registers(context).sp;
    // Only the main thread's stack ends there; it lies above all others.
    let main_end = head.main_end.load(Ordering::Relaxed);
    let main_end = if tid == pid { main_end } else { 0 };
    let bound = copy::stack_of(sp, context.alternate, main_end);
    let page = head.page.load(Ordering::Relaxed);
    let (into, left) = match to {
        To::Slot(index, place, _) => (area.stack(index), place.left()),
        To::Tick(index, place, _) => (area.tick_stack(index), place.left()),
    };
    // SAFETY: by this function's own condition what these point to is the thread's until it finishes.
    // `into` has 64 KiB, and `wanted` is at most that by `bound`. The parts are written where
    // they belong, one by one: a whole on the thread's stack would double what this needs of it.
    unsafe {
        (&raw mut (*left).copied).write(copy::copy(pid, sp, bound.wanted, page, into));
        (&raw mut (*left).registers).write(arch::registers(context));
        (&raw mut (*left).bound).write(bound);
        (&raw mut (*left).label).write(labels::get(tid));
    }
    match to {
        To::Slot(_, place, generation) => place.slot.finish(generation),
        To::Tick(index, place, timer) => {
            // SAFETY: as above.
            unsafe { place.mark(timer.generation, timer.kind, tid, info.periods()) };
            head.pool.finish(index);
        }
    }
}

/// One of the calls without arguments that return a number and cannot fail.
#[inline(always)]
fn number(call: libc::c_long) -> u32 {
    // SAFETY: getpid(2) and gettid(2) take nothing and touch nothing.
    unsafe { arch::call(call, [0; 6]) as u32 }
}
