//! The process's own use of the signal that the console uses too.

use super::{Answer, bare, number};
use nix::{
    libc,
    sys::signal::{Signal, kill},
    unistd::{Pid, gettid},
};
use std::{
    ffi::{c_int, c_void},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// How often our own handler was called, and how often by somebody else's signal.
pub(crate) static HANDLED: AtomicU64 = AtomicU64::new(0);
static FOREIGN: AtomicU64 = AtomicU64::new(0);

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "own_urg" => own(libc::SIGURG),
        "send_urg" => number(words, 1).and_then(|count| send_all(words[0], count)),
        "handled" => Ok(format!("{} {}", handled(), FOREIGN.load(Ordering::SeqCst))),
        _ => return None,
    })
}

pub(crate) fn handled() -> u64 {
    HANDLED.load(Ordering::SeqCst)
}

/// Puts a handler of the process's own in the place of whatever is there.
fn own(signal: c_int) -> Answer {
    let flags = libc::SA_RESTART | libc::SA_ONSTACK;
    let installed = bare::handle(signal, count, flags);
    installed
        .map(|()| String::new())
        .map_err(|error| error.to_string())
}

extern "C" fn count(_: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    let ours = bare::sender(info) == std::process::id() as i32;
    let counter = if ours { &HANDLED } else { &FOREIGN };
    counter.fetch_add(1, Ordering::SeqCst);
}

/// Sends the signal `count` times, each when the one before was handled: of two that are pending the
/// kernel keeps one. Answers with how many were sent and how many handled.
fn send_all(how: &str, count: u64) -> Answer {
    let before = handled();
    for sent in 0..count {
        send(how)?;
        let patience = Instant::now() + Duration::from_secs(10);
        while handled() - before <= sent {
            if Instant::now() > patience {
                return Ok(format!("{} {}", sent + 1, handled() - before));
            }
            std::thread::yield_now();
        }
    }
    Ok(format!("{count} {}", handled() - before))
}

/// Sends the signal once, to the process or to this thread.
pub(crate) fn send(how: &str) -> Result<(), String> {
    match how {
        "kill" => kill(Pid::this(), Signal::SIGURG).map_err(|errno| errno.to_string()),
        "queue" => bare::queue(libc::SIGURG, usize::MAX).map_err(|error| error.to_string()),
        "thread" => {
            bare::to_thread(gettid().as_raw(), libc::SIGURG).map_err(|error| error.to_string())
        }
        _ => Err(format!("{how} is no way to send")),
    }
}
