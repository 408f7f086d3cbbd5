//! A service that leaks: sessions are opened, and some of them are never closed. Beside that it does what
//! services do: it loads a table at its start, and allocates and frees for each request.
//!
//! Start it with `cargo run -p manhole-examples --bin leak`, and ask it from a second terminal. It says
//! where its socket is; nothing but `nc` is needed. A minute later:
//!
//! ```text
//! $ echo heap leaks --min-age 10s | nc -U /tmp/manhole-1000/28644.sock
//! # heap leaks leak[28644] vm 2026-11-21T22:28:44Z: live for 10 s or longer, 1 sample per 512 KiB, 205 kept, 0 dropped, 111 ms
//! 100 MiB is older than 10 s; leak::open keeps growing, +71.6 MiB in 1m 01s, 90 % freed again: probably a leak.
//!
//!      old    err     %  objects       grew  goes on  freed again  by age  site (first frame of the application)
//! 71.6 MiB  8.3 %  71.4    4,583  +71.6 MiB  yes             90 %  ▂█▁     leak::open         examples/leak.rs:38
//! 19.5 MiB   16 %  19.4  426,004  +19.0 MiB  no               0 %    █     leak::load{}       examples/leak.rs:32
//! 9.16 MiB          9.1        1          0  no                 -    █     leak::load         examples/leak.rs:33
//! # baselines: start, 1m
//! ```
//!
//! The table came once and stays, so it does not grow; what is taken for a request and given back is never
//! old. `heap leak::open` shows who calls the place that does.

use std::{collections::HashMap, hint::black_box, thread, time::Duration};

#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

/// What is known of a visitor.
struct Session {
    _history: Vec<u8>,
}

/// The sessions that are open, by their numbers.
type Sessions = HashMap<u64, Session>;

fn main() {
    manhole::install();
    let table = load();
    let mut sessions = Sessions::new();
    for number in 0.. {
        open(&mut sessions, number);
        answer(&table);
        close(&mut sessions, number);
        thread::sleep(Duration::from_millis(1));
    }
}

/// What the service needs: much, and for ever, but it does not grow.
fn load() -> Vec<String> {
    (0..400_000)
        .map(|number| format!("item number {number} of the shop"))
        .collect()
}

fn open(sessions: &mut Sessions, number: u64) {
    let session = Session {
        _history: vec![1; 16 << 10],
    };
    sessions.insert(number, session);
}

/// Takes memory and gives it back.
fn answer(table: &[String]) {
    let page: Vec<String> = table.iter().take(100).cloned().collect();
    black_box(page);
}

/// Every tenth visitor goes without saying so: this is the leak.
fn close(sessions: &mut Sessions, number: u64) {
    if !number.is_multiple_of(10) {
        sessions.remove(&number);
    }
}
