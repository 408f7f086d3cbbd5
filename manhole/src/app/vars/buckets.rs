//! The buckets of a histogram: exact below 16, then sixteen to each power of two, of which one is
//! split in two.
//!
//! So a value read back is at most 3.2 % away from the one recorded, over the whole range of u64,
//! with 1036 buckets of eight bytes and no configuration. The split is at a round number: of 1, 2
//! and 5 times a power of ten no two lie within a power of two, and so it is known exactly how many
//! values were at most 1 ms, for the price of one comparison with a number from a table.

/// Buckets to each power of two but for the split, as a power of two itself.
const FINE: u32 = 4;
const STEPS: usize = 1 << FINE;
/// Powers of two beyond the exact ones.
const ROWS: usize = 64 - FINE as usize;
/// Buckets to each of them.
const ROW: usize = STEPS + 1;
/// All buckets.
pub(super) const BUCKETS: usize = STEPS + ROWS * ROW;

/// The round numbers that are known exactly: for each power of two the one that lies in it, plus one.
pub(super) struct Round([u64; ROWS]);

/// 1, 2 and 5 times the powers of ten.
pub(super) static DECIMAL: Round = Round::decimal();
/// The powers of two.
pub(super) static BINARY: Round = Round::binary();

impl Round {
    const NONE: Self = Self([u64::MAX; ROWS]);

    #[allow(clippy::indexing_slicing)] // evaluated when it is compiled
    const fn with(mut self, number: u64) -> Self {
        if number >= STEPS as u64 {
            self.0[row(number)] = number + 1;
        }
        self
    }

    const fn decimal() -> Self {
        let (mut round, mut power) = (Self::NONE.with(1), 1_u64);
        while let Some(next) = power.checked_mul(10) {
            round = round.with(next / 5).with(next / 2).with(next);
            power = next;
        }
        round
    }

    const fn binary() -> Self {
        let (mut round, mut exponent) = (Self::NONE, FINE);
        while exponent < 64 {
            round = round.with(1 << exponent);
            exponent += 1;
        }
        round
    }

    /// The bucket that `value` belongs to; always below [`BUCKETS`].
    #[inline]
    pub(super) fn index(&self, value: u64) -> usize {
        if value < STEPS as u64 {
            return value as usize;
        }
        let row = row(value);
        let beyond = self.0.get(row).is_some_and(|split| value >= *split);
        STEPS + row * ROW + step(value, row) + usize::from(beyond)
    }

    /// The middle of a bucket: what to say for a value in it.
    pub(super) fn middle(&self, index: usize) -> u64 {
        let Some(inexact) = index.checked_sub(STEPS) else {
            return index as u64;
        };
        let (row, place) = (inexact / ROW, inexact % ROW);
        let split = self.0.get(row).copied().unwrap_or(u64::MAX);
        let beyond = place > step(split - 1, row);
        let low = ((STEPS + place - usize::from(beyond)) as u64) << row;
        let high = low.saturating_add(1 << row);
        let (low, high) = match beyond {
            true => (low.max(split), high),
            false => (low, high.min(split)),
        };
        low + high.saturating_sub(low) / 2
    }
}

/// How many powers of two an inexact `value` is above the least one.
const fn row(value: u64) -> usize {
    (63 - FINE - value.leading_zeros()) as usize
}

/// Which sixteenth of its power of two `value` lies in.
const fn step(value: u64, row: usize) -> usize {
    (value >> row) as usize & (STEPS - 1)
}

/// Counts in the buckets that are not empty, by bucket, ascending.
pub(super) type Sparse = [(u16, u64)];

/// The value below which `share` (0 to 1) of the recorded ones lie; `None` without any.
pub(super) fn percentile(counts: &Sparse, share: f64, round: &Round) -> Option<u64> {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let rank = ((total as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    let reached = counts.iter().find(|(_, count)| {
        seen += count;
        seen >= rank
    });
    // Rounding may put the rank above the total: then it is the last.
    let (bucket, _) = reached.or(counts.last())?;
    Some(round.middle(usize::from(*bucket)))
}

/// How many of the recorded values are at most each of `bounds`, which are round numbers.
pub(super) fn at_most(
    counts: &Sparse,
    bounds: impl Iterator<Item = u64>,
    round: &Round,
) -> Vec<(u64, u64)> {
    let at_most = bounds.map(|bound| {
        let last = round.index(bound);
        let within = counts
            .iter()
            .filter(|(bucket, _)| usize::from(*bucket) <= last);
        (bound, within.map(|(_, count)| count).sum())
    });
    at_most.collect()
}

/// What was recorded between two looks at the same growing counts.
pub(super) fn difference(now: &Sparse, then: &Sparse) -> Vec<(u16, u64)> {
    let mut old = then.iter().peekable();
    let grown = now.iter().map(|(bucket, count)| {
        while old.next_if(|(other, _)| other < bucket).is_some() {}
        let before = old.next_if(|(other, _)| other == bucket);
        (
            *bucket,
            count.wrapping_sub(before.map_or(0, |(_, count)| *count)),
        )
    });
    grown.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1, 2 and 5 times the powers of ten, reckoned in another way.
    fn decimals() -> Vec<u64> {
        let powers = (0..20).map(|exponent| 10_u128.pow(exponent));
        let all = powers.flat_map(|power| [1, 2, 5].map(|times| times * power));
        all.filter_map(|number| u64::try_from(number).ok())
            .collect()
    }

    /// Around every bucket's edge and every round number.
    fn values() -> Vec<u64> {
        let edges = (0..64).flat_map(|power| (0..16).map(move |step| (1_u64 << power, step)));
        let edges = edges.map(|(power, step)| power + power / 16 * step);
        let around = |value: u64| [value.saturating_sub(1), value, value.saturating_add(1)];
        let mut values: Vec<u64> = edges.chain(decimals()).flat_map(around).collect();
        values.push(u64::MAX);
        values.sort_unstable();
        values
    }

    #[test]
    fn buckets_cover_every_value_in_order_and_closely() {
        for round in [&DECIMAL, &BINARY] {
            let mut last = 0;
            for value in values() {
                let bucket = round.index(value);
                assert!(bucket >= last && bucket < BUCKETS, "{value}");
                last = bucket;
                let middle = round.middle(bucket);
                let error = middle.abs_diff(value) as f64 / value.max(1) as f64;
                assert!(error <= 0.032, "{value}: {middle}");
                assert_eq!(round.index(middle), bucket, "{value}: {middle}");
            }
            assert_eq!(round.index(u64::MAX), BUCKETS - 1);
            (0..32).for_each(|exact| assert_eq!(round.middle(round.index(exact)), exact));
        }
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let counts = [(1, 50), (2, 40), (5, 9), (9, 1)];
        let percentile = |share| percentile(&counts, share, &DECIMAL);
        let check = |share: f64, expected| assert_eq!(percentile(share), Some(expected));
        check(0.0, 1);
        check(0.5, 1);
        check(0.51, 2);
        check(0.9, 2);
        check(0.99, 5);
        check(1.0, 9);
        assert_eq!(super::percentile(&[], 0.5, &DECIMAL), None);
    }

    #[test]
    fn what_is_at_most_a_round_number_is_counted_exactly() {
        let binaries: Vec<u64> = (0..64).map(|exponent| 1 << exponent).collect();
        for (round, bounds) in [(&DECIMAL, decimals()), (&BINARY, binaries)] {
            let values = values();
            let mut counts = std::collections::BTreeMap::new();
            for value in &values {
                *counts.entry(round.index(*value) as u16).or_default() += 1;
            }
            let counts: Vec<(u16, u64)> = counts.into_iter().collect();
            for (bound, count) in at_most(&counts, bounds.into_iter(), round) {
                let expected = values.iter().filter(|value| **value <= bound).count();
                assert_eq!(count, expected as u64, "at most {bound}");
            }
        }
    }

    #[test]
    fn a_difference_holds_what_came_since() {
        let then = [(1, 5), (3, 2)];
        let now = [(0, 1), (1, 5), (2, 4), (3, 9)];
        assert_eq!(difference(&now, &then), [(0, 1), (2, 4), (3, 7)]);
        assert_eq!(difference(&now, &[]), now);
        assert_eq!(difference(&then, &then), []);
    }
}
