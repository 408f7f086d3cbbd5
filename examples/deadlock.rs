//! A service that stands still: two of its threads wait for each other, and the others for them.
//!
//! Start it with `cargo run -p manhole-examples --bin deadlock`, and ask it from a second terminal. It says
//! where its socket is; nothing but `nc` is needed. Ten seconds later:
//!
//! ```text
//! $ echo stacks | nc -U /tmp/manhole-1000/28247.sock
//! # stacks deadlock[28247] vm 2026-11-21T17:07:26Z: 7 threads in 1 ms, all answered; names with lines, 184 ms
//! 5 threads wait for one std Mutex, lock A; 28250 probably holds it, itself waiting for lock B in deadlock::lock; 1 more waits for 1 other lock.
//!
//! WAIT FOR A LOCK   5 threads, lock A (std Mutex at 0x559c704cc910)
//!    4  teller-0, -1, -2, -3  28252 28253 28254 28255   unchanged since 17:07:13Z
//!         deadlock::lock                                     examples/deadlock.rs:105
//!         deadlock::serve                                    examples/deadlock.rs:100
//!         deadlock::main{}                                   examples/deadlock.rs:63
//!    1  spend                 28251   unchanged since 17:07:13Z
//!         deadlock::lock                                     examples/deadlock.rs:105
//!         deadlock::spend                                    examples/deadlock.rs:91
//!         deadlock::main{}                                   examples/deadlock.rs:59
//!
//! WAIT FOR A LOCK   1 thread, lock B (std Mutex at 0x559c704cc900)
//!    1  save        28250   probably holds lock A; unchanged since 17:07:13Z
//!         deadlock::lock                                     examples/deadlock.rs:105
//!         deadlock::save                                     examples/deadlock.rs:82
//!         deadlock::main{}                                   examples/deadlock.rs:59
//!
//! IDLE   1 thread: main
//! ```
//!
//! `save` has lock A and wants lock B, `spend` has lock B and wants lock A: neither will ever move. Every
//! frame is shown by `stacks --thread save --full`.

use std::{
    io,
    sync::{Arc, Barrier, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// An account, and how much is on it.
type Account = Mutex<i64>;

/// The bank's accounts.
#[derive(Default)]
struct Bank {
    savings: Account,
    checking: Account,
}

fn main() -> io::Result<()> {
    manhole::install();
    let bank = Arc::new(Bank::default());
    // Each has its first lock before the other one asks for its second: the bug of a bad day, on
    // every day.
    let bad_luck = Arc::new(Barrier::new(2));
    let transfers: [fn(&Bank, &Barrier); 2] = [save, spend];
    for (name, transfer) in ["save", "spend"].into_iter().zip(transfers) {
        let (bank, bad_luck) = (Arc::clone(&bank), Arc::clone(&bad_luck));
        start(name, move || transfer(&bank, &bad_luck))?;
    }
    for number in 0..4 {
        let bank = Arc::clone(&bank);
        start(&format!("teller-{number}"), move || serve(&bank))?;
    }
    // The service itself is well, as far as its health check can see.
    loop {
        thread::sleep(Duration::from_secs(1));
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
}

/// From the checking account to the savings.
fn save(bank: &Bank, bad_luck: &Barrier) {
    let mut from = lock(&bank.checking);
    bad_luck.wait();
    let mut to = lock(&bank.savings);
    *from -= 10;
    *to += 10;
}

/// The other way round, and so are the locks: this is the bug.
fn spend(bank: &Bank, bad_luck: &Barrier) {
    let mut from = lock(&bank.savings);
    bad_luck.wait();
    let mut to = lock(&bank.checking);
    *from -= 10;
    *to += 10;
}

/// Answers customers who ask what they have.
fn serve(bank: &Bank) {
    loop {
        thread::sleep(Duration::from_millis(50));
        let _balance = *lock(&bank.checking);
    }
}

fn lock(account: &Account) -> MutexGuard<'_, i64> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}
