//! What runs inside somebody else's thread.
//!
//! The rules, and what checks them:
//! - It allocates nothing, locks nothing, touches no thread-local and calls no function of libc, so
//!   errno stays what it was: system calls are made by hand (`tests/handler_is_bare.rs`, with an
//!   allocator that tells; the disassembly of a release build has no call in it but the one to the
//!   host's own handler).
//! - It cannot panic or unwind: no indexing, no arithmetic that is checked, no slices (the same
//!   disassembly). Everything below is `#[inline(always)]` so that one symbol holds it all.
//! - It cannot fault: it reads what the kernel wrote for it, its own memory that is never unmapped,
//!   and the stack through the kernel, which stops where a page cannot be read.
//! - It never waits: no lock, and no loop but those over slots and pages, both of fixed length.
//!   (process_vm_readv takes the address space's lock for reading, as a page fault does.)
//! - It needs less than 4 KiB of stack, the kernel's frame included (as long as the thread has not
//!   used AMX; no handler of anybody's would fit then).
//! - Whatever is not ours goes to the handler that the host had.

use super::{
    arch::{self, Context},
    area::{self, Area, Left, Place},
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

/// Answers a request of the console's. False when the signal is none of ours.
#[inline(always)]
fn is_answered(info: &Info, context: &Context) -> bool {
    let Some(area) = area::present() else {
        return false;
    };
    let pid = number(libc::SYS_getpid);
    if !area.is_of(pid) {
        return false; // a forked child that nobody installed a console in
    }
    let sent = match read(info, pid) {
        Some(sent) => sent,
        None => return false,
    };
    let tid = number(libc::SYS_gettid);
    if let Some((index, place, generation)) = claim(&area, tid, sent) {
        // SAFETY: `claim` gave this thread the slot.
        unsafe { fill(&area, index, place, context, pid) };
        place.slot.finish(generation);
        return true;
    }
    sent.is_some() // too late, or answered already: ours, and nothing to do
}

/// Which slot and generation the signal names; `Some(None)` when it may be ours and came without its
/// value. `None`: not ours.
///
/// The kernel drops what a signal carries when the user has as many pending as RLIMIT_SIGPENDING
/// allows; it then looks like one from outside.
#[inline(always)]
fn read(info: &Info, pid: u32) -> Option<Option<(u64, usize)>> {
    if info.code == libc::SI_USER && info.pid == 0 && info.uid == 0 {
        return Some(None);
    }
    let (magic, generation, slot) = value::unpack(info.value);
    let ours = info.code == libc::SI_QUEUE && info.pid as u32 == pid && magic == area::magic();
    if ours {
        Some(Some((generation, slot)))
    } else {
        None
    }
}

/// The slot that the signal names, else whichever is armed for this thread: of two signals that are
/// pending at once the kernel keeps the first, which may be of a request long taken back.
#[inline(always)]
fn claim(area: &Area, tid: u32, sent: Option<(u64, usize)>) -> Option<(usize, &Place, Generation)> {
    if let Some((generation, index)) = sent
        && let Some(place) = area.slots().get(index)
        && let Some(generation) = place.slot.claim(tid, Some(generation))
    {
        return Some((index, place, generation));
    }
    let mut index = 0_usize;
    while let Some(place) = area.slots().get(index) {
        if let Some(generation) = place.slot.claim(tid, None) {
            return Some((index, place, generation));
        }
        index = index.wrapping_add(1);
    }
    None
}

/// # Safety
/// The calling thread has claimed the slot and not finished.
#[inline(always)]
unsafe fn fill(area: &Area, index: usize, place: &Place, context: &Context, pid: u32) {
    let head = area.head();
    let registers = arch::registers(context);
    // Only the main thread's stack ends there; it lies above all others.
    let main_end = head.main_end.load(Ordering::Relaxed);
    let tid = place.slot.tid.load(Ordering::Relaxed);
    let main_end = if tid == pid { main_end } else { 0 };
    let bound = copy::stack_of(&registers, context.alternate, main_end);
    let page = head.page.load(Ordering::Relaxed);
    // SAFETY: the slot's own 64 KiB, which are this thread's until it finishes; `wanted` is at most
    // that by `bound`.
    let copied = unsafe { copy::copy(pid, registers.sp, bound.wanted, page, area.stack(index)) };
    // SAFETY: by this function's own condition.
    unsafe {
        place.leave(Left {
            registers,
            bound,
            copied,
        });
    }
}

/// One of the calls without arguments that return a number and cannot fail.
#[inline(always)]
fn number(call: libc::c_long) -> u32 {
    // SAFETY: getpid(2) and gettid(2) take nothing and touch nothing.
    unsafe { arch::call(call, [0; 6]) as u32 }
}
