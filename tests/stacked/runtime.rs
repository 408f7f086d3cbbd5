//! Async runtimes whose threads are all stuck in a lock of std.

use super::{Answer, known, leaves, number};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
    mpsc,
};
use tokio::runtime::Builder;

/// What the service's handlers want; somebody has it for ever.
static CACHE: Mutex<u64> = Mutex::new(0);

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "workers" => number(words, 0).and_then(workers),
        "single" => single(),
        _ => return None,
    })
}

/// Takes the lock for ever, on a thread of its own.
fn take() -> Answer {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Ok(String::new());
    }
    let (ready, taken) = mpsc::channel();
    known::start("hoarder".to_owned(), move || {
        let _held = CACHE.lock();
        let _ = ready.send(()); // the other side waits for it
        leaves::wait_sleep(0);
    })?;
    taken
        .recv()
        .map(|()| String::new())
        .map_err(|error| error.to_string())
}

/// A runtime with `count` workers, and enough tasks that each is stuck in one.
fn workers(count: usize) -> Answer {
    take()?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(count)
        .enable_time()
        .build()
        .map_err(|error| error.to_string())?;
    for key in 0..2 * count as u64 {
        runtime.spawn(handle(key));
    }
    std::mem::forget(runtime); // its end would wait for the workers
    Ok(String::new())
}

/// A runtime of one thread, stuck in its only task.
fn single() -> Answer {
    take()?;
    known::start("single".to_owned(), || {
        let runtime = Builder::new_current_thread().build();
        if let Ok(runtime) = runtime {
            runtime.block_on(handle(1));
        }
    })
}

async fn handle(key: u64) {
    tokio::task::yield_now().await;
    std::hint::black_box(lookup(key));
}

#[inline(never)]
fn lookup(key: u64) -> u64 {
    let cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    std::hint::black_box(*cache) ^ key
}
