//! The island's own event loop: tasks, Unix sockets and timers on one thread, over `poll`.
//!
//! Why not tokio's runtime: with its feature `signal`, which nearly every service switches on, all
//! runtimes of a process share one self-pipe by descriptor *number*. The island has a descriptor
//! table of its own, so whichever runtime came second found another file under that number, or
//! none: a service that called `install()` first could not build its runtime any more (EBADF), and
//! a loop of ours on the same pipe would take the host's signals from it. Nothing here is shared
//! with the host, and nothing here is unsafe.
//!
//! One thread polls every task; wakers may be called from the island's workers, never from a thread
//! of the host. Idle, the loop sleeps in `poll` until the next timer.

mod bell;
mod net;
mod reactor;
mod tasks;
#[cfg(test)]
mod tests;
mod time;

pub(crate) use net::{Listener, Stream};
pub(crate) use time::{Interval, Sleep, interval, interval_at, sleep, timeout, timeout_at};

use reactor::Reactor;
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Wake as _},
};
use tasks::{Id, MAIN, Tasks};

/// Tasks polled between two looks at the sockets.
const POLLS: usize = 64;

/// A task; it never leaves its thread.
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// The loop of this thread.
struct Loop {
    reactor: Reactor,
    tasks: RefCell<Tasks>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Loop>>> = const { RefCell::new(None) };
}

/// The loop of this thread, if it has one.
fn current() -> Option<Rc<Loop>> {
    CURRENT.with(|current| current.borrow().clone())
}

/// Whether the calling thread is a loop: then it must never block.
pub(crate) fn is_here() -> bool {
    current().is_some()
}

/// Runs `main` on this thread until it ends; tasks that are not done by then are dropped.
///
/// Costs one descriptor, an eventfd for wakes from other threads; two where the table is shared.
///
/// # Errors
/// When these cannot be had, or are ours no longer ([`crate::sys::own::Lost`]).
pub(crate) fn block_on<T>(main: impl Future<Output = T>) -> io::Result<T> {
    let looped = Rc::new(Loop {
        reactor: Reactor::new()?,
        tasks: RefCell::default(),
    });
    CURRENT.with(|current| *current.borrow_mut() = Some(looped.clone()));
    let result = looped.turn_until_done(pin!(main));
    // A task's drop may deregister a socket or a timer, so the loop outlives them all.
    let left = std::mem::take(&mut *looped.tasks.borrow_mut());
    drop(left);
    CURRENT.with(|current| *current.borrow_mut() = None);
    result
}

/// Runs `task` beside the one that calls. Without a loop on this thread it is dropped.
pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    if let Some(current) = current() {
        current
            .tasks
            .borrow_mut()
            .add(Box::pin(task), current.reactor.alarm());
    }
}

/// Lets the other tasks run, and sockets and timers be heard. Whoever may find work without end at once
/// (a client that pipelines, a queue of connections) does this now and then.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Loop {
    fn turn_until_done<T>(&self, mut main: Pin<&mut impl Future<Output = T>>) -> io::Result<T> {
        let alarm = self.reactor.alarm();
        let waker = tasks::waker(MAIN, alarm);
        waker.wake_by_ref();
        loop {
            // Bounded, so that tasks which keep waking each other do not keep sockets waiting.
            for _ in 0..POLLS {
                match alarm.next() {
                    None => break,
                    Some(MAIN) => {
                        waker.begin();
                        let polled = main
                            .as_mut()
                            .poll(&mut Context::from_waker(&waker.clone().into()));
                        if let Poll::Ready(output) = polled {
                            return Ok(output);
                        }
                    }
                    Some(id) => self.poll(id),
                }
            }
            self.reactor.sleep()?;
        }
    }

    /// Polls one task. It is taken out meanwhile, so that it may spawn others.
    fn poll(&self, id: Id) {
        let taken = self.tasks.borrow_mut().take(id);
        let Some(mut taken) = taken else {
            return; // a wake that came after its end
        };
        match taken.poll() {
            // Dropped here, with nothing borrowed: its drop may come back to us.
            true => drop(taken),
            false => self.tasks.borrow_mut().put_back(id, taken),
        }
    }
}
