//! Distributions: how long, how large, how many at once.

use super::{
    Summary,
    buckets::{BINARY, BUCKETS, DECIMAL, Round, at_most, difference, percentile},
    lazy::Lazy,
    registry::Body,
    window::Window,
};
use crate::app::lock::brief;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// What the values of a [`Histogram`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// Plain numbers.
    Plain,
    /// Nanoseconds.
    Nanos,
    /// Bytes.
    Bytes,
}

/// A distribution of numbers, shown as median, p90, p99 and greatest value of the last five minutes
/// (or since the start, while that is less).
///
/// Percentiles are at most 3.2 % off, the greatest value is exact. `/metrics` has exact counts of what
/// was at most 1, 2 and 5 times a power of ten, or a power of two for bytes. 8 KiB a histogram.
///
/// ```
/// use manhole::vars::{Histogram, Unit};
///
/// static LATENCY: Histogram = Histogram::new("http.latency", Unit::Nanos);
/// let timer = LATENCY.start(); // records when it is dropped
/// # drop(timer);
/// ```
pub struct Histogram {
    lazy: Lazy,
    unit: Unit,
    buckets: [AtomicU64; BUCKETS],
    sum: AtomicU64,
    /// The greatest value since the last tick.
    max: AtomicU64,
    window: Mutex<Window>,
}

impl Histogram {
    /// An empty histogram, shown as `name` from its first use on.
    pub const fn new(name: &'static str, unit: Unit) -> Self {
        Self {
            lazy: Lazy::new(name),
            unit,
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            sum: AtomicU64::new(0),
            max: AtomicU64::new(0),
            window: Mutex::new(Window::new()),
        }
    }

    /// Records `value`; two relaxed atomic operations and two loads.
    #[inline]
    pub fn record(&'static self, value: u64) {
        self.register();
        if let Some(bucket) = self.buckets.get(self.round().index(value)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum.fetch_add(value, Ordering::Relaxed);
        if value > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(value, Ordering::Relaxed);
        }
    }

    /// Records a time, in nanoseconds.
    #[inline]
    pub fn observe(&'static self, time: Duration) {
        self.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Starts a timer that records its age in nanoseconds when it is dropped.
    #[inline]
    pub fn start(&'static self) -> Timer {
        Timer {
            histogram: self,
            started: Instant::now(),
        }
    }

    /// Shows the histogram although nothing was recorded yet.
    #[inline]
    pub fn register(&'static self) {
        self.lazy.touch(|| Body::Histogram(self));
    }

    /// Keeps a look at the counts for the window.
    pub(super) fn tick(&self, now: Instant) {
        let max = self.max.swap(0, Ordering::Relaxed);
        let counts = self.counts();
        match brief(&self.window) {
            Some(mut window) => window.push(now, counts, max),
            None => drop(self.max.fetch_max(max, Ordering::Relaxed)),
        }
    }

    /// The distribution of the last minutes, or since the start.
    pub(super) fn peek(&self, now: Instant) -> Summary {
        let counts = self.counts();
        let recent = self.max.load(Ordering::Relaxed);
        let total = counts.iter().map(|(_, count)| count).sum();
        let (begin, max_ever) = match brief(&self.window) {
            Some(window) => (window.begin(now), window.max()),
            None => (None, 0),
        };
        let (counts, window, max) = match begin {
            Some((then, length, max)) => (difference(&counts, &then), Some(length), max),
            None => (counts, None, max_ever),
        };
        let count = counts.iter().map(|(_, count)| count).sum();
        let max = (count > 0).then(|| max.max(recent));
        let percentile = |share| {
            let value = percentile(&counts, share, self.round())?;
            Some(max.map_or(value, |max| value.min(max)))
        };
        Summary {
            unit: self.unit,
            p50: percentile(0.5),
            p90: percentile(0.9),
            p99: percentile(0.99),
            max,
            count,
            window,
            total,
            sum: self.sum.load(Ordering::Relaxed),
        }
    }

    /// How many values since the start are at most each of some round bounds, ascending.
    pub(super) fn at_most(&self) -> Vec<(u64, u64)> {
        let counts = self.counts();
        let decimals = |exponents: std::ops::RangeInclusive<u32>| {
            let powers = exponents.map(|exponent| 10_u64.pow(exponent));
            powers.flat_map(|power| [power, 2 * power, 5 * power])
        };
        match self.unit {
            Unit::Plain => at_most(&counts, decimals(0..=5), self.round()),
            Unit::Nanos => at_most(&counts, decimals(3..=10), self.round()), // 1 us to 50 s
            Unit::Bytes => {
                let powers = (6..=36).step_by(2).map(|exponent| 1 << exponent);
                at_most(&counts, powers, self.round()) // 64 B to 64 GiB
            }
        }
    }

    #[inline]
    const fn round(&self) -> &'static Round {
        match self.unit {
            Unit::Bytes => &BINARY,
            Unit::Plain | Unit::Nanos => &DECIMAL,
        }
    }

    fn counts(&self) -> Vec<(u16, u64)> {
        let all = self.buckets.iter().zip(0_u16..);
        let counts = all.map(|(count, bucket)| (bucket, count.load(Ordering::Relaxed)));
        counts.filter(|(_, count)| *count > 0).collect()
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("name", &self.lazy.name())
            .field("summary", &self.peek(Instant::now()))
            .finish()
    }
}

/// Records its age when it is dropped; made by [`Histogram::start`].
#[derive(Debug)]
#[must_use = "the time is recorded when this is dropped"]
pub struct Timer {
    histogram: &'static Histogram,
    started: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.observe(self.started.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_near_and_the_greatest_value_is_exact() {
        static SIZES: Histogram = Histogram::new("test.histogram.sizes", Unit::Bytes);
        (1..=10_000).for_each(|value| SIZES.record(value));
        let summary = SIZES.peek(Instant::now());
        let near = |value: Option<u64>, expected: f64| {
            let error = (value.unwrap() as f64 - expected).abs() / expected;
            assert!(error <= 0.032, "{value:?} for {expected}");
        };
        near(summary.p50, 5000.0);
        near(summary.p90, 9000.0);
        near(summary.p99, 9900.0);
        assert_eq!(
            (summary.max, summary.count, summary.total),
            (Some(10_000), 10_000, 10_000)
        );
        assert_eq!((summary.sum, summary.window), (50_005_000, None));
    }

    #[test]
    fn after_five_minutes_old_values_are_forgotten_but_counted() {
        static TIMES: Histogram = Histogram::new("test.histogram.times", Unit::Nanos);
        let start = Instant::now();
        let at = |tick: u64| start + Duration::from_secs(30 * tick);
        TIMES.record(9_999);
        for tick in 0..11 {
            TIMES.tick(at(tick));
        }
        let summary = TIMES.peek(at(11));
        assert_eq!((summary.count, summary.max, summary.p50), (0, None, None));
        assert_eq!(
            (summary.total, summary.window),
            (1, Some(Duration::from_secs(330)))
        );
        TIMES.observe(Duration::from_nanos(5));
        let summary = TIMES.peek(at(11));
        assert_eq!(
            (summary.count, summary.max, summary.p50),
            (1, Some(5), Some(5))
        );
    }

    #[test]
    fn a_timer_records_when_it_is_dropped() {
        static TIMER: Histogram = Histogram::new("test.histogram.timer", Unit::Nanos);
        drop(TIMER.start());
        assert_eq!(TIMER.peek(Instant::now()).count, 1);
    }
}
