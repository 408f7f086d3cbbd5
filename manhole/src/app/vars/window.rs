//! "In the last five minutes": what a histogram looked like at the ticks before.
//!
//! The host's threads only ever add to growing counts. The console looks at them every 30 s and
//! keeps the last looks; a window is the difference between now and the oldest of them. So the fast
//! path knows nothing of time, and a histogram that nobody uses keeps one shared look.

use super::{TICK, buckets::Sparse};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// Looks that are kept, and so the window: five minutes to five and a half.
const LOOKS: usize = (300 / TICK) as usize + 1;

/// The counts at one tick, and the greatest value since the tick before.
struct Look {
    at: Instant,
    counts: Arc<Sparse>,
    max: u64,
}

/// The last looks, oldest first.
pub(super) struct Window {
    looks: VecDeque<Look>,
    /// The greatest value that is older than every look.
    max_before: u64,
}

impl Window {
    /// No looks yet.
    pub(super) const fn new() -> Self {
        Self {
            looks: VecDeque::new(),
            max_before: 0,
        }
    }

    /// Keeps a look at `counts`; `max` is the greatest value since the last one.
    pub(super) fn push(&mut self, at: Instant, counts: Vec<(u16, u64)>, max: u64) {
        let last = self.looks.back().map(|look| &look.counts);
        let counts = match last {
            Some(last) if **last == *counts => Arc::clone(last),
            _ => counts.into(),
        };
        if self.looks.len() >= LOOKS
            && let Some(oldest) = self.looks.pop_front()
        {
            self.max_before = self.max_before.max(oldest.max);
        }
        self.looks.push_back(Look { at, counts, max });
    }

    /// The counts at the beginning of the window, how long it is by now, and the greatest value at
    /// the ticks within it; `None` while all that was ever recorded is younger than the window.
    pub(super) fn begin(&self, now: Instant) -> Option<(Arc<Sparse>, Duration, u64)> {
        let full = self.looks.len() >= LOOKS;
        let first = self.looks.front().filter(|_| full)?;
        let max = self.looks.iter().skip(1).map(|look| look.max).max();
        let length = now.saturating_duration_since(first.at);
        Some((Arc::clone(&first.counts), length, max.unwrap_or(0)))
    }

    /// The greatest value at all ticks so far.
    pub(super) fn max(&self) -> u64 {
        let kept = self.looks.iter().map(|look| look.max).max();
        self.max_before.max(kept.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_opens_after_five_minutes_and_moves_on() {
        let start = Instant::now();
        let at = |tick: u64| start + Duration::from_secs(tick * TICK);
        let mut window = Window::new();
        for tick in 0..11 {
            assert!(window.begin(at(tick)).is_none(), "tick {tick}");
            window.push(at(tick), vec![(1, tick + 1)], 100 - tick);
        }
        let (counts, length, max) = window.begin(at(10)).unwrap();
        assert_eq!(
            (&*counts, length.as_secs(), max),
            ([(1, 1)].as_slice(), 300, 99)
        );
        window.push(at(11), vec![(1, 12)], 7);
        let (counts, length, max) = window.begin(at(11)).unwrap();
        assert_eq!(
            (&*counts, length.as_secs(), max),
            ([(1, 2)].as_slice(), 300, 98)
        );
        assert_eq!(window.max(), 100);
    }

    #[test]
    fn a_histogram_at_rest_keeps_one_look_only() {
        let mut window = Window::new();
        for _ in 0..11 {
            window.push(Instant::now(), vec![(1, 1)], 0);
        }
        let first = &window.looks[0].counts;
        assert!(
            window
                .looks
                .iter()
                .all(|look| Arc::ptr_eq(&look.counts, first))
        );
    }
}
