//! What is counted: by stack, in total, and at the high-water mark.
//!
//! Sums of what samples stand for. What is freed is counted before what is allocated is read, and
//! differences end at nothing, so that no moment shows less than nothing.
//!
//! The state at the high-water mark costs no copy: each time live memory reaches a new height the mark
//! gets a new number, and whoever counts at a stack afterwards first keeps what was live there. A stack
//! where nothing was counted since has its live memory of then still.

use super::{
    atomics::{AtomicU32, AtomicU64, Ordering},
    rate::Amount,
    stacks::Counts,
};

/// Sums of the process.
#[derive(Debug)]
pub(super) struct Books {
    allocated_bytes: AtomicU64,
    allocated_objects: AtomicU64,
    freed_bytes: AtomicU64,
    freed_objects: AtomicU64,
    samples: AtomicU64,
    freed_samples: AtomicU64,
    dropped: AtomicU64,
    /// The number of the high-water mark, its height, and when it was reached.
    mark: AtomicU64,
    highest: AtomicU64,
    highest_at: AtomicU32,
}

/// The sums at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub allocated: Amount,
    pub freed: Amount,
    pub samples: u64,
    pub freed_samples: u64,
    pub dropped: u64,
    pub highest: u64,
    pub highest_at: u32,
}

impl Books {
    pub(super) const fn new() -> Self {
        Self {
            allocated_bytes: AtomicU64::new(0),
            allocated_objects: AtomicU64::new(0),
            freed_bytes: AtomicU64::new(0),
            freed_objects: AtomicU64::new(0),
            samples: AtomicU64::new(0),
            freed_samples: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            mark: AtomicU64::new(0),
            highest: AtomicU64::new(0),
            highest_at: AtomicU32::new(0),
        }
    }

    /// A sample that stands for `amount` was taken at the stack with these `counts`.
    pub(super) fn allocated(&self, counts: &Counts, amount: Amount, now: u32) {
        self.keep_mark(counts);
        add(&counts.allocated_bytes, amount.bytes);
        add(&counts.allocated_objects, amount.objects);
        add(&counts.samples, 1);
        add(&self.allocated_objects, amount.objects);
        add(&self.samples, 1);
        // What is freed is read afterwards, so that the height is rather missed than made up by what
        // others allocate and free in between.
        let before = self
            .allocated_bytes
            .fetch_add(amount.bytes, Ordering::Relaxed);
        let freed = self.freed_bytes.load(Ordering::Relaxed);
        let live = before.saturating_add(amount.bytes).saturating_sub(freed);
        if live > self.highest.fetch_max(live, Ordering::Relaxed) {
            self.highest_at.store(now, Ordering::Relaxed);
            self.mark.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The object of such a sample was freed.
    pub(super) fn freed(&self, counts: &Counts, amount: Amount) {
        self.keep_mark(counts);
        add(&counts.freed_bytes, amount.bytes);
        add(&counts.freed_objects, amount.objects);
        add(&counts.freed_samples, 1);
        add(&self.freed_bytes, amount.bytes);
        add(&self.freed_objects, amount.objects);
        add(&self.freed_samples, 1);
    }

    /// It was not: [`Books::freed`] is taken back.
    pub(super) fn not_freed(&self, counts: &Counts, amount: Amount) {
        self.keep_mark(counts);
        take(&counts.freed_bytes, amount.bytes);
        take(&counts.freed_objects, amount.objects);
        take(&counts.freed_samples, 1);
        take(&self.freed_bytes, amount.bytes);
        take(&self.freed_objects, amount.objects);
        take(&self.freed_samples, 1);
    }

    /// A sample found no room.
    pub(super) fn dropped(&self) {
        add(&self.dropped, 1);
    }

    /// Keeps what was live at the high-water mark, before it changes.
    fn keep_mark(&self, counts: &Counts) {
        let mark = self.mark.load(Ordering::Relaxed);
        if counts.mark.load(Ordering::Relaxed) != mark {
            let live = live(counts);
            counts.marked_bytes.store(live.bytes, Ordering::Relaxed);
            counts.marked_objects.store(live.objects, Ordering::Relaxed);
            counts.mark.store(mark, Ordering::Relaxed);
        }
    }

    /// What was live at a stack when live memory was highest.
    pub(super) fn at_mark(&self, counts: &Counts) -> Amount {
        match counts.mark.load(Ordering::Relaxed) == self.mark.load(Ordering::Relaxed) {
            true => load(&counts.marked_bytes, &counts.marked_objects),
            false => live(counts),
        }
    }

    /// The sums now.
    pub(super) fn sums(&self) -> Sums {
        Sums {
            freed: load(&self.freed_bytes, &self.freed_objects),
            allocated: load(&self.allocated_bytes, &self.allocated_objects),
            freed_samples: self.freed_samples.load(Ordering::Relaxed),
            samples: self.samples.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            highest: self.highest.load(Ordering::Relaxed),
            highest_at: self.highest_at.load(Ordering::Relaxed),
        }
    }
}

/// What was allocated and freed at a stack.
pub(super) fn both(counts: &Counts) -> (Amount, Amount) {
    let freed = load(&counts.freed_bytes, &counts.freed_objects);
    (
        load(&counts.allocated_bytes, &counts.allocated_objects),
        freed,
    )
}

fn live(counts: &Counts) -> Amount {
    let (allocated, freed) = both(counts);
    allocated.minus(freed)
}

fn load(bytes: &AtomicU64, objects: &AtomicU64) -> Amount {
    Amount {
        bytes: bytes.load(Ordering::Relaxed),
        objects: objects.load(Ordering::Relaxed),
    }
}

fn add(sum: &AtomicU64, more: u64) {
    sum.fetch_add(more, Ordering::Relaxed);
}

fn take(sum: &AtomicU64, less: u64) {
    sum.fetch_sub(less, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(bytes: u64) -> Amount {
        Amount {
            bytes,
            objects: bytes << 16,
        }
    }

    #[test]
    fn what_was_live_at_the_highest_moment_is_known_afterwards() {
        let books = Books::new();
        let (a, b, late) = (Counts::default(), Counts::default(), Counts::default());
        let check = |expected: [u64; 3]| {
            let found = [&a, &b, &late].map(|counts| books.at_mark(counts).bytes);
            assert_eq!(found, expected);
        };
        check([0, 0, 0]);
        books.allocated(&a, amount(100), 1);
        check([100, 0, 0]);
        books.allocated(&b, amount(50), 2);
        check([100, 50, 0]);
        // Down, up to just below, elsewhere.
        books.freed(&a, amount(70));
        books.allocated(&late, amount(69), 3);
        check([100, 50, 0]);
        books.freed(&b, amount(50));
        check([100, 50, 0]);
        let sums = books.sums();
        assert_eq!((sums.highest, sums.highest_at), (150, 2));
        books.allocated(&b, amount(60), 4);
        books.allocated(&a, amount(1), 5);
        check([31, 60, 69]);
        assert_eq!(books.sums().highest, 160);
    }

    #[test]
    fn sums_are_of_all_stacks() {
        let books = Books::new();
        let (a, b) = (Counts::default(), Counts::default());
        books.allocated(&a, amount(5), 0);
        books.allocated(&b, amount(7), 0);
        books.freed(&b, amount(7));
        books.dropped();
        let sums = books.sums();
        assert_eq!((sums.allocated, sums.freed), (amount(12), amount(7)));
        assert_eq!((sums.samples, sums.freed_samples, sums.dropped), (2, 1, 1));
        assert_eq!(both(&b), (amount(7), amount(7)));
        books.not_freed(&b, amount(7));
        assert_eq!(both(&b), (amount(7), amount(0)));
        assert_eq!(books.sums().freed, amount(0));
    }
}
