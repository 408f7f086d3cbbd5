//! Threads in known places: each name says where its thread stands.

use super::{Answer, leaves, number, steps};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// How many keep a core busy, however many there are.
const BUSY: usize = 1;
/// Depths go from this one to the deepest.
const SHALLOWEST: usize = 5;
const STACK: usize = 256 << 10;

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "known" => number(words, 0).and_then(known),
        "deep" => deep(),
        _ => return None,
    })
}

/// Starts `count` threads called `w17-mutex-12`: the 18th, which waits for a mutex below 12 steps.
/// Answers when each is on its last step.
fn known(count: usize) -> Answer {
    static PREPARED: OnceLock<()> = OnceLock::new();
    PREPARED.get_or_init(leaves::prepare);
    let arriving: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    for place in 0..count {
        let waits = leaves::LEAVES.len() - 1;
        let leaf = if place < BUSY { waits } else { place % waits };
        let depth = SHALLOWEST + place * 8 % (steps::DEEPEST - SHALLOWEST + 1);
        let (word, leaf) = leaves::LEAVES[leaf];
        start(format!("w{place}-{word}-{depth}"), move || {
            arriving.fetch_add(1, Ordering::Relaxed);
            steps::descend(depth, leaf, place as u64);
        })?;
    }
    while arriving.load(Ordering::Relaxed) < count {
        thread::yield_now();
    }
    Ok(count.to_string())
}

/// Starts a thread whose stack is longer than what is copied of one.
fn deep() -> Answer {
    start("deep".to_owned(), || {
        steps::descend_wide(20, leaves::wait_sleep, 7);
    })
}

/// Starts a thread that is called `name`, with a stack that a thousand can have.
pub(crate) fn start(name: String, body: impl FnOnce() + Send + 'static) -> Answer {
    let thread = thread::Builder::new().name(name).stack_size(STACK);
    let started = thread.spawn(body);
    started
        .map(|_| String::new())
        .map_err(|error| error.to_string())
}
