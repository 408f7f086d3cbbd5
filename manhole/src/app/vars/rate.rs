//! How fast a counter grows: since the tick before last, whoever asks and however often.

use std::time::{Duration, Instant};

/// A window shorter than this says more about chance than about the counter.
const LEAST: Duration = Duration::from_secs(5);
/// The same for a counter that was registered only just now.
const FIRST: Duration = Duration::from_millis(500);

/// Growth per second over a window that ends now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rate {
    /// Events per second.
    pub per_second: f64,
    /// How long the window is: 5 to 35 s, less for a new counter.
    pub window: Duration,
}

/// What the counter was at the last two ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    last: (Instant, u64),
    before: Option<(Instant, u64)>,
}

impl Marks {
    /// A counter that begins now at `value`.
    pub(super) fn new(now: Instant, value: u64) -> Self {
        Self {
            last: (now, value),
            before: None,
        }
    }

    /// Notes what the counter is now.
    pub(super) fn tick(&mut self, now: Instant, value: u64) {
        self.before = Some(self.last);
        self.last = (now, value);
    }

    /// The rate up to now, since the last tick or, if that was only just, the one before.
    pub(super) fn rate(&self, value: u64, now: Instant) -> Option<Rate> {
        let since = |at: Instant| now.saturating_duration_since(at);
        let (at, then) = match self.before {
            Some(before) if since(self.last.0) < LEAST => before,
            _ => self.last,
        };
        let window = since(at);
        (window >= FIRST).then(|| Rate {
            per_second: value.wrapping_sub(then) as f64 / window.as_secs_f64(),
            window,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_over_the_last_tick_or_the_one_before() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut marks = Marks::new(start, 0);
        let check = |marks: &Marks, value: u64, seconds: u64, expected: Option<(f64, u64)>| {
            let rate = marks.rate(value, at(seconds));
            let shown = rate.map(|rate| (rate.per_second, rate.window.as_secs()));
            assert_eq!(shown, expected, "at {seconds} s");
        };
        check(&marks, 10, 0, None);
        check(&marks, 10, 2, Some((5.0, 2)));
        marks.tick(at(30), 300);
        check(&marks, 300, 31, Some((300.0 / 31.0, 31)));
        check(&marks, 400, 40, Some((10.0, 10)));
        marks.tick(at(60), 900);
        check(&marks, 900, 61, Some((600.0 / 31.0, 31)));
    }
}
