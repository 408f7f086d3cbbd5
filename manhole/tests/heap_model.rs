//! The tables of the allocator, under every interleaving that loom can make.
//!
//! As `slot_model.rs` does for requests: the files are the library's own, with loom's atomics. That a reader
//! could see parts of two samples is shown by leaving out the step that keeps it from that.

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

#[allow(dead_code)]
#[path = "../src/alloc/live.rs"]
mod live;
#[allow(dead_code)]
#[path = "../src/alloc/stacks.rs"]
mod stacks;

use atomics::{AtomicU32, AtomicU64, Ordering};
use live::{Level, Value};
use loom::{sync::Arc, thread};
use stacks::{Record, Stacks, Used};

/// Where samples are.
const ADDRESS: u64 = 4096;

/// One bucket.
struct Table {
    keys: Vec<AtomicU64>,
    values: Vec<AtomicU64>,
}

impl Table {
    fn new() -> Arc<Self> {
        let words = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            keys: words(live::WAYS),
            values: words(live::WORDS * live::WAYS),
        })
    }

    fn level(&self) -> Level<'_> {
        Level {
            keys: &self.keys,
            values: &self.values,
        }
    }
}

/// A sample whose parts belong together.
fn value(of: u32) -> Value {
    Value {
        stack: of,
        born: 7,
        size: u64::from(of) * 1000,
        rate: of as u16,
    }
}

fn check_model(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// What a reader sees of a place in use: each sample that it is shown.
type See = fn(&Table, &mut dyn FnMut(u64, Value));

/// A thread allocates, frees, and gets the same address again; somebody looks meanwhile.
fn look_while_an_address_is_used_again(see: See) {
    static SEEN: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    check_model(move || {
        let table = Table::new();
        let writer = {
            let table = table.clone();
            thread::spawn(move || {
                let level = table.level();
                assert!(level.insert(ADDRESS, value(1)));
                assert_eq!(level.remove(ADDRESS), Some(value(1)));
                assert!(level.insert(ADDRESS, value(2)));
            })
        };
        see(&table, &mut |address, seen| {
            SEEN.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(address, ADDRESS);
            assert_eq!(seen, value(seen.stack), "parts of two samples");
        });
        writer.join().unwrap();
        let mut left = Vec::new();
        table.level().each(&mut |_, value| left.push(value));
        assert_eq!(left, [value(2)]);
    });
    // Loom has found a moment in which there was something to see.
    let seen = SEEN.load(std::sync::atomic::Ordering::Relaxed);
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_sample_is_seen_whole_or_not_at_all() {
    look_while_an_address_is_used_again(|table, show| table.level().each(show));
}

#[test]
#[should_panic(expected = "parts of two samples")]
fn without_a_second_look_parts_of_two_would_be_seen() {
    look_while_an_address_is_used_again(|table, show| {
        let address = table.keys[0].load(Ordering::Acquire);
        if address == ADDRESS {
            let [first, second] = [1, 2].map(|at| table.values[at].load(Ordering::Relaxed));
            let seen = Value {
                stack: (first >> 32) as u32,
                born: first as u32,
                size: second >> 16,
                rate: second as u16,
            };
            show(address, seen);
        }
    });
}

#[test]
fn threads_that_come_to_one_bucket_keep_what_is_theirs() {
    check_model(|| {
        let table = Table::new();
        let others = table.clone();
        let other = thread::spawn(move || {
            let level = others.level();
            assert!(level.insert(2 * ADDRESS, value(2)));
            assert_eq!(level.remove(2 * ADDRESS), Some(value(2)));
        });
        let level = table.level();
        assert!(level.insert(ADDRESS, value(1)));
        assert_eq!(level.remove(2 * ADDRESS + 8), None);
        assert_eq!(level.remove(ADDRESS), Some(value(1)));
        other.join().unwrap();
        assert!(
            table
                .keys
                .iter()
                .all(|key| key.load(Ordering::Relaxed) == 0)
        );
    });
}

/// The memory of a small table of stacks.
struct Kept {
    index: Vec<AtomicU32>,
    records: Vec<Record>,
    frames: Vec<AtomicU64>,
    used: Used,
}

impl Kept {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            index: (0..2).map(|_| AtomicU32::new(0)).collect(),
            records: (0..8).map(|_| Record::default()).collect(),
            frames: (0..8).map(|_| AtomicU64::new(0)).collect(),
            used: Used {
                records: AtomicU32::new(0),
                frames: AtomicU32::new(0),
            },
        })
    }

    fn stacks(&self) -> Stacks<'_> {
        Stacks {
            index: &self.index,
            records: &self.records,
            frames: &self.frames,
            used: &self.used,
        }
    }

    /// The number of a stack, whose frames whoever has the number finds.
    fn number(&self, frames: &[u64]) -> u32 {
        let number = self.stacks().number(frames, true).unwrap();
        let held = self.stacks().frames(number).iter();
        let held: Vec<u64> = held.map(|frame| frame.load(Ordering::Relaxed)).collect();
        assert_eq!(held, frames);
        number
    }
}

#[test]
fn a_stack_has_one_number_whoever_brings_it() {
    check_model(|| {
        let kept = Kept::new();
        let theirs = kept.clone();
        let other = thread::spawn(move || theirs.number(&[1, 2]));
        let mine = kept.number(&[1, 2]);
        assert_eq!(other.join().unwrap(), mine);
    });
}

#[test]
fn two_stacks_have_two_numbers() {
    check_model(|| {
        let kept = Kept::new();
        let theirs = kept.clone();
        let other = thread::spawn(move || theirs.number(&[3]));
        let mine = kept.number(&[1, 2]);
        assert_ne!(other.join().unwrap(), mine);
        assert_eq!(kept.number(&[1, 2]), mine);
    });
}
