//! One call of application code, as the pool and whoever reports on it see it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How much longer than it was given a call may run before its thread counts as lost.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// What runs, since when, and how long it may take before its thread counts as lost.
#[derive(Debug)]
pub(crate) struct Ticket {
    what: String,
    command: bool,
    begun: OnceLock<Instant>,
    /// Milliseconds from `begun`.
    allowed: AtomicU64,
    over: AtomicBool,
}

impl Ticket {
    /// A call of `what`, which may take `allowed`.
    pub(super) fn new(what: String, command: bool, allowed: Duration) -> Arc<Self> {
        Arc::new(Self {
            what,
            command,
            begun: OnceLock::new(),
            allowed: AtomicU64::new(millis(allowed)),
            over: AtomicBool::new(false),
        })
    }

    /// A closure's call that has been running for `ran`.
    #[cfg(test)]
    pub(super) fn running_for(ran: Duration) -> Arc<Self> {
        let ticket = Self::new("test".to_owned(), false, Duration::ZERO);
        let _ = ticket.begun.set(Instant::now().checked_sub(ran).unwrap());
        ticket
    }

    /// Marks the call as running.
    pub(super) fn begin(&self) {
        let _ = self.begun.set(Instant::now());
    }

    /// What is called: `variable http.config`, `command queue flush`.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Whether it is one of the application's commands.
    pub(super) fn is_command(&self) -> bool {
        self.command
    }

    /// How long it has been running; zero while it waits for a thread.
    pub(crate) fn running(&self) -> Duration {
        self.begun.get().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// The application's code has returned: the thread is as good as free.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    /// Whether it has.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Nobody waits for the call any more: it should end soon.
    pub(crate) fn abandon(&self) {
        let now = millis(self.running());
        self.allowed.fetch_min(now, Ordering::Relaxed);
    }

    /// Whether it has had its time and [`GRACE`] and still runs.
    pub(super) fn is_lost(&self) -> bool {
        let allowed = Duration::from_millis(self.allowed.load(Ordering::Relaxed));
        self.running() > allowed.saturating_add(GRACE)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_lost_only_after_its_time_and_the_grace() {
        let check = |ran: u64, allowed: u64, abandoned: bool, lost: bool| {
            let ticket = Ticket::new("x".to_owned(), false, Duration::from_secs(allowed));
            assert!(!ticket.is_lost(), "it does not run yet");
            let begun = Instant::now().checked_sub(Duration::from_secs(ran));
            let _ = ticket.begun.set(begun.unwrap());
            if abandoned {
                ticket.abandon();
            }
            assert_eq!(ticket.is_lost(), lost, "{ran} s of {allowed} s");
        };
        check(9, 0, false, false);
        check(11, 0, false, true);
        check(11, 300, false, false);
        check(311, 300, false, true);
        check(11, 300, true, false);
        assert!(Duration::from_millis(millis(Duration::MAX)) > GRACE);
    }
}
