//! Time as far as it counts for somebody's patience: while we were awake ourselves.
//!
//! A process that is stopped, starved or out of its quota of processor time as a whole gives nobody a
//! chance to answer. When it goes on, the one who waits may well be the first to run: by the clock on
//! the wall everybody would be late.

use std::time::{Duration, Instant};

/// The most that counts between two looks at the clock: an answer that is due takes much less once
/// its thread has a core.
const STEP: Duration = Duration::from_millis(5);

/// Time awake, since it was made.
#[derive(Debug)]
pub(super) struct Awake {
    seen: Instant,
    counted: Duration,
}

impl Awake {
    pub(super) fn new() -> Self {
        Self::at(Instant::now())
    }

    fn at(now: Instant) -> Self {
        Self {
            seen: now,
            counted: Duration::ZERO,
        }
    }

    /// The time that has counted until now.
    pub(super) fn now(&mut self) -> Duration {
        self.look(Instant::now())
    }

    fn look(&mut self, now: Instant) -> Duration {
        let passed = now.saturating_duration_since(self.seen);
        self.seen = now;
        self.counted = self.counted.saturating_add(passed.min(STEP));
        self.counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_sleep_only_a_moment_counts() {
        let start = Instant::now();
        let mut awake = Awake::at(start);
        let mut check = |millis, expected| {
            let now = start + Duration::from_millis(millis);
            assert_eq!(awake.look(now), Duration::from_millis(expected));
        };
        check(0, 0);
        check(1, 1);
        check(4, 4);
        check(9_004, 9);
        check(9_005, 10);
        check(9_002, 10);
    }
}
