//! Whether a pointer may be one of those that were sampled: a byte for each page, modulo 256 MiB.
//!
//! What frees pay for: one load, and rarely a look into the table of samples for nothing. A count that
//! reaches 255 stays there, and its pages are looked up from then on.

use super::atomics::{AtomicU8, Ordering};

/// Pages that are told apart, of 4 KiB.
const PAGES: usize = 1 << 16;
const PAGE_BITS: u32 = 12;

/// Counts samples by page.
#[derive(Debug)]
pub(super) struct Filter([AtomicU8; PAGES]);

impl Filter {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU8::new(0) }; PAGES])
    }

    /// `false` when nothing at `address` was sampled; `true` when something may have been.
    #[inline(always)]
    pub(super) fn may_hold(&self, address: usize) -> bool {
        // Whoever frees got the pointer after it was counted here, by whatever way it was handed over.
        self.page(address).load(Ordering::Relaxed) != 0
    }

    /// Counts a sample at `address`.
    pub(super) fn add(&self, address: usize) {
        let more = |count: u8| count.checked_add(1);
        let _ = self
            .page(address)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// A sample at `address` is gone.
    pub(super) fn remove(&self, address: usize) {
        let fewer = |count: u8| (count < u8::MAX).then(|| count.saturating_sub(1));
        let _ = self
            .page(address)
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }

    #[inline(always)]
    #[allow(clippy::indexing_slicing)] // below the length by the remainder, which the compiler sees
    fn page(&self, address: usize) -> &AtomicU8 {
        &self.0[(address >> PAGE_BITS) % PAGES]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_marked_as_long_as_it_holds_a_sample() {
        static FILTER: Filter = Filter::new();
        let check = |address: usize, expected: bool| {
            assert_eq!(FILTER.may_hold(address), expected, "{address:#x}");
        };
        check(0x7f00_1234, false);
        FILTER.add(0x7f00_1234);
        FILTER.add(0x7f00_1010);
        check(0x7f00_1fff, true);
        check(0x7f00_2000, false);
        check(0x7f00_1000 + (256 << 20), true);
        FILTER.remove(0x7f00_1234);
        check(0x7f00_1000, true);
        FILTER.remove(0x7f00_1010);
        check(0x7f00_1000, false);
        FILTER.remove(0x7f00_1010);
        check(0x7f00_1000, false);
    }

    #[test]
    fn a_full_count_stays() {
        static FILTER: Filter = Filter::new();
        (0..300).for_each(|_| FILTER.add(1));
        (0..300).for_each(|_| FILTER.remove(1));
        assert!(FILTER.may_hold(1));
    }
}
