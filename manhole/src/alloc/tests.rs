//! The allocator as a whole, over one that is looked at; the tables beside their models.

use super::{
    Alloc,
    atomics::{AtomicU32, AtomicU64},
    live::{Level, Value, WORDS},
    stacks::{FIRST, Record, Stacks, Used},
};
use crate::sys::short_of_memory::Allocator;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Ours, above one that can be made to refuse: all tests of the library run through both.
#[global_allocator]
static ALLOCATOR: Alloc<Allocator> = Alloc::new(Allocator);

fn words(count: usize) -> Vec<AtomicU64> {
    (0..count).map(|_| AtomicU64::new(0)).collect()
}

fn value(of: u64) -> Value {
    Value {
        stack: of as u32,
        born: (of >> 7) as u32,
        size: of & 0xffff_ffff_ffff,
        rate: of as u16,
    }
}

#[test]
fn live_samples_are_found_by_their_address() {
    let (keys, values) = (words(64), words(64 * WORDS));
    let level = Level {
        keys: &keys,
        values: &values,
    };
    let mut model = BTreeMap::new();
    let mut random = 7_u64;
    let mut full = 0;
    for _ in 0..20_000 {
        random = random
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let address = 4096 + (random >> 33) % 100 * 8;
        if let Some(known) = model.remove(&address) {
            assert_eq!(level.remove(address), Some(known));
        } else if level.insert(address, value(random)) {
            model.insert(address, value(random));
        } else {
            full += 1;
        }
        assert_eq!(level.remove(address + 4), None);
    }
    let mut seen = BTreeMap::new();
    level.each(&mut |address, value| {
        seen.insert(address, value);
    });
    assert_eq!(seen, model);
    assert!(full > 0 && model.len() > 40, "{full} {}", model.len());
}

struct AtTheEnd<'a>(&'a AtomicBool);

impl Drop for AtTheEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_reader_sees_a_sample_whole_or_not_at_all() {
    let (keys, values) = (words(16), words(16 * WORDS));
    let level = Level {
        keys: &keys,
        values: &values,
    };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 1..3_u64 {
            let over = &over;
            scope.spawn(move || {
                let rounds = (0..).take_while(|_| !over.load(Ordering::Relaxed));
                for round in rounds {
                    // All of a sample follows from its first word.
                    let of = round << 8 | writer;
                    let sample = Value {
                        stack: of as u32,
                        born: 0,
                        size: of,
                        rate: 1,
                    };
                    assert!(level.insert(writer * 4096, sample));
                    assert_eq!(level.remove(writer * 4096), Some(sample));
                }
            });
        }
        // Also when what is asserted below does not hold.
        let _at_the_end = AtTheEnd(&over);
        let mut seen = 0_u64;
        for _ in 0..2_000_000 {
            level.each(&mut |address, value| {
                seen += 1;
                assert_eq!(u64::from(value.stack), value.size & 0xffff_ffff);
                assert_eq!(value.size & 0xff, address / 4096);
            });
        }
        assert!(seen > 10_000, "{seen}");
    });
}

#[test]
fn a_stack_has_one_number_whoever_brings_it() {
    let index: Vec<_> = (0..256).map(|_| AtomicU32::new(0)).collect();
    let records: Vec<_> = (0..128).map(|_| Record::default()).collect();
    let frames = words(1000);
    let used = Used {
        records: AtomicU32::new(0),
        frames: AtomicU32::new(0),
    };
    let stacks = Stacks {
        index: &index,
        records: &records,
        frames: &frames,
        used: &used,
    };
    let of = |at: u64| [at, at * 7 + 1, 99];
    let numbers = thread::scope(|scope| {
        let bring = || {
            (0..50)
                .map(|at| stacks.number(&of(at), true).unwrap())
                .collect::<Vec<_>>()
        };
        let all: Vec<_> = (0..4).map(|_| scope.spawn(bring)).collect();
        all.into_iter()
            .map(|one| one.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(numbers.iter().all(|theirs| *theirs == numbers[0]));
    let mut distinct = numbers[0].clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() == 50 && distinct[0] >= FIRST);
    for (at, number) in numbers[0].iter().enumerate() {
        let held = stacks
            .frames(*number)
            .iter()
            .map(|frame| frame.load(Ordering::Relaxed));
        assert!(held.eq(of(at as u64)));
    }
    // Until there is no room: then none, and what there is stays.
    let late: Vec<_> = (50..500).map(|at| stacks.number(&of(at), true)).collect();
    assert!(late.contains(&None) && late[0].is_some());
    assert_eq!(stacks.number(&of(3), true), Some(numbers[0][3]));
    // The same frames of a stack that goes on are another one, as long as there is room.
    assert_eq!(stacks.number(&of(3), false), None);
    assert!(stacks.is_whole(numbers[0][3]));
    assert!(stacks.numbers().count() <= 128);
}
