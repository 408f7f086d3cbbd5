//! How long a client may take for a line.

use std::time::{Duration, Instant};

/// How long an unfinished line or head may take.
pub(super) const PARTIAL: Duration = Duration::from_secs(30);

/// Notes when an unfinished line began: it has its time once, however often a byte of it comes.
#[derive(Debug, Default)]
pub(super) struct LineClock {
    since: Option<Instant>,
}

impl LineClock {
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
        PARTIAL.saturating_sub(since.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_trickle_in_win_no_time() {
        let idle = Duration::from_secs(3600);
        let mut clock = LineClock::default();
        assert_eq!(clock.patience(false, idle), idle);
        assert!(clock.patience(true, idle) > PARTIAL / 2);
        clock.since = clock.since.and_then(|since| since.checked_sub(PARTIAL));
        assert_eq!(clock.patience(true, idle), Duration::ZERO);
        clock.reset();
        assert!(clock.patience(true, idle) > PARTIAL / 2);
        assert_eq!(clock.patience(false, idle), idle);
    }
}
