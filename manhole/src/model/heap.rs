//! The heap as the sampling allocator knows it: which stacks allocated what is live, what was live when
//! most was, what came and went, and what all that was at an earlier look.
//!
//! Every amount is an estimate from samples. The stacks are a [`Dump`], so what names and folds the
//! stacks of threads does the same for these.

mod json;

pub use json::{from_json, to_json};

use super::stack::Dump;

/// One object, in the unit of [`Amount::objects`].
pub const OBJECT: u64 = 1 << 16;

/// Bounds between the ages that live bytes are told apart by, in seconds.
pub const AGES: [u64; 4] = [10, 60, 600, 3600];

/// An estimated amount of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Bytes as they were asked for, without what the allocator adds.
    pub bytes: u64,
    /// Objects in 1/65536, since a sample may stand for a fraction of one.
    pub objects: u64,
}

impl Amount {
    /// Whole objects, rounded.
    pub fn count(self) -> u64 {
        self.objects.saturating_add(OBJECT / 2) / OBJECT
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            objects: self.objects.saturating_add(other.objects),
        }
    }

    /// What is left without `other`; nothing is less than nothing.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            objects: self.objects.saturating_sub(other.objects),
        }
    }
}

/// What was counted at a stack by some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Allocated since the process began.
    pub allocated: Amount,
    /// Of that, freed.
    pub freed: Amount,
    /// Samples that `allocated` is estimated from.
    pub samples: u64,
    /// Variance of the bytes that are live, in square bytes: the sum of (1 - p) w^2 s^2 over the live
    /// samples. Objects larger than the rate are always sampled, and add nothing.
    pub variance: f64,
}

impl State {
    /// What is live.
    pub fn live(&self) -> Amount {
        self.allocated.less(self.freed)
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            allocated: self.allocated.plus(other.allocated),
            freed: self.freed.plus(other.freed),
            samples: self.samples.saturating_add(other.samples),
            variance: self.variance + other.variance,
        }
    }
}

/// A stack, and what was counted there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// What stands in place of a stack.
    pub place: Place,
    /// What is so now; of a comparison between two earlier looks, at the later one.
    pub now: State,
    /// What was so at the look that it is compared with; `None` when it was not kept.
    pub before: Option<State>,
    /// Live bytes at a look between the two; `None` when that is not known.
    pub middle: Option<u64>,
    /// Bytes allocated in the time of [`Report::recent_ns`]; `None` when that is not known.
    pub recent: Option<u64>,
    /// What of it was live when most was.
    pub peak: Amount,
    /// Live bytes by age, youngest first: up to each of [`AGES`], and older.
    pub ages: [u64; AGES.len() + 1],
    /// What is live for at least the time that was asked for.
    pub old: Amount,
    /// Variance of its bytes.
    pub old_variance: f64,
}

/// Where memory is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Place {
    /// At the frames of the stack.
    #[default]
    Stack,
    /// It was allocated before the console was there to read stacks.
    BeforeInstall,
    /// There were more stacks than are kept.
    NoRoom,
    /// The stack could not be read.
    NoStack,
    /// Stacks with little, added up.
    Rest,
}

/// The heap, stack by stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heap {
    /// The stacks, each as one of a thread that is nobody's. Unnamed at first.
    pub dump: Dump,
    /// What was counted at each of `dump.threads`, in the same order.
    pub counts: Vec<Count>,
    /// Where it comes from.
    pub report: Report,
}

/// How the figures came about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// When it was looked, in nanoseconds since the epoch.
    pub taken_unix_ns: u64,
    /// Mean bytes between two samples; 0: sampling is off.
    pub rate: u64,
    /// Samples that are kept: those of live objects.
    pub live_samples: u64,
    /// Samples that could not be kept.
    pub dropped: u64,
    /// All that is live, by the allocator's own count.
    pub live: Amount,
    /// Of that, bytes at stacks that do not lead to the thread's first function: who called the first of
    /// their frames is not known.
    pub cut_bytes: u64,
    /// All that was allocated since the process began.
    pub allocated: Amount,
    /// Live bytes when there were most.
    pub peak_bytes: u64,
    /// How long ago that was, in nanoseconds.
    pub peak_age_ns: u64,
    /// How long the allocator has counted, in nanoseconds; `None` when that is not known.
    pub age_ns: Option<u64>,
    /// Length of the time that [`Count::recent`] is about, in nanoseconds; 0: none.
    pub recent_ns: u64,
    /// What is compared with what; `None`: nothing is.
    pub window: Option<Window>,
    /// Earlier looks that can be compared with, by the words that name them.
    pub baselines: Vec<String>,
}

/// The time between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When it began, in nanoseconds since the epoch.
    pub from_unix_ns: u64,
    /// When it ended.
    pub to_unix_ns: u64,
    /// How long it was, in nanoseconds, by a clock that nobody sets.
    pub ns: u64,
    /// Where the earlier look is from: `kept by itself`, a name, empty.
    pub from: String,
    /// Where the later one is from; empty: it is the present.
    pub to: String,
}

/// What is asked of the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum View {
    /// Who holds what is live.
    #[default]
    Live,
    /// Who held what was live when most was.
    Peak,
    /// Who allocates, whether it is live or not.
    Allocs,
    /// What changed between two looks.
    Diff,
    /// What is old, and grows.
    Leaks,
}

impl View {
    /// Every view, with its command.
    pub const ALL: [(View, &str); 5] = [
        (View::Live, "heap"),
        (View::Peak, "heap peak"),
        (View::Allocs, "heap allocs"),
        (View::Diff, "heap diff"),
        (View::Leaks, "heap leaks"),
    ];

    /// Its command.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(view, _)| *view == self);
        found.map_or("", |(_, name)| name)
    }
}

/// The heap as it is to be shown. It travels with the figures, so that the client shows them as the
/// console would.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// What is asked.
    pub view: View,
    /// Who calls whom, in place of the places in the application.
    pub tree: bool,
    /// Who calls this function.
    pub site: Option<String>,
    /// Lines of a table; `None`: all.
    pub rows: Option<usize>,
    /// Names with everything that belongs to them.
    pub full_names: bool,
    /// From which age on memory is old, in nanoseconds.
    pub min_age_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_never_negative() {
        let check = |a: (u64, u64), b: (u64, u64), expected: (u64, u64)| {
            let amount = |(bytes, objects)| Amount { bytes, objects };
            assert_eq!(amount(a).less(amount(b)), amount(expected));
        };
        check((5, 5), (3, 2), (2, 3));
        check((3, 5), (5, 2), (0, 3));
        let whole = |objects| Amount { bytes: 0, objects }.count();
        assert_eq!((whole(OBJECT / 2 - 1), whole(OBJECT / 2)), (0, 1));
        assert_eq!(whole(u64::MAX), u64::MAX / OBJECT);
    }
}
