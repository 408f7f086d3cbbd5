//! Whose handler a signal has: ours once installed, with the host's behind it.
//!
//! Installed at the first use of a signal and never taken back: a late signal must find it. What
//! cannot be had:
//! - Of a signal whose default is to end the process (PROF, USR1, ...) that default is lost. SIGURG
//!   and SIGWINCH do nothing by default.
//! - A handler that the host installs later gets our signals of that very moment, and sees a
//!   siginfo_t of ours; from the next look on we refuse.
//! - The host's handler runs with SA_ONSTACK and SA_RESTART, whatever it asked for. One that counts on
//!   interrupting system calls should be given a signal of its own.
//! - A signal to one thread that is already pending there swallows the next of its kind, whoever
//!   sent it. Real-time signals queue.

use super::{Unusable, arch, arch::Context, handler::on_signal};
use nix::{errno::Errno, libc};
use std::{
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicPtr, AtomicU64, Ordering},
};

/// Signals go from 1 to 64.
const SIGNALS: usize = 65;
/// Faults stay deliverable while our handler runs, so that the host's own report of a crash works,
/// and SYS, by which a sandbox talks.
const DELIVERABLE: [i32; 6] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// What the host had, per signal; leaked, so that a late signal finds it. Null: nothing to call.
static CHAINED: [AtomicPtr<libc::sigaction>; SIGNALS] =
    [const { AtomicPtr::new(ptr::null_mut()) }; SIGNALS];
/// The signals that got our handler, a bit each.
static INSTALLED: AtomicU64 = AtomicU64::new(0);

/// Sees to it that `signal` has our handler. For one thread at a time.
pub(super) fn claim(signal: i32) -> Result<(), Unusable> {
    let index = usize::try_from(signal).unwrap_or(0);
    let chained = CHAINED.get(index).filter(|_| index > 0);
    let chained = chained.ok_or(Unusable::Refused(Errno::EINVAL))?;
    let now = present(signal).map_err(Unusable::Refused)?;
    if INSTALLED.load(Ordering::Acquire) & bit(index) != 0 {
        return check(signal);
    }
    install(signal, now, chained).map_err(Unusable::Refused)?;
    INSTALLED.fetch_or(bit(index), Ordering::AcqRel);
    Ok(())
}

/// Whether `signal`, which was claimed, still has our handler. About 0.2 us, for any thread.
pub(super) fn check(signal: i32) -> Result<(), Unusable> {
    let now = present(signal).map_err(Unusable::Refused)?;
    match is_ours(&now) {
        true => Ok(()),
        false => Err(Unusable::Taken(now.sa_sigaction as u64)),
    }
}

/// Whether the host has a handler of its own behind ours, so that it counts on the signal.
pub(super) fn is_hosts_too(signal: i32) -> bool {
    let chained = usize::try_from(signal).ok();
    let chained = chained.and_then(|signal| CHAINED.get(signal));
    let action = chained.map_or(ptr::null_mut(), |action| action.load(Ordering::Acquire));
    // SAFETY: null, or an action that `install` leaked.
    let theirs = unsafe { action.as_ref() };
    theirs.is_some_and(|theirs| !matches!(theirs.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN))
}

fn bit(index: usize) -> u64 {
    1_u64.rotate_left(index as u32)
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == on_signal as *const () as usize
        && action.sa_flags & libc::SA_SIGINFO != 0
}

fn present(signal: i32) -> Result<libc::sigaction, Errno> {
    let mut now = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction(2) without a new action writes the present one; zeroed memory is valid.
    unsafe {
        Errno::result(libc::sigaction(signal, ptr::null(), now.as_mut_ptr()))?;
        Ok(now.assume_init())
    }
}

/// The host's action is in place before ours can run. Had another thread of the host installed one
/// between our look and our change, it is put behind ours right after.
fn install(
    signal: i32,
    seen: libc::sigaction,
    chained: &AtomicPtr<libc::sigaction>,
) -> Result<(), Errno> {
    let seen_handler = seen.sa_sigaction;
    chained.store(Box::leak(Box::new(seen)), Ordering::Release);
    let ours = action();
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: sigaction(2) reads `ours`, which is fully set, and writes `before`. The handler is
    // `extern "C"`, takes the three arguments of SA_SIGINFO and never unwinds.
    let before = unsafe {
        Errno::result(libc::sigaction(
            signal,
            &raw const ours,
            before.as_mut_ptr(),
        ))?;
        before.assume_init()
    };
    if before.sa_sigaction != seen_handler && !is_ours(&before) {
        chained.store(Box::leak(Box::new(before)), Ordering::Release);
    }
    Ok(())
}

fn action() -> libc::sigaction {
    // SAFETY: zeroed memory is a valid sigaction; sigfillset(3) and sigdelset(3) write its mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigfillset(&raw mut action.sa_mask);
        for signal in DELIVERABLE {
            libc::sigdelset(&raw mut action.sa_mask, signal);
        }
        action
    }
}

/// Calls the host's handler as the kernel would have: with the signals blocked that the thread and
/// the handler asked for, in the shape it has, once if it wanted to be called once. Part of the
/// handler: its rules are there.
#[inline(always)]
pub(super) fn chain(
    signal: libc::c_int,
    info: *mut libc::c_void,
    context: *mut libc::c_void,
    interrupted: Option<&Context>,
) {
    let Some(chained) = CHAINED.get(signal as usize) else {
        return;
    };
    let action = chained.load(Ordering::Acquire);
    // SAFETY: null, or an action that `install` leaked.
    let Some(theirs) = (unsafe { action.as_ref() }) else {
        return;
    };
    if matches!(theirs.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        return;
    }
    if theirs.sa_flags & libc::SA_RESETHAND != 0
        && chained
            .compare_exchange(action, ptr::null_mut(), Ordering::AcqRel, Ordering::Relaxed)
            .is_err()
    {
        return;
    }
    if let Some(interrupted) = interrupted {
        block(signal, theirs, interrupted);
    }
    // SAFETY: the host installed this address as a handler for this very signal, with the flags
    // beside it saying which of the two shapes it has; it is called with what the kernel gave us.
    unsafe {
        if theirs.sa_flags & libc::SA_SIGINFO != 0 {
            type Long = extern "C" fn(libc::c_int, *mut libc::c_void, *mut libc::c_void);
            std::mem::transmute::<usize, Long>(theirs.sa_sigaction)(signal, info, context);
        } else {
            std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(theirs.sa_sigaction)(signal);
        }
    }
}

/// From all signals blocked to those that the host's handler expects; the kernel restores the
/// thread's own when ours returns.
#[inline(always)]
fn block(signal: libc::c_int, theirs: &libc::sigaction, interrupted: &Context) {
    // SAFETY: on 64-bit Linux the kernel's signal set is the first 8 bytes of libc's.
    let wanted = unsafe { (&raw const theirs.sa_mask).cast::<u64>().read_unaligned() };
    let mut mask = interrupted.mask | wanted;
    if theirs.sa_flags & libc::SA_NODEFER == 0 {
        mask |= 1_u64.rotate_left((signal as u32).wrapping_sub(1));
    }
    // SAFETY: rt_sigprocmask(2) reads a mask of 8 bytes.
    unsafe {
        arch::call(
            libc::SYS_rt_sigprocmask,
            [libc::SIG_SETMASK as u64, &raw const mask as u64, 0, 8, 0, 0],
        );
    }
}
