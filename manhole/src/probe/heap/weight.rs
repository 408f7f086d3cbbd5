//! What a sample stands for.

use crate::{
    alloc::read::{self, Live},
    probe::heap_sums::variance_of,
};

/// What a live sample stands for, and how sure that is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weight {
    /// Bytes.
    pub bytes: f64,
    /// Objects.
    pub objects: f64,
    /// Variance of the bytes.
    pub variance: f64,
}

/// An object is sampled with the probability p, and then stands for 1 / p like it: as many as those that were
/// not hit vary, which is nothing where p is 1.
pub(super) fn weight(live: &Live) -> Weight {
    let objects = read::weight(live.size, live.rate);
    Weight {
        bytes: objects * live.size as f64,
        objects,
        variance: variance_of(live.size, live.rate),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_objects_are_exact_and_small_ones_stand_for_many() {
        let check = |size: u64, rate: u64, objects: f64, deviation: f64| {
            let found = weight(&Live {
                stack: 1,
                size,
                rate,
                age_ds: 0,
            });
            let near = |found: f64, wanted: f64| (found - wanted).abs() <= wanted / 1000.0;
            assert!(near(found.objects, objects), "{size}: {found:?}");
            assert!(
                near(found.bytes, objects * size as f64),
                "{size}: {found:?}"
            );
            let found = found.variance.sqrt();
            assert!(near(found, deviation), "{size}: {found}");
        };
        check(100, 1, 1.0, 0.0);
        check(16, 524_288, 32_768.5, 524_288.0);
        check(524_288, 524_288, 1.581_98, 503_060.0);
        check(8 << 20, 524_288, 1.000_000_1, 2814.0);
    }
}
