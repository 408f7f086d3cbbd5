//! Signals that the process sends to itself and must all get back.

use crate::{bare, signals};
use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::{Pid, gettid},
};
use std::{
    ffi::{c_int, c_void},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

static URGENT_SENT: AtomicU64 = AtomicU64::new(0);
static USR1_SENT: AtomicU64 = AtomicU64::new(0);
static USR1_HANDLED: AtomicU64 = AtomicU64::new(0);

pub(super) fn prepare() -> Result<(), String> {
    bare::handle(libc::SIGUSR1, count, libc::SA_RESTART).map_err(|error| error.to_string())
}

extern "C" fn count(_: c_int, _: *mut libc::siginfo_t, _: *mut c_void) {
    USR1_HANDLED.fetch_add(1, Ordering::SeqCst);
}

/// The signal that the console uses as well, sent to the process: to a thread of its own it would
/// wait in the same place as the console's, and of two there the kernel keeps one.
pub(super) fn urgent() -> Result<(), String> {
    let sent = URGENT_SENT.load(Ordering::SeqCst);
    signals::send(if sent.is_multiple_of(2) {
        "kill"
    } else {
        "queue"
    })?;
    arrived("SIGURG", &URGENT_SENT, signals::handled)
}

/// Another one, to the process and to this thread.
pub(super) fn usr1() -> Result<(), String> {
    let sent = USR1_SENT.load(Ordering::SeqCst);
    if sent.is_multiple_of(2) {
        kill(Pid::this(), Signal::SIGUSR1).map_err(|errno| errno.to_string())?;
    } else {
        let me = gettid().as_raw();
        bare::to_thread(me, libc::SIGUSR1).map_err(|error| error.to_string())?;
    }
    arrived("SIGUSR1", &USR1_SENT, || {
        USR1_HANDLED.load(Ordering::SeqCst)
    })
}

/// Counts a signal as sent and waits for its handler: of two pending ones the kernel keeps one.
fn arrived(name: &str, sent: &AtomicU64, handled: impl Fn() -> u64) -> Result<(), String> {
    let sent = sent.fetch_add(1, Ordering::SeqCst) + 1;
    let patience = Instant::now() + Duration::from_secs(30);
    while handled() < sent {
        if Instant::now() > patience {
            return Err(format!("{name}: {sent} sent, {} handled", handled()));
        }
        thread::sleep(Duration::from_micros(100));
    }
    thread::sleep(Duration::from_millis(1));
    Ok(())
}

/// `urgent_sent=40 usr1_sent=40 usr1_handled=40`.
pub(super) fn counts() -> String {
    let counters = [
        ("urgent_sent", &URGENT_SENT),
        ("usr1_sent", &USR1_SENT),
        ("usr1_handled", &USR1_HANDLED),
    ];
    let counts = counters.map(|(name, count)| format!("{name}={}", count.load(Ordering::SeqCst)));
    counts.join(" ")
}
