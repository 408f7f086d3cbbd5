//! The buckets of a histogram: exact below 16, then sixteen to each power of two.
//!
//! So a value read back is at most 3.2 % away from the one recorded, over the whole range of u64,
//! with 976 buckets of eight bytes and no configuration.

/// Buckets to each power of two, as a power of two itself.
const FINE: u32 = 4;
const STEPS: usize = 1 << FINE;
/// All buckets: the exact ones and sixteen for each of the 60 remaining powers of two.
pub(super) const BUCKETS: usize = STEPS * (64 - FINE as usize + 1);

/// The bucket that `value` belongs to; always below [`BUCKETS`].
#[inline]
pub(super) fn index(value: u64) -> usize {
    if value < STEPS as u64 {
        return value as usize;
    }
    let power = 63 - value.leading_zeros();
    let step = (value >> (power - FINE)) as usize & (STEPS - 1);
    (power - FINE + 1) as usize * STEPS + step
}

/// The middle of a bucket: what to say for a value in it.
pub(super) fn middle(index: usize) -> u64 {
    let (row, step) = (index / STEPS, (index % STEPS) as u64);
    match row.checked_sub(1) {
        None => step,
        Some(shift) => {
            let low = (STEPS as u64 + step) << shift;
            low + ((1_u64 << shift) >> 1)
        }
    }
}

/// Counts in the buckets that are not empty, by bucket, ascending.
pub(super) type Sparse = [(u16, u64)];

/// The value below which `share` (0 to 1) of the recorded ones lie; `None` without any.
pub(super) fn percentile(counts: &Sparse, share: f64) -> Option<u64> {
    let total: u64 = counts.iter().map(|(_, count)| count).sum();
    let rank = ((total as f64 * share).ceil() as u64).max(1);
    let mut seen = 0;
    let reached = counts.iter().find(|(_, count)| {
        seen += count;
        seen >= rank
    });
    // Rounding may put the rank above the total: then it is the last.
    let (bucket, _) = reached.or(counts.last())?;
    Some(middle(usize::from(*bucket)))
}

/// How many of the recorded values are below each power of two with an exponent from `exponents`.
pub(super) fn below(counts: &Sparse, exponents: impl Iterator<Item = u32>) -> Vec<(u64, u64)> {
    let below = exponents.map(|exponent| {
        let limit = 1_u64 << exponent;
        let lower = counts
            .iter()
            .filter(|(bucket, _)| usize::from(*bucket) < index(limit));
        (limit, lower.map(|(_, count)| count).sum())
    });
    below.collect()
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

    #[test]
    fn buckets_cover_every_value_in_order_and_closely() {
        let mut last = 0;
        for power in 0..64 {
            for offset in [0_u64, 1, 2, 3, 5, 7, 11, 13] {
                let value = (1_u64 << power) + ((1_u64 << power) / 16) * offset;
                let bucket = index(value);
                assert!(bucket >= last && bucket < BUCKETS, "{value}");
                last = bucket;
                let error = middle(bucket).abs_diff(value) as f64 / value as f64;
                assert!(error <= 0.032, "{value}: {error}");
            }
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
        (0..16).for_each(|exact| assert_eq!(middle(index(exact)), exact));
    }

    #[test]
    fn percentiles_are_those_of_the_sorted_values() {
        let counts = [(1, 50), (2, 40), (5, 9), (9, 1)];
        let check = |share: f64, expected| assert_eq!(percentile(&counts, share), Some(expected));
        check(0.0, 1);
        check(0.5, 1);
        check(0.51, 2);
        check(0.9, 2);
        check(0.99, 5);
        check(1.0, 9);
        assert_eq!(percentile(&[], 0.5), None);
    }

    #[test]
    fn what_is_below_a_power_of_two_is_counted_exactly() {
        let counts = [0, 3, 4, 1023, 1024, 1025].map(|value| (index(value) as u16, 1));
        let below = below(&counts, [0, 2, 10, 11].into_iter());
        assert_eq!(below, [(1, 1), (4, 2), (1024, 4), (2048, 6)]);
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
