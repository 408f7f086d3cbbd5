//! A process in uproar: everything at once that may go wrong while stacks are read.
//!
//! Each kind of work has a thread of its own that repeats it until the storm is told to end, and
//! counts its rounds. Beside them threads stand in known places, and calls are made that a signal
//! may interrupt.

mod signalled;
mod work;

use super::{Answer, interrupted, known, plugin_user, signals};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
};

/// One kind of work: a word for it, and one round of it.
type Work = (&'static str, fn() -> Result<(), String>);

const WORK: [Work; 11] = [
    ("threads", work::threads),
    ("panics", work::panics),
    ("allocations", work::allocations),
    ("plugins", work::plugins),
    ("forks", work::forks),
    ("execs", work::execs),
    ("commands", work::commands),
    ("coroutines", work::coroutines),
    ("handlers", work::handlers),
    ("urgent", signalled::urgent),
    ("usr1", signalled::usr1),
];

static STOP: AtomicBool = AtomicBool::new(false);
/// Rounds of each kind of work.
static ROUNDS: [AtomicU64; WORK.len()] = [const { AtomicU64::new(0) }; WORK.len()];
static WORKERS: Mutex<Vec<JoinHandle<Result<(), String>>>> = Mutex::new(Vec::new());

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "storm" => storm(words),
        "storm_counts" => Ok(counts()),
        "storm_end" => end(),
        _ => return None,
    })
}

/// Begins: `known=20 plugin=PATH without=coroutines,handlers`.
fn storm(words: &[&str]) -> Answer {
    let option = |key: &str| {
        let mut words = words.iter();
        words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    };
    let without: Vec<&str> = option("without").unwrap_or_default().split(',').collect();
    work::prepare(option("plugin").map(plugin_user::path).transpose()?)?;
    signalled::prepare()?;
    known::perform("known", &[option("known").unwrap_or("20")]).unwrap_or(Ok(String::new()))?;
    interrupted::calls()?;
    let wanted = WORK.iter().zip(&ROUNDS);
    for ((name, work), rounds) in wanted.filter(|((name, _), _)| !without.contains(name)) {
        let thread = thread::Builder::new().name(format!("s-{name}"));
        let worker = thread.spawn(|| repeat(*work, rounds));
        let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(worker.map_err(|error| error.to_string())?);
    }
    Ok(String::new())
}

fn repeat(work: fn() -> Result<(), String>, rounds: &AtomicU64) -> Result<(), String> {
    while !STOP.load(Ordering::SeqCst) {
        work()?;
        rounds.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

/// `threads=812 panics=9001 ... sent=40 handled=40`.
fn counts() -> String {
    let rounds = WORK.iter().zip(&ROUNDS);
    let mut counts: Vec<String> = rounds
        .map(|((name, _), rounds)| format!("{name}={}", rounds.load(Ordering::SeqCst)))
        .collect();
    counts.push(signalled::counts());
    counts.push(format!("urgent_handled={}", signals::handled()));
    counts.join(" ")
}

/// Ends it and answers with what was done, or with what went wrong in it.
fn end() -> Answer {
    STOP.store(true, Ordering::SeqCst);
    let mut workers = WORKERS.lock().unwrap_or_else(PoisonError::into_inner);
    for worker in workers.drain(..) {
        let name = worker.thread().name().unwrap_or("?").to_owned();
        let result = worker.join().map_err(|_| format!("{name} panicked"))?;
        result.map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(counts())
}
