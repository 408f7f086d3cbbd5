//! Waiting for a signal that activates a dormant console, beside whatever the host does with it.

use nix::{errno::Errno, libc};
use std::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering},
};

/// A POSIX semaphore: the one thing that a signal handler may post and a thread may sleep on.
struct Semaphore(UnsafeCell<MaybeUninit<libc::sem_t>>);

// SAFETY: sem_post, sem_wait and sem_init are made to be called from any thread on one semaphore;
// `prepare` runs sem_init once, before the handler or a waiter can get at it.
unsafe impl Sync for Semaphore {}

static SEMAPHORE: Semaphore = Semaphore(UnsafeCell::new(MaybeUninit::uninit()));
static PREPARED: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The host's handler, called after ours; leaked, so that a late signal always finds it.
static CHAINED: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// Installs the handler for `signal`, once per process. It stays: a late signal must find it.
///
/// # Errors
/// What the system said, or EBUSY when another signal was asked for before.
pub(crate) fn prepare(signal: i32) -> Result<(), Errno> {
    if PREPARED.swap(true, Ordering::AcqRel) {
        return match SIGNAL.load(Ordering::Acquire) == signal {
            true => Ok(()),
            false => Err(Errno::EBUSY),
        };
    }
    SIGNAL.store(signal, Ordering::Release);
    let before = Box::leak(Box::new(MaybeUninit::<libc::sigaction>::zeroed()));
    // SAFETY: sem_init(3) initialises memory that is ours and static. sigaction(2) reads `action`,
    // which is fully set (zero is valid for every field left), and writes the old one to `before`.
    // The handler is `extern "C"`, takes the three arguments of SA_SIGINFO and never unwinds.
    unsafe {
        libc::sem_init(SEMAPHORE.0.get().cast(), 0, 0);
        libc::sigaction(signal, ptr::null(), before.as_mut_ptr());
        CHAINED.store(before.as_mut_ptr(), Ordering::Release);
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        Errno::result(libc::sigaction(signal, &raw const action, ptr::null_mut())).map(drop)
    }
}

/// Sleeps until the signal arrives or [`wake`] is called. Without [`prepare`] returns at once.
pub(crate) fn wait() {
    if !PREPARED.load(Ordering::Acquire) {
        return;
    }
    // SAFETY: the semaphore was initialised by `prepare` and is never destroyed.
    while unsafe { libc::sem_wait(SEMAPHORE.0.get().cast()) } != 0 && Errno::last() == Errno::EINTR
    {
    }
}

/// Ends a [`wait`] without the signal.
pub(crate) fn wake() {
    if PREPARED.load(Ordering::Acquire) {
        // SAFETY: as in `wait`.
        unsafe { libc::sem_post(SEMAPHORE.0.get().cast()) };
    }
}

/// Async-signal-safe: sem_post is on POSIX's list; nothing is allocated, locked or unwound, and
/// errno is kept.
extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    wake();
    chain(signal, info, context);
    Errno::set_raw(errno);
}

fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: null or the leaked, initialised action of `prepare`.
    let Some(action) = (unsafe { CHAINED.load(Ordering::Acquire).as_ref() }) else {
        return;
    };
    if matches!(action.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN) {
        return; // the service gave the signal to us: its default, often to die, is not wanted
    }
    // SAFETY: the host installed this address as a handler for this very signal, with the flags
    // beside it saying which of the two shapes it has; it is called with what the kernel gave us.
    unsafe {
        if action.sa_flags & libc::SA_SIGINFO != 0 {
            type Long = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
            std::mem::transmute::<usize, Long>(action.sa_sigaction)(signal, info, context);
        } else {
            std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(action.sa_sigaction)(signal);
        }
    }
}
