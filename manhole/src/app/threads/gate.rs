//! One call at a time: the door before each closure of the application.

use super::{
    super::{
        channel::{self, Nothing, Receiver},
        lock::brief,
    },
    Kind, PATIENCE, Pool, Refusal, Ticket, catch,
};
use std::{
    ptr,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How a call ended, as far as the caller knows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome<T> {
    /// It returned.
    Done(T),
    /// It panicked, with this message.
    Panicked(String),
    /// It, or the call before it, has been running for this long.
    Busy(Duration),
    /// It was not started.
    Refused(Refusal),
}

/// Lets one call in at a time and knows since when it has been inside.
#[derive(Default)]
pub(crate) struct Gate {
    inside: Mutex<Option<Inside>>,
    left: Condvar,
}

#[derive(Clone, Copy)]
struct Inside {
    since: Instant,
    /// A call that was under way when the process forked is not in the child's pool.
    pool: &'static Pool,
}

/// A call under way.
pub(crate) struct Started<T> {
    ticket: Arc<Ticket>,
    since: Instant,
    answer: Receiver<Result<T, String>>,
}

impl Gate {
    /// Calls `work` on an application thread and waits at most [`PATIENCE`] for the answer. While
    /// an earlier call hangs the answer is [`Outcome::Busy`] at once.
    pub(crate) fn call<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce() -> String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Outcome<T> {
        match self.start(Kind::Closure, PATIENCE, what, work) {
            Ok(started) => started.wait(PATIENCE).unwrap_or_else(|| started.busy()),
            Err(outcome) => outcome,
        }
    }

    /// Starts `work` on an application thread, after waiting until `patience` after the earlier
    /// call's start if there is one inside.
    ///
    /// # Errors
    /// [`Outcome::Busy`] or [`Outcome::Refused`].
    pub(crate) fn start<T: Send + 'static>(
        self: &Arc<Self>,
        kind: Kind,
        patience: Duration,
        what: impl FnOnce() -> String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Started<T>, Outcome<T>> {
        let pool = super::current().ok_or(Outcome::Refused(Refusal::Inactive))?;
        self.start_in(pool, kind, patience, what, work)
    }

    /// The same in a given pool.
    pub(super) fn start_in<T: Send + 'static>(
        self: &Arc<Self>,
        pool: &'static Pool,
        kind: Kind,
        patience: Duration,
        what: impl FnOnce() -> String,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Started<T>, Outcome<T>> {
        let since = self.enter(pool, patience).map_err(Outcome::Busy)?;
        let leave = Leave(Arc::clone(self));
        let (sender, answer) = channel::bounded(1);
        let job = move |ticket: &Ticket| {
            let result = catch(work);
            // First out of the door: whoever gets the answer may call again at once.
            ticket.end();
            drop(leave);
            let _ = sender.try_send(result);
        };
        match pool.submit(kind, what(), Box::new(job)) {
            Ok(ticket) => Ok(Started {
                ticket,
                since,
                answer,
            }),
            Err(why) => Err(Outcome::Refused(why)), // the job was dropped, and `leave` with it
        }
    }

    /// How long the call inside has been there, if there is one.
    #[cfg(test)]
    pub(crate) fn occupied(&self) -> Option<Duration> {
        let pool = super::current()?;
        let inside = (*brief(&self.inside)?)?;
        ptr::eq(inside.pool, pool).then(|| inside.since.elapsed())
    }

    fn enter(&self, pool: &'static Pool, patience: Duration) -> Result<Instant, Duration> {
        let mut inside = brief(&self.inside).ok_or(Duration::ZERO)?;
        while let Some(other) = inside.filter(|other| ptr::eq(other.pool, pool)) {
            let elapsed = other.since.elapsed();
            let left = patience
                .checked_sub(elapsed)
                .filter(|left| !left.is_zero())
                .ok_or(elapsed)?;
            let woken = self.left.wait_timeout(inside, left);
            inside = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let since = Instant::now();
        *inside = Some(Inside { since, pool });
        Ok(since)
    }
}

impl<T> Started<T> {
    /// Waits for the end of the call; `None` when it has not come within `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Option<Outcome<T>> {
        match self.answer.receive(patience) {
            Ok(Ok(value)) => Some(Outcome::Done(value)),
            Ok(Err(message)) => Some(Outcome::Panicked(message)),
            Err(Nothing::Late) => None,
            // The job was dropped unrun: the pool was closed.
            Err(Nothing::Gone) => Some(Outcome::Refused(Refusal::Inactive)),
        }
    }

    /// What to say when nobody waits any longer.
    pub(crate) fn busy(&self) -> Outcome<T> {
        Outcome::Busy(self.since.elapsed())
    }

    /// The call as the pool sees it.
    pub(crate) fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}

/// Opens the door when the call is over, however it ends.
struct Leave(Arc<Gate>);

impl Drop for Leave {
    fn drop(&mut self) {
        let mut inside = self.0.inside.lock().unwrap_or_else(PoisonError::into_inner);
        *inside = None;
        drop(inside);
        self.0.left.notify_all();
    }
}
