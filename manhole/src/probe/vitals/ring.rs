//! A day of samples in little memory: packed, in blocks of an hour, oldest block dropped first.

use super::Sample;
use std::collections::VecDeque;

/// Samples in a block: an hour of ticks, 9.4 KiB.
const BLOCK: usize = 120;
/// Blocks kept: 24 full ones and the one being filled.
const BLOCKS: usize = 25;

/// "Not known" inside [`Packed`].
const NONE: u64 = u64::MAX;
const NONE32: u32 = u32::MAX;

/// A [`Sample`] in 80 bytes: sizes in KiB where 4 TiB will do.
#[derive(Clone, Copy, Debug)]
struct Packed {
    at_ns: u64,
    heap: u64,
    cpu_ns: u64,
    throttled_ns: u64,
    rss_kib: u32,
    anonymous_kib: u32,
    files_kib: u32,
    shared_kib: u32,
    swap_kib: u32,
    cgroup_kib: u32,
    oom_kills: u32,
    threads: u32,
    tasks: u32,
    fds: u32,
    queue: u32,
}

fn small(value: Option<u64>) -> u32 {
    value.map_or(NONE32, |value| {
        u32::try_from(value).unwrap_or(NONE32 - 1).min(NONE32 - 1)
    })
}

fn kib(value: Option<u64>) -> u32 {
    small(value.map(|bytes| bytes >> 10))
}

fn back(value: u32) -> Option<u64> {
    (value != NONE32).then(|| u64::from(value))
}

fn back_kib(value: u32) -> Option<u64> {
    back(value).map(|kib| kib << 10)
}

fn back_wide(value: u64) -> Option<u64> {
    (value != NONE).then_some(value)
}

impl From<Sample> for Packed {
    fn from(sample: Sample) -> Self {
        Self {
            at_ns: sample.at_ns,
            heap: sample.heap.unwrap_or(NONE),
            cpu_ns: sample.cpu_ns.unwrap_or(NONE),
            throttled_ns: sample.throttled_ns.unwrap_or(NONE),
            rss_kib: kib(sample.rss),
            anonymous_kib: kib(sample.anonymous),
            files_kib: kib(sample.files),
            shared_kib: kib(sample.shared),
            swap_kib: kib(sample.swap),
            cgroup_kib: kib(sample.cgroup),
            oom_kills: small(sample.oom_kills),
            threads: small(sample.threads),
            tasks: small(sample.tasks),
            fds: small(sample.fds),
            queue: small(sample.queue),
        }
    }
}

impl From<Packed> for Sample {
    fn from(packed: Packed) -> Self {
        Self {
            at_ns: packed.at_ns,
            rss: back_kib(packed.rss_kib),
            anonymous: back_kib(packed.anonymous_kib),
            files: back_kib(packed.files_kib),
            shared: back_kib(packed.shared_kib),
            swap: back_kib(packed.swap_kib),
            cgroup: back_kib(packed.cgroup_kib),
            heap: back_wide(packed.heap),
            cpu_ns: back_wide(packed.cpu_ns),
            throttled_ns: back_wide(packed.throttled_ns),
            oom_kills: back(packed.oom_kills),
            threads: back(packed.threads),
            tasks: back(packed.tasks),
            fds: back(packed.fds),
            queue: back(packed.queue),
        }
    }
}

/// The samples of the last 24 hours, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    blocks: VecDeque<Vec<Packed>>,
}

impl Ring {
    /// No samples.
    pub(crate) const fn new() -> Self {
        Self {
            blocks: VecDeque::new(),
        }
    }

    /// Keeps a sample; when memory for it cannot be had, it is lost.
    pub(crate) fn push(&mut self, sample: Sample) {
        let full = self.blocks.back().is_none_or(|block| block.len() >= BLOCK);
        if full && !self.grow() {
            return;
        }
        if let Some(block) = self.blocks.back_mut() {
            block.push(sample.into());
        }
    }

    /// Adds an empty block, in the place of the oldest once there are enough.
    fn grow(&mut self) -> bool {
        let mut block = match self.blocks.len() >= BLOCKS {
            true => self.blocks.pop_front().unwrap_or_default(),
            false => Vec::new(),
        };
        block.clear();
        if block.try_reserve_exact(BLOCK).is_err() || self.blocks.try_reserve(1).is_err() {
            return false;
        }
        self.blocks.push_back(block);
        true
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = &Packed> {
        self.blocks.iter().flatten()
    }

    /// The newest sample.
    pub(crate) fn last(&self) -> Option<Sample> {
        self.iter().next_back().map(|packed| (*packed).into())
    }

    /// The oldest sample.
    pub(crate) fn first(&self) -> Option<Sample> {
        self.iter().next().map(|packed| (*packed).into())
    }

    /// How many samples there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum()
    }

    /// The sample closest to the moment `at_ns`, if it is not farther from it than `slack_ns`, or
    /// than the 30 s that may lie between two ticks.
    pub(crate) fn near(&self, at_ns: u64, slack_ns: u64) -> Option<Sample> {
        let slack = slack_ns.max(30_000_000_000);
        self.iter()
            .min_by_key(|packed| packed.at_ns.abs_diff(at_ns))
            .filter(|packed| packed.at_ns.abs_diff(at_ns) <= slack)
            .map(|packed| (*packed).into())
    }

    /// `(moment, value)` of every sample since `from_ns` in which the figure is known.
    pub(crate) fn series(
        &self,
        from_ns: u64,
        figure: fn(&Sample) -> Option<u64>,
    ) -> Vec<(u64, u64)> {
        self.iter()
            .skip_while(|packed| packed.at_ns < from_ns)
            .filter_map(|packed| Some((packed.at_ns, figure(&(*packed).into())?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: u64 = 30_000_000_000;

    fn sample(n: u64) -> Sample {
        Sample {
            at_ns: n * TICK,
            rss: Some(n << 20),
            fds: n.is_multiple_of(2).then_some(n),
            ..Sample::default()
        }
    }

    fn ring(samples: u64) -> Ring {
        let mut ring = Ring::new();
        (0..samples).for_each(|n| ring.push(sample(n)));
        ring
    }

    #[test]
    fn a_sample_takes_80_bytes_and_comes_back_as_it_was() {
        assert_eq!(size_of::<Packed>(), 80);
        let full = Sample {
            at_ns: 1,
            rss: Some(5 << 30),
            anonymous: Some(4 << 30),
            files: Some(1 << 30),
            shared: Some(0),
            swap: Some(4096),
            cgroup: Some(6 << 30),
            heap: Some(12_345),
            cpu_ns: Some(0),
            throttled_ns: Some(7),
            oom_kills: Some(1),
            threads: Some(60),
            tasks: Some(1_204),
            fds: Some(9_812),
            queue: Some(3),
        };
        assert_eq!(Sample::from(Packed::from(full)), full);
        assert_eq!(
            Sample::from(Packed::from(Sample::default())),
            Sample::default()
        );
    }

    #[test]
    fn memory_is_taken_by_the_hour_and_bounded_by_a_day() {
        assert_eq!(ring(1).blocks.len(), 1);
        assert_eq!(ring(121).blocks.len(), 2);
        let day = ring(10_000);
        assert!(day.len() >= 2880 && day.len() <= 3000, "{}", day.len());
        assert!(day.blocks.iter().all(|block| block.capacity() == BLOCK));
        assert_eq!(day.last(), Some(sample(9_999)));
        assert_eq!(day.first(), Some(sample(10_000 - day.len() as u64)));
    }

    #[test]
    fn the_nearest_sample_counts_unless_it_is_too_far() {
        let ring = ring(100);
        let check = |at: u64, slack: u64, expected: Option<u64>| {
            let found = ring.near(at, slack).map(|found| found.at_ns / TICK);
            assert_eq!(found, expected, "at {at}");
        };
        check(50 * TICK + 1, 0, Some(50));
        check(99 * TICK + TICK, 0, Some(99));
        check(101 * TICK, 0, None);
        check(101 * TICK, 2 * TICK, Some(99));
        assert_eq!(Ring::new().near(0, u64::MAX), None);
    }

    #[test]
    fn a_series_leaves_out_what_was_not_known() {
        let points = ring(10).series(6 * TICK, |sample| sample.fds);
        assert_eq!(points, [(6 * TICK, 6), (8 * TICK, 8)]);
    }
}
