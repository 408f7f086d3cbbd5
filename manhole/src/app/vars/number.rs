//! Counters, gauges and plain numbers.

use super::{lazy::Lazy, registry::Body};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows: requests, errors, bytes sent. The console shows its rate as well.
///
/// ```
/// static ERRORS: manhole::vars::Counter = manhole::vars::Counter::new("http.errors");
/// ERRORS.add(1);
/// ```
#[derive(Debug)]
pub struct Counter {
    lazy: Lazy,
    value: AtomicU64,
}

impl Counter {
    /// A counter at 0, shown as `name` from its first use on.
    pub const fn new(name: &'static str) -> Self {
        Self {
            lazy: Lazy::new(name),
            value: AtomicU64::new(0),
        }
    }

    /// Adds `n`; two relaxed atomic operations.
    #[inline]
    pub fn add(&'static self, n: u64) {
        self.register();
        self.value.fetch_add(n, Ordering::Relaxed);
    }

    /// The count so far.
    #[inline]
    pub fn get(&'static self) -> u64 {
        self.register();
        self.peek()
    }

    /// Shows the counter although nothing was counted yet.
    #[inline]
    pub fn register(&'static self) {
        self.lazy.touch(|| Body::Counter(self));
    }

    pub(super) fn peek(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down: queue depth, connections. Its greatest value is kept.
///
/// ```
/// static DEPTH: manhole::vars::Gauge = manhole::vars::Gauge::new("queue.depth");
/// DEPTH.set(12);
/// DEPTH.add(-2);
/// assert_eq!((DEPTH.get(), DEPTH.max()), (10, 12));
/// ```
#[derive(Debug)]
pub struct Gauge {
    lazy: Lazy,
    value: AtomicI64,
    /// `i64::MIN` until something was set.
    max: AtomicI64,
}

impl Gauge {
    /// A gauge at 0, shown as `name` from its first use on.
    pub const fn new(name: &'static str) -> Self {
        Self {
            lazy: Lazy::new(name),
            value: AtomicI64::new(0),
            max: AtomicI64::new(i64::MIN),
        }
    }

    /// Sets it to `n`.
    #[inline]
    pub fn set(&'static self, n: i64) {
        self.register();
        self.value.store(n, Ordering::Relaxed);
        self.raise(n);
    }

    /// Adds `n`, which may be negative.
    #[inline]
    pub fn add(&'static self, n: i64) {
        self.register();
        let before = self.value.fetch_add(n, Ordering::Relaxed);
        self.raise(before.wrapping_add(n));
    }

    /// Adds 1 until what is returned is dropped: for what is in flight.
    #[inline]
    pub fn enter(&'static self) -> Entered {
        self.add(1);
        Entered(self)
    }

    /// The value now.
    #[inline]
    pub fn get(&'static self) -> i64 {
        self.register();
        self.peek().0
    }

    /// The greatest value since the start of the process.
    #[inline]
    pub fn max(&'static self) -> i64 {
        self.register();
        self.peek().1
    }

    /// Shows the gauge although nothing was set yet.
    #[inline]
    pub fn register(&'static self) {
        self.lazy.touch(|| Body::Gauge(self));
    }

    #[inline]
    fn raise(&self, n: i64) {
        if n > self.max.load(Ordering::Relaxed) {
            self.max.fetch_max(n, Ordering::Relaxed);
        }
    }

    /// Value and greatest value.
    pub(super) fn peek(&self) -> (i64, i64) {
        let value = self.value.load(Ordering::Relaxed);
        (value, self.max.load(Ordering::Relaxed).max(value))
    }
}

/// Takes back what [`Gauge::enter`] added, when it is dropped.
#[derive(Debug)]
#[must_use = "the gauge goes down again when this is dropped"]
pub struct Entered(&'static Gauge);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

/// A number with a fraction: a temperature, a ratio, a load.
#[derive(Debug)]
pub struct Float {
    lazy: Lazy,
    bits: AtomicU64,
}

impl Float {
    /// 0, shown as `name` from its first use on.
    pub const fn new(name: &'static str) -> Self {
        Self {
            lazy: Lazy::new(name),
            bits: AtomicU64::new(0),
        }
    }

    /// Sets it to `n`.
    #[inline]
    pub fn set(&'static self, n: f64) {
        self.register();
        self.bits.store(n.to_bits(), Ordering::Relaxed);
    }

    /// Adds `n`; tries again while other threads do the same.
    #[inline]
    pub fn add(&'static self, n: f64) {
        self.register();
        let add = |bits| Some((f64::from_bits(bits) + n).to_bits());
        let _ = self
            .bits
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The value now.
    #[inline]
    pub fn get(&'static self) -> f64 {
        self.register();
        self.peek()
    }

    /// Shows the number although nothing was set yet.
    #[inline]
    pub fn register(&'static self) {
        self.lazy.touch(|| Body::Float(self));
    }

    pub(super) fn peek(&self) -> f64 {
        f64::from_bits(self.bits.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_knows_its_greatest_value() {
        static DEPTH: Gauge = Gauge::new("test.number.depth");
        DEPTH.register();
        assert_eq!((DEPTH.get(), DEPTH.max()), (0, 0));
        DEPTH.set(-7);
        assert_eq!(DEPTH.max(), -7);
        let (first, second) = (DEPTH.enter(), DEPTH.enter());
        drop((first, second));
        assert_eq!((DEPTH.get(), DEPTH.max()), (-7, -5));
    }

    #[test]
    fn nothing_is_lost_when_threads_count_together() {
        static COUNT: Counter = Counter::new("test.number.count");
        static SUM: Float = Float::new("test.number.sum");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        COUNT.add(2);
                        SUM.add(0.5);
                    }
                });
            }
        });
        assert_eq!((COUNT.get(), SUM.get()), (8000, 2000.0));
    }
}
