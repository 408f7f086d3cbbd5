//! Threads in known places, for commands that tell one from another.

use super::{Answer, number};
use std::{
    hint::black_box,
    io::Read,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    Some(match name {
        "pile" => number(words, 0).and_then(pile),
        "reader" => reader(),
        "spin" => start("spinner", spin).map(|()| String::new()),
        _ => return None,
    })
}

static LOCK: Mutex<()> = Mutex::new(());

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| error.to_string())
}

/// The thread `holder` keeps a lock for ever, and `waiter-0` to `waiter-(count-1)` want it.
fn pile(count: usize) -> Answer {
    let (held, has) = mpsc::channel();
    start("holder", move || keep_the_lock(&held))?;
    let _ = has.recv();
    for number in 0..count {
        start(&format!("waiter-{number}"), wait_for_the_lock)?;
    }
    Ok(String::new())
}

#[inline(never)]
fn keep_the_lock(held: &mpsc::Sender<()>) {
    let _lock = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
    let _ = held.send(());
    thread::sleep(Duration::from_secs(1 << 20));
    black_box(());
}

#[inline(never)]
fn wait_for_the_lock() {
    drop(black_box(
        LOCK.lock().unwrap_or_else(PoisonError::into_inner),
    ));
}

/// The thread `reader` reads from a pipe that nobody writes to.
fn reader() -> Answer {
    let (mut read, write) = std::io::pipe().map_err(|error| error.to_string())?;
    start("reader", move || {
        read_for_ever(&mut read);
        drop(write);
    })?;
    Ok(String::new())
}

#[inline(never)]
fn read_for_ever(from: &mut impl Read) {
    let _ = black_box(from.read(&mut [0; 1]));
}

#[inline(never)]
fn spin() {
    loop {
        std::hint::spin_loop();
    }
}
