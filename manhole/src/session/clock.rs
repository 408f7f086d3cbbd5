//! How long a client may take: for its first byte, for a line, between two of them.

use std::time::{Duration, Instant};

/// How long a client may take for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// To say anything at all.
    pub first_byte: Duration,
    /// To finish a line or head that it began.
    pub partial: Duration,
    /// Between two lines, where it may have several.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(600),
            partial: Duration::from_secs(30),
            idle: Duration::from_secs(3600),
        }
    }
}

/// Notes when an unfinished line began: it has its time once, however often a byte of it comes.
#[derive(Debug)]
pub(super) struct LineClock {
    partial: Duration,
    since: Option<Instant>,
}

impl LineClock {
    /// A clock that gives each line its time.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            partial: limits.partial,
            since: None,
        }
    }

    /// A line is complete; the next one has its own time.
    pub(super) fn reset(&mut self) {
        self.since = None;
    }

    /// How long to wait for more: what is left for a line that began, otherwise `idle`.
    pub(super) fn patience(&mut self, began: bool, idle: Duration) -> Duration {
        if !began {
            self.reset();
            return idle;
        }
        let since = self.since.get_or_insert_with(Instant::now);
        self.partial.saturating_sub(since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_trickle_in_win_no_time() {
        let limits = Limits::default();
        let (partial, idle) = (limits.partial, limits.idle);
        let mut clock = LineClock::new(&limits);
        assert_eq!(clock.patience(false, idle), idle);
        assert!(clock.patience(true, idle) > partial / 2);
        clock.since = clock.since.and_then(|since| since.checked_sub(partial));
        assert_eq!(clock.patience(true, idle), Duration::ZERO);
        clock.reset();
        assert!(clock.patience(true, idle) > partial / 2);
        assert_eq!(clock.patience(false, idle), idle);
    }
}
