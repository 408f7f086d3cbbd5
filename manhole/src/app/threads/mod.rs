//! `manhole-app`: the only threads on which code of the application runs.
//!
//! They live in the host's descriptor table, so a closure sees the host's files; the console's own
//! threads do not. A thread inherits the table of its creator, therefore only a host thread (at the
//! first registration that needs one) or another `manhole-app` thread ever makes one. Before a
//! thread enters application code it sees to it that another one is free: when the first never
//! comes back, its replacement is already there, made in the right table.
//!
//! Calls come from the console's worker threads, which wait on futexes only; no runtime, no waker.
//! After two threads were lost application code is refused until one of them comes back. In a
//! forked child everything here is inert unless the console is installed again.

mod catch;
mod gate;
mod pool;
mod theirs;
mod ticket;

pub(crate) use catch::catch;
pub(crate) use gate::{Gate, Outcome, Started};
pub(crate) use pool::{Kind, Pool, Refusal, Status};
pub(crate) use theirs::{Theirs, enter_console};
pub(crate) use ticket::Ticket;

use crate::sys::list::List;
use std::{
    borrow::Cow,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How long a reader waits for a closure's first answer.
pub(crate) const PATIENCE: Duration = Duration::from_millis(100);

/// One pool per process: a child of a fork that installs again gets its own.
static POOLS: List<Pool> = List::new();
/// Whether anything was registered that needs a thread.
static WANTED: AtomicBool = AtomicBool::new(false);

/// What comes before each call.
static LOOK: OnceLock<fn()> = OnceLock::new();

/// The pool of this process, if the console is active in it.
pub(crate) fn current() -> Option<&'static Pool> {
    newest().filter(|pool| pool.is_open())
}

/// The pool that this process made, open or not.
fn newest() -> Option<&'static Pool> {
    POOLS.iter().next().filter(|pool| pool.is_of_this_process())
}

/// Opens the pool of this process; a second call changes nothing. Threads that were refused, since
/// they have other rights than the process by now, are not used again: new ones have its rights.
pub(crate) fn activate() {
    match newest().filter(|pool| !pool.is_forbidden()) {
        Some(pool) => pool.open(),
        None => POOLS.push(Pool::new()).open(),
    }
    if WANTED.load(Ordering::Relaxed) {
        want();
    }
}

/// Closes the pool: what is queued is dropped, idle threads end.
pub(crate) fn deactivate() {
    if let Some(pool) = current() {
        pool.close();
    }
}

/// Says that something was registered that needs a thread. Called on the registering host thread,
/// which becomes the parent of the first two if the console is active already.
pub(crate) fn want() {
    WANTED.store(true, Ordering::Relaxed);
    if let Some(pool) = current() {
        pool.populate();
    }
}

/// Whether anything was registered that needs a thread.
pub(crate) fn wanted() -> bool {
    WANTED.load(Ordering::Relaxed)
}

/// From now on application code is refused, and `why` is what callers are told.
pub(crate) fn refuse(why: impl Into<Cow<'static, str>>) {
    if let Some(pool) = current() {
        pool.refuse(why.into());
    }
}

/// The same for threads that wait for another console to be installed: it makes others then.
pub(crate) fn retire(why: impl Into<Cow<'static, str>>) {
    if let Some(pool) = newest() {
        pool.refuse(why.into());
    }
}

/// Has `look` called on the console's thread before each call of application code; the first
/// function given counts. It may [`refuse`].
pub(crate) fn preceded_by(look: fn()) {
    let _ = LOOK.set(look);
}

/// Looks, on a thread of the console only: those of the application have no descriptor to spare for
/// it, and the host's own are not ours to hold up.
fn look() {
    if let Some(look) = LOOK.get().filter(|_| theirs::is_console()) {
        look();
    }
}

/// Thread ids of the pool of this process.
pub(crate) fn ids() -> Vec<u32> {
    newest().map(Pool::ids).unwrap_or_default()
}

/// What the threads are doing, for `info`; `None` when the console is not active.
pub(crate) fn status() -> Option<Status> {
    current().map(Pool::status)
}

/// Calls `wake` on an application thread at `at`; an earlier alarm stays.
pub(crate) fn alarm(at: Instant, wake: fn()) {
    if let Some(pool) = current() {
        pool.alarm(at, wake);
    }
}

#[cfg(test)]
mod tests;
