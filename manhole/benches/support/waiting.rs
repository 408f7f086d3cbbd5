//! Threads that wait in known places, as those of a service do that has nothing to do.

use std::{
    hint::black_box,
    io::{PipeReader, Read},
    sync::{Arc, Condvar, Mutex, mpsc},
    thread,
    time::Duration,
};

/// Bytes of stack that each of them may use.
pub const STACK: usize = 512 << 10;

static NEVER: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// Calls `then` below `calls` frames.
#[inline(never)]
pub fn deep(calls: usize, then: &dyn Fn()) {
    let filling = [calls; 16];
    black_box(&filling);
    match calls {
        0 => then(),
        _ => deep(calls - 1, then),
    }
    black_box(&filling);
}

/// Starts `count` threads, each waiting 5 to 30 calls deep: for a condition, a byte, a time, or a
/// message.
pub fn threads(count: usize) {
    let (reader, writer) = std::io::pipe().unwrap();
    std::mem::forget(writer); // nothing is ever written
    let reader = Arc::new(reader);
    for number in 0..count {
        let reader = Arc::clone(&reader);
        let body = move || deep(5 + number % 25, &|| wait(number, &reader));
        let thread = thread::Builder::new().name(format!("w{number}"));
        thread.stack_size(STACK).spawn(body).unwrap();
    }
}

fn wait(place: usize, reader: &PipeReader) {
    match place % 4 {
        0 => drop(NEVER.1.wait(NEVER.0.lock().unwrap())),
        1 => thread::sleep(Duration::from_secs(10_000)),
        2 => drop({ reader }.read(&mut [0])),
        _ => {
            let (sender, receiver) = mpsc::channel::<()>();
            let _ = receiver.recv(); // nothing is ever sent
            drop(sender);
        }
    }
}
