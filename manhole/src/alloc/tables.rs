//! The tables of the process: what is sampled, freed, and read.
//!
//! At most 13 MiB, of which pages are used as samples fill them: 32 bytes a live sample, 100 bytes and 8 for
//! each frame a stack.

use super::{
    atomics::{AtomicU32, AtomicU64},
    books::{self, Books},
    filter::Filter,
    live::{Level, Value, WAYS, WORDS},
    memory::Array,
    rate::{Amount, Rate},
    stacks::{NO_ROOM, Record, Stacks, Used},
};

/// Samples that each level has room for.
const LEVELS: [usize; 3] = [1 << 10, 1 << 13, 1 << 16];
const _: [(); 0] = [(); LEVELS[0] % WAYS];
/// Stacks, frames of all of them, and places of the index.
const STACKS: usize = 1 << 15;
const FRAMES: usize = 1 << 20;
const INDEX: usize = 1 << 16;

static KEYS: [Array<AtomicU64>; 3] = [
    Array::new(LEVELS[0]),
    Array::new(LEVELS[1]),
    Array::new(LEVELS[2]),
];
static VALUES: [Array<AtomicU64>; 3] = [
    Array::new(WORDS * LEVELS[0]),
    Array::new(WORDS * LEVELS[1]),
    Array::new(WORDS * LEVELS[2]),
];
static RECORDS: Array<Record> = Array::new(STACKS);
static FRAMES_OF_STACKS: Array<AtomicU64> = Array::new(FRAMES);
static NUMBERS: Array<AtomicU32> = Array::new(INDEX);
static USED: Used = Used {
    records: AtomicU32::new(0),
    frames: AtomicU32::new(0),
};
static FILTER: Filter = Filter::new();
static BOOKS: Books = Books::new();

/// Whether what is freed at `address` may have been sampled.
#[inline(always)]
pub(super) fn may_hold(address: usize) -> bool {
    FILTER.may_hold(address)
}

/// A stack: its frames, and whether they are all; or one of the numbers that are always there.
pub(super) type Stack<'a> = Result<(&'a [u64], bool), u32>;

/// Books a sample: `size` bytes at `address`.
pub(super) fn add(address: usize, size: usize, rate: Rate, stack: Stack<'_>, now: u32) {
    let stacks = Stacks {
        index: NUMBERS.map(),
        records: RECORDS.map(),
        frames: FRAMES_OF_STACKS.map(),
        used: &USED,
    };
    let stack = stack.map_or_else(
        |number| number,
        |(frames, whole)| stacks.number(frames, whole).unwrap_or(NO_ROOM),
    );
    let value = Value {
        stack,
        born: now,
        size: size as u64,
        rate: rate.code(),
    };
    // A host that freed it where we did not see is not to be counted twice.
    remove(address);
    // Nobody has the pointer yet, so the order matters to readers only.
    FILTER.add(address);
    match stacks.record(stack) {
        Some(record) if insert(address as u64, value) => {
            BOOKS.allocated(&record.counts, amount(&value), now);
        }
        _ => {
            FILTER.remove(address);
            BOOKS.dropped();
        }
    }
}

/// Books that what is at `address` is freed, if it was sampled.
pub(super) fn remove(address: usize) -> Option<Value> {
    let value = levels().find_map(|level| level.remove(address as u64))?;
    FILTER.remove(address);
    if let Some(record) = RECORDS.get().get(value.stack as usize) {
        BOOKS.freed(&record.counts, amount(&value));
    }
    Some(value)
}

/// Puts back what [`remove`] took out, since it was not freed after all.
pub(super) fn restore(address: usize, value: Value) {
    FILTER.add(address);
    match RECORDS.get().get(value.stack as usize) {
        Some(record) if insert(address as u64, value) => {
            BOOKS.not_freed(&record.counts, amount(&value));
        }
        _ => {
            FILTER.remove(address);
            BOOKS.dropped();
        }
    }
}

/// Each level is brought into use when those before it have no room.
fn insert(address: u64, value: Value) -> bool {
    KEYS.iter().zip(&VALUES).any(|(keys, values)| {
        let level = Level {
            keys: keys.map(),
            values: values.map(),
        };
        level.insert(address, value)
    })
}

/// The levels in use.
fn levels() -> impl Iterator<Item = Level<'static>> {
    let all = KEYS.iter().zip(&VALUES).map(|(keys, values)| Level {
        keys: keys.get(),
        values: values.get(),
    });
    all.filter(|level| !level.keys.is_empty())
}

fn amount(value: &Value) -> Amount {
    Amount::of(value.size, Rate::from_code(value.rate))
}

/// The sums of the process.
pub(super) fn sums() -> books::Sums {
    BOOKS.sums()
}

/// Shows each live sample.
pub(super) fn each_live(show: &mut dyn FnMut(Value)) {
    for level in levels() {
        level.each(&mut |_, value| show(value));
    }
}

/// A stack as it is kept.
pub(super) struct Kept<'a> {
    pub number: u32,
    pub frames: &'a [AtomicU64],
    /// Whether they are all.
    pub whole: bool,
    pub record: &'a Record,
}

/// Shows each stack.
pub(super) fn each_stack(show: &mut dyn FnMut(Kept<'_>)) {
    let stacks = Stacks {
        index: NUMBERS.get(),
        records: RECORDS.get(),
        frames: FRAMES_OF_STACKS.get(),
        used: &USED,
    };
    for number in stacks.numbers() {
        if let Some(record) = stacks.record(number) {
            show(Kept {
                number,
                frames: stacks.frames(number),
                whole: stacks.is_whole(number),
                record,
            });
        }
    }
}

/// What was live at a stack at the high-water mark.
pub(super) fn at_mark(record: &Record) -> Amount {
    BOOKS.at_mark(&record.counts)
}

/// How many stacks there are.
pub(super) fn stacks() -> u32 {
    USED.records.load(super::atomics::Ordering::Relaxed)
}
