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
/// Whether the semaphore is initialised.
static PREPARED: AtomicBool = AtomicBool::new(false);
/// The signal that has our handler, or 0.
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// The host's handler, called after ours; leaked, so that a late signal always finds it.
static CHAINED: AtomicPtr<libc::sigaction> = AtomicPtr::new(ptr::null_mut());

/// Installs the handler for `signal`, once per process; it stays: a late signal must find it. What
/// was posted so far is forgotten, so that the next [`wait`] is for a signal to come.
///
/// To be called by one thread at a time, before whoever waits is started: from its return on the
/// signal does what it should, and no longer what it does by default, which is often to kill.
///
/// # Errors
/// What the system said, or EBUSY when another signal has our handler.
pub(crate) fn prepare(signal: i32) -> Result<(), Errno> {
    if !PREPARED.load(Ordering::Acquire) {
        // SAFETY: sem_init(3) initialises memory that is ours and static. Nobody posts or waits
        // before PREPARED is set, and it is never set back, so this happens once.
        Errno::result(unsafe { libc::sem_init(SEMAPHORE.0.get().cast(), 0, 0) })?;
        PREPARED.store(true, Ordering::Release);
    }
    match SIGNAL.load(Ordering::Acquire) {
        0 => install(signal)?,
        ours if ours == signal => {}
        _ => return Err(Errno::EBUSY),
    }
    // SAFETY: sem_trywait(3) on the semaphore that was initialised above and is never destroyed.
    while unsafe { libc::sem_trywait(SEMAPHORE.0.get().cast()) } == 0 {}
    Ok(())
}

fn install(signal: i32) -> Result<(), Errno> {
    let mut before = Box::new(MaybeUninit::<libc::sigaction>::zeroed());
    // SAFETY: sigaction(2) without a new action writes the present one to `before`.
    Errno::result(unsafe { libc::sigaction(signal, ptr::null(), before.as_mut_ptr()) })?;
    // SAFETY: it was just written; and zeroed memory is a valid sigaction.
    let theirs: &'static mut libc::sigaction = unsafe { Box::leak(before).assume_init_mut() };
    let action = beside(theirs);
    CHAINED.store(theirs, Ordering::Release);
    // SAFETY: sigaction(2) reads `action`, which is fully set. The handler is `extern "C"`, takes the
    // three arguments of SA_SIGINFO and never unwinds.
    Errno::result(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
    SIGNAL.store(signal, Ordering::Release);
    Ok(())
}

/// Our action beside `theirs`: their handler must run as if it were alone, with the signals blocked
/// that it wants blocked, on the stack and with the interruptions of system calls that it counts on.
fn beside(theirs: &libc::sigaction) -> libc::sigaction {
    let mut ours = *theirs;
    ours.sa_sigaction = handler as *const () as usize;
    ours.sa_flags = libc::SA_SIGINFO;
    let kept = libc::SA_RESTART | libc::SA_ONSTACK | libc::SA_NODEFER;
    match theirs.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => ours.sa_flags |= libc::SA_RESTART | libc::SA_ONSTACK,
        _ => ours.sa_flags |= theirs.sa_flags & kept,
    }
    ours
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;
    use std::sync::atomic::AtomicU32;

    static SEEN: AtomicU32 = AtomicU32::new(0);
    static BLOCKED: AtomicBool = AtomicBool::new(false);

    extern "C" fn theirs(_: libc::c_int) {
        let mask = nix::sys::signal::SigSet::thread_get_mask();
        let blocked = mask.is_ok_and(|mask| mask.contains(nix::sys::signal::Signal::SIGUSR1));
        BLOCKED.store(blocked, Ordering::SeqCst);
        SEEN.fetch_add(1, Ordering::SeqCst);
    }

    fn raise(signal: i32) {
        // SAFETY: raise(3) takes a number.
        unsafe { libc::raise(signal) };
    }

    fn count() -> i32 {
        let mut count = -1;
        // SAFETY: sem_getvalue(3) writes an int; the semaphore is initialised by then.
        unsafe { libc::sem_getvalue(SEMAPHORE.0.get().cast(), &raw mut count) };
        count
    }

    #[test]
    fn the_hosts_handler_runs_as_it_did_before() {
        in_a_child(|| {
            // SAFETY: zeroed is a valid sigaction; `theirs` is made to be a handler.
            let action = unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = theirs as *const () as usize;
                libc::sigaddset(&raw mut action.sa_mask, libc::SIGUSR1);
                libc::sigaction(libc::SIGUSR2, &raw const action, ptr::null_mut());
                action
            };
            let ours = beside(&action);
            let flags = ours.sa_flags & (libc::SA_RESTART | libc::SA_ONSTACK);
            let prepared = prepare(libc::SIGUSR2).is_ok();
            raise(libc::SIGUSR2);
            wait();
            let (seen, blocked) = (SEEN.load(Ordering::SeqCst), BLOCKED.load(Ordering::SeqCst));
            prepared && flags == 0 && seen == 1 && blocked
        });
    }

    #[test]
    fn only_signals_to_come_are_waited_for() {
        in_a_child(|| {
            let refused = prepare(4711) == Err(Errno::EINVAL);
            let prepared = prepare(libc::SIGUSR2).is_ok();
            raise(libc::SIGUSR2);
            wake();
            let posted = count();
            let again = prepare(libc::SIGUSR2).is_ok() && prepare(libc::SIGHUP).is_err();
            refused && prepared && posted == 2 && again && count() == 0
        });
    }
}
