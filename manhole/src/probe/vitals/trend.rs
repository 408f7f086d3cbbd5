//! Whether a figure grows for real, and when it would reach a limit.
//!
//! An operator acts on "full in about 64 min", so it is said only by this rule:
//! 1. the window holds at least 8 samples over at least 3 minutes;
//! 2. cut into quarters of equal time, each quarter's mean lies above the one before: a saw-tooth or
//!    a cache that has filled is no trend;
//! 3. the growth is not about to end: the last step between quarters is at least half of the mean
//!    step;
//! 4. a moment is named only within 12 times the window: ten minutes tell nothing about tomorrow.

use std::time::Duration;

const LEAST_SAMPLES: usize = 8;
const LEAST_SPAN_NS: u64 = 180_000_000_000;
/// How many windows ahead the line may be drawn.
const REACH: f64 = 12.0;

/// A figure that grows steadily by the rule above.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// Growth per second, from the first quarter's mean to the last one's. Above 0.
    pub per_second: f64,
    /// How much time the samples cover, in nanoseconds.
    pub span_ns: u64,
}

impl Trend {
    /// The trend of `(moment in ns, value)`, oldest first; `None` if there is none, by rules 1 to 3.
    pub(crate) fn of(points: &[(u64, u64)]) -> Option<Self> {
        let (first, last) = (points.first()?.0, points.last()?.0);
        let span_ns = last.saturating_sub(first);
        if points.len() < LEAST_SAMPLES || span_ns < LEAST_SPAN_NS {
            return None;
        }
        let [a, b, c, d] = quarters(points, first, span_ns)?;
        let mean_step = (d - a) / 3.0;
        if !(a < b && b < c && c < d && d - c >= mean_step / 2.0) {
            return None;
        }
        Some(Self {
            per_second: mean_step / (span_ns as f64 / 4e9),
            span_ns,
        })
    }

    /// When `value` will have grown to `limit`; `None` beyond the reach of rule 4, and when it is
    /// there already.
    pub(crate) fn reaches(&self, value: u64, limit: u64) -> Option<Duration> {
        let left = limit.checked_sub(value).filter(|left| *left > 0)?;
        let seconds = left as f64 / self.per_second;
        (seconds <= self.span_ns as f64 / 1e9 * REACH).then(|| Duration::from_secs_f64(seconds))
    }

    /// Whether the growth over the window is at least a hundredth of `whole`: less is not worth a
    /// sentence.
    pub(crate) fn matters(&self, whole: u64) -> bool {
        self.per_second * (self.span_ns as f64 / 1e9) >= whole as f64 / 100.0
    }
}

/// Mean value in each quarter of the time; `None` when one has no sample (the process was stopped).
fn quarters(points: &[(u64, u64)], first: u64, span_ns: u64) -> Option<[f64; 4]> {
    let mut sums = [(0.0, 0u32); 4];
    for (at, value) in points {
        let quarter = u128::from(at.saturating_sub(first)) * 4 / u128::from(span_ns.max(1));
        let quarter = usize::try_from(quarter).unwrap_or(3).min(3);
        if let Some((sum, count)) = sums.get_mut(quarter) {
            *sum += *value as f64;
            *count += 1;
        }
    }
    let full = sums.iter().all(|(_, count)| *count > 0);
    full.then(|| sums.map(|(sum, count)| sum / f64::from(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 30_000_000_000;

    fn series(samples: u64, value: impl Fn(u64) -> u64) -> Vec<(u64, u64)> {
        (0..samples).map(|n| (n * TICK, value(n))).collect()
    }

    #[test]
    fn steady_growth_is_a_trend_with_its_rate() {
        // A leak of 1 GiB an hour, seen for an hour: the example of `memory`.
        let points = series(121, |n| (2 << 30) + n * (1 << 30) / 120);
        let trend = Trend::of(&points).unwrap();
        let per_hour = trend.per_second * 3600.0 / f64::from(1 << 30);
        assert!((0.98..1.02).contains(&per_hour), "{per_hour}");
        let left = trend.reaches(3 << 30, 4 << 30).unwrap().as_secs();
        assert!((3500..3700).contains(&left), "{left}");
        assert!(trend.matters(4 << 30) && !trend.matters(1 << 40));
    }

    #[test]
    fn what_only_looks_like_growth_is_none() {
        let check = |what: &str, points: Vec<(u64, u64)>| {
            assert_eq!(Trend::of(&points), None, "{what}");
        };
        check("too few", series(7, |n| n));
        check("too short", (0..100).map(|n| (n, n)).collect());
        check("flat", series(100, |_| 5));
        check("saw-tooth", series(100, |n| 1000 + n % 25));
        check("a step", series(100, |n| if n < 10 { 0 } else { 1000 }));
        check("filling up", series(100, |n| 1000 - 1000 / (n / 4 + 1)));
        check("falling", series(100, |n| 1000 - n));
        check(
            "stopped for most of the time",
            vec![
                (0, 1),
                (1, 2),
                (2, 3),
                (3, 4),
                (4, 5),
                (5, 6),
                (6, 7),
                (TICK * 100, 99),
            ],
        );
        check("nothing", Vec::new());
    }

    #[test]
    fn noise_does_not_hide_a_leak() {
        let points = series(40, |n| 1000 + n * 20 + (n * 7919) % 60);
        assert!(Trend::of(&points).is_some());
    }

    #[test]
    fn far_away_limits_are_not_dated() {
        let trend = Trend::of(&series(21, |n| n * 30)).unwrap();
        assert!(trend.reaches(600, 1200).is_some());
        assert_eq!(trend.reaches(600, 1_000_000), None);
        assert_eq!(trend.reaches(600, 600), None);
    }
}
