//! Async runtimes whose threads are all stuck in a lock of std.

use super::{Answer, known, leaves, number};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
    mpsc,
};
use tokio::runtime::Builder;

/// What the service's handlers want; somebody has it for ever.
static CACHE: Cache = Cache(Mutex::new(0));

struct Cache(Mutex<u64>);

impl Cache {
    #[inline(never)]
    fn lookup(&self, key: u64) -> u64 {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::hint::black_box(*held) ^ key
    }

    /// Takes it and sleeps, and sleeps.
    #[inline(never)]
    fn refresh(&self, taken: &mpsc::Sender<()>) -> u64 {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = taken.send(()); // the other side waits for it
        leaves::wait_sleep(*held)
    }
}

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
        std::hint::black_box(CACHE.refresh(&ready));
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
    std::hint::black_box(CACHE.lookup(key));
}
