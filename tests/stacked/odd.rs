//! Threads that cannot answer, or stand where threads do not stand usually.

use super::{Answer, bare, known, leaves, steps};
use nix::{
    libc,
    sys::signal::{SigSet, SigmaskHow, Signal, pthread_sigmask},
    unistd::gettid,
};
use std::{
    sync::{OnceLock, mpsc},
    time::Duration,
};

/// How deep all of them stand.
const DEPTH: usize = 7;

pub(crate) fn perform(name: &str, _words: &[&str]) -> Option<Answer> {
    Some(match name {
        "blocker" => placed("blocker", || {
            let urgent = SigSet::from(Signal::SIGURG);
            pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&urgent), None).expect("a valid signal");
        }),
        "small" => small(),
        "uninterruptible" => known::start("in-vfork".to_owned(), || {
            steps::descend(DEPTH, wait_for_child, 0);
        }),
        "alternate" => alternate(),
        _ => return None,
    })
}

/// Starts a thread that prepares itself and then sleeps below its steps; answers when it does.
fn placed(name: &str, prepare: fn()) -> Answer {
    let (ready, prepared) = mpsc::channel();
    known::start(name.to_owned(), move || {
        prepare();
        let _ = ready.send(()); // the other side waits for it
        steps::descend(DEPTH, leaves::wait_sleep, 0);
    })?;
    let ready = prepared.recv_timeout(Duration::from_secs(30));
    ready
        .map(|()| String::new())
        .map_err(|error| error.to_string())
}

/// Starts a thread on the smallest stack there is.
fn small() -> Answer {
    let thread = std::thread::Builder::new().name("small".to_owned());
    let started = thread.stack_size(16 << 10).spawn(|| {
        steps::descend(DEPTH, leaves::wait_sleep, 0);
    });
    started
        .map(|_| String::new())
        .map_err(|error| error.to_string())
}

#[inline(never)]
fn wait_for_child(seed: u64) -> u64 {
    let ended = bare::wait_uninterruptibly(600);
    seed ^ u64::from(ended.is_err())
}

/// Starts a thread that sleeps in a handler of its own, on its alternate stack.
fn alternate() -> Answer {
    let flags = libc::SA_ONSTACK;
    bare::handle(libc::SIGUSR2, sleep_in_handler, flags).map_err(|error| error.to_string())?;
    static WHO: OnceLock<i32> = OnceLock::new();
    placed("alternate", || {
        bare::alternate_stack(128 << 10).expect("a stack");
        let _ = WHO.set(gettid().as_raw()); // once is enough
    })?;
    let tid = WHO.get().copied().ok_or("it has no id")?;
    bare::to_thread(tid, libc::SIGUSR2).map_err(|error| error.to_string())?;
    Ok(tid.to_string())
}

extern "C" fn sleep_in_handler(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut std::ffi::c_void) {
    steps::descend(DEPTH + 2, leaves::wait_sleep, 1);
}
