//! Threads that compute, until they are told to end, in places that a profile must show.

use super::{Answer, bare::Library, known, number, plugin_user};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

static OVER: AtomicBool = AtomicBool::new(false);
static PROF: AtomicU64 = AtomicU64::new(0);

/// Whether threads shall end that compute until they are told.
pub(crate) fn is_over() -> bool {
    OVER.load(Ordering::Relaxed)
}

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "burn" => number(words, 1).and_then(|depth| burn(words[0], depth)),
        "burn_plugged" => burn_plugged(words.first().copied().unwrap_or_default()),
        "burn_short" => number(words, 0).and_then(burn_short),
        "burn_end" => {
            OVER.store(true, Ordering::SeqCst);
            Ok(String::new())
        }
        "own_prof" => own_prof(),
        "send_prof" => number(words, 0).and_then(send_prof),
        _ => return None,
    })
}

/// Starts a thread that computes below so many calls of one function.
fn burn(name: &str, depth: usize) -> Answer {
    known::start(name.to_owned(), move || {
        black_box(burn_below(depth, 1));
    })
}

#[inline(never)]
fn burn_below(depth: usize, seed: u64) -> u64 {
    let kept = black_box([seed; 4]);
    let result = match depth {
        0 | 1 => compute(seed),
        _ => burn_below(depth - 1, seed ^ 1),
    };
    black_box(&kept);
    black_box(result) ^ kept[0]
}

#[inline(never)]
fn compute(mut number: u64) -> u64 {
    while !is_over() {
        number = black_box(number.wrapping_mul(31) ^ 7);
    }
    number
}

/// Loads the plugin and starts the thread `plugged`, which computes in it.
fn burn_plugged(name: &str) -> Answer {
    let library = Library::open(&plugin_user::path(name)?)?;
    let entry = library.entry(c"plugin_compute")?;
    known::start("plugged".to_owned(), move || {
        entry((&raw const OVER) as u64); // it stays loaded: a library is not closed by itself
    })
}

/// So many threads one after the other that compute for milliseconds each, and guard themselves.
fn burn_short(count: usize) -> Answer {
    for _ in 0..count {
        let work = || {
            let _guard = manhole::thread_guard();
            (0..3_000_000_u64).for_each(|number| {
                black_box(number);
            });
        };
        let thread = std::thread::Builder::new().name("short".to_owned());
        let thread = thread.spawn(work).map_err(|error| error.to_string())?;
        thread.join().map_err(|_| "it panicked".to_owned())?;
    }
    Ok(String::new())
}

extern "C" fn on_prof(_: i32) {
    PROF.fetch_add(1, Ordering::SeqCst);
}

/// Installs a handler of the host's for the signal that other profilers use.
fn own_prof() -> Answer {
    let action = SigAction::new(
        SigHandler::Handler(on_prof),
        SaFlags::SA_RESTART,
        SigSet::empty(),
    );
    // SAFETY: the handler adds to an atomic, which handlers may.
    #[allow(unsafe_code)]
    let installed = unsafe { sigaction(Signal::SIGPROF, &action) };
    installed
        .map(|_| String::new())
        .map_err(|errno| errno.to_string())
}

/// Sends itself so many of them; how many the handler has seen.
fn send_prof(count: usize) -> Answer {
    for _ in 0..count {
        raise(Signal::SIGPROF).map_err(|errno| errno.to_string())?;
    }
    Ok(PROF.load(Ordering::SeqCst).to_string())
}
