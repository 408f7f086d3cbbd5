//! A connection's place among the others: whether it works for its client, and whether the place
//! was given to somebody else.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// A handle on one connection, shared by its conversation and by whoever counts connections.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    marks: Mutex<Marks>,
    notice: Notify,
}

#[derive(Debug)]
struct Marks {
    running: u32,
    idle_since: Instant,
    evicted: bool,
}

impl Connection {
    /// A connection that runs nothing yet.
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            marks: Mutex::new(Marks {
                running: 0,
                idle_since: Instant::now(),
                evicted: false,
            }),
            notice: Notify::new(),
        }))
    }

    /// Marks the connection as busy until the guard is dropped; several may be held.
    pub(crate) fn running(&self) -> Running {
        let mut marks = self.marks();
        marks.running = marks.running.saturating_add(1);
        Running(self.clone())
    }

    /// Waits until the connection is told to end: its conversation then says so in a line and
    /// closes. Safe to drop and to call again.
    pub(crate) async fn evicted(&self) {
        // Made before the look, so that a notice in between is not missed.
        let notice = self.0.notice.notified();
        if !self.marks().evicted {
            notice.await;
        }
    }

    /// How long nothing has run here; `None` while something runs or once it is told to end.
    pub(crate) fn idle(&self) -> Option<Duration> {
        let marks = self.marks();
        let idle = marks.running == 0 && !marks.evicted;
        idle.then(|| marks.idle_since.elapsed())
    }

    /// Tells the connection to end unless it runs something; whether it was told.
    pub(crate) fn evict(&self) -> bool {
        let mut marks = self.marks();
        if marks.running > 0 || marks.evicted {
            return false;
        }
        marks.evicted = true;
        drop(marks);
        self.0.notice.notify_waiters();
        true
    }

    /// A panic elsewhere leaves numbers that are still right.
    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something runs for the connection as long as this lives.
#[derive(Debug)]
#[must_use = "the connection is idle again when this is dropped"]
pub(crate) struct Running(Connection);

impl Drop for Running {
    fn drop(&mut self) {
        let mut marks = self.0.marks();
        marks.running = marks.running.saturating_sub(1);
        marks.idle_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    fn told(connection: &Connection) -> bool {
        let mut future = pin!(connection.evicted());
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            == Poll::Ready(())
    }

    #[test]
    fn what_runs_is_never_told_to_end() {
        let connection = Connection::new();
        let (one, other) = (connection.running(), connection.running());
        drop(one);
        assert_eq!(connection.idle(), None);
        assert!(!connection.evict());
        drop(other);
        assert!(connection.idle().is_some());
        assert!(connection.evict());
        assert!(!connection.evict(), "once is enough");
        assert_eq!(connection.idle(), None, "its place is given away");
    }

    #[test]
    fn idle_time_begins_with_the_end_of_the_last_command() {
        let connection = Connection::new();
        std::thread::sleep(Duration::from_millis(20));
        assert!(connection.idle().unwrap() >= Duration::from_millis(20));
        drop(connection.running());
        assert!(connection.idle().unwrap() < Duration::from_millis(20));
    }

    #[test]
    fn the_notice_reaches_whoever_waits_and_whoever_asks_later() {
        let connection = Connection::new();
        let mut waiting = pin!(connection.evicted());
        let mut context = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert!(!told(&connection));
        assert!(connection.evict());
        assert!(waiting.as_mut().poll(&mut context).is_ready());
        assert!(told(&connection));
    }
}
