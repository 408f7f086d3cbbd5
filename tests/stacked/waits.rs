//! System calls that wait, as C programs make them: std has no way to be interrupted.
#![allow(unsafe_code)]

use nix::libc::{self, timespec};
use std::{
    io,
    mem::MaybeUninit,
    ptr,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

fn done(result: libc::c_long) -> io::Result<()> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

fn span(time: Duration) -> timespec {
    timespec {
        tv_sec: time.as_secs() as _,
        tv_nsec: time.subsec_nanos().into(),
    }
}

/// `time` from now on the given clock.
fn moment(clock: libc::clockid_t, time: Duration) -> timespec {
    let mut now = span(Duration::ZERO);
    // SAFETY: `now` is ours and of the right type.
    unsafe { libc::clock_gettime(clock, &mut now) };
    span(Duration::new(now.tv_sec as u64, now.tv_nsec as u32) + time)
}

pub(crate) fn nanosleep(time: Duration) -> io::Result<()> {
    // SAFETY: the time is read, and what is left of it is not asked for.
    done(unsafe { libc::nanosleep(&span(time), ptr::null_mut()) }.into())
}

/// Until a moment, as precise timers wait.
pub(crate) fn clock_nanosleep(time: Duration) -> io::Result<()> {
    let until = moment(libc::CLOCK_MONOTONIC, time);
    // SAFETY: the moment is read, and nothing is left of an absolute one.
    let error = unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &until,
            ptr::null_mut(),
        )
    };
    match error {
        0 => Ok(()),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

pub(crate) fn select(time: Duration) -> io::Result<()> {
    let mut time = libc::timeval {
        tv_sec: time.as_secs() as _,
        tv_usec: time.subsec_micros().into(),
    };
    let none = ptr::null_mut();
    // SAFETY: no descriptors; the time is ours.
    done(unsafe { libc::select(0, none, none, none, &mut time) }.into())
}

fn futex(
    word: &AtomicU32,
    operation: libc::c_int,
    value: u32,
    time: Option<timespec>,
) -> io::Result<()> {
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    let operation = operation | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the time live through the call.
    done(unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, time) })
}

/// For a word that nobody changes.
pub(crate) fn futex_timed(time: Duration) -> io::Result<()> {
    futex(&AtomicU32::new(0), libc::FUTEX_WAIT, 0, Some(span(time)))
}

/// Until [`wake`] is called for the word; one that changed meanwhile is as good.
pub(crate) fn futex_untimed(word: &AtomicU32) -> io::Result<()> {
    let value = word.load(Ordering::SeqCst);
    futex(word, libc::FUTEX_WAIT, value, None)
}

/// Ends the waits for the word.
pub(crate) fn wake(word: &AtomicU32) {
    word.fetch_add(1, Ordering::SeqCst);
    let _ = futex(word, libc::FUTEX_WAKE, i32::MAX as u32, None); // nobody need be there
}

pub(crate) fn sem_timedwait(time: Duration) -> io::Result<()> {
    let mut semaphore = MaybeUninit::uninit();
    let until = moment(libc::CLOCK_REALTIME, time);
    // SAFETY: sem_init makes a semaphore of the memory before it is waited for; it is this thread's
    // alone, so nobody uses it afterwards.
    unsafe {
        libc::sem_init(semaphore.as_mut_ptr(), 0, 0);
        done(libc::sem_timedwait(semaphore.as_mut_ptr(), &until).into())
    }
}

/// For a signal that is blocked here and that nobody sends.
pub(crate) fn sigtimedwait(time: Duration) -> io::Result<()> {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset makes a set of the memory before it is used.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGXFSZ);
        libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut());
        done(libc::sigtimedwait(set.as_ptr(), ptr::null_mut(), &span(time)).into())
    }
}
