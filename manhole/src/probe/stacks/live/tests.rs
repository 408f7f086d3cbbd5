//! The walk beside the platform's unwinder, the rows beside gimli's, and the allocator as a whole: all
//! tests of this library allocate through it.

use super::*;
use crate::{
    Alloc,
    alloc::{
        self,
        read::{self, Amount},
    },
    probe::stacks::rows,
    sys::{
        stacks::{self, with_own_stack},
        testing::{
            self, in_a_child,
            memory::{self, Pieces},
        },
    },
};
use gimli::UnwindContext;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    hint::black_box,
    ops::Range,
    sync::atomic::{AtomicBool, AtomicUsize},
    thread,
};

fn map() -> Map {
    Map::new(None, &|| true).unwrap()
}

/// The callers of `nested`, as the hook sees them.
#[inline(never)]
fn nested(map: &Map, depth: usize) -> Vec<u64> {
    let frames = match depth {
        0 => {
            let here = black_box(0_u8);
            let known = Cell::new(stacks::Known::NONE);
            let mut frames = [0; MOST_FRAMES];
            let mut count = 0;
            with_own_stack(&known, &mut |registers, read| {
                (count, _) = map.walk(registers, &raw const here as u64, read, &mut frames);
            });
            frames[..count].to_vec()
        }
        _ => nested(map, black_box(depth - 1)),
    };
    black_box(frames)
}

#[test]
fn callers_are_found_up_to_the_root_and_again_from_what_is_known() {
    let map = map();
    let start = nested as *const () as u64;
    let inside = |address: &u64| (start..start + 4096).contains(address);
    for _ in 0..2 {
        let frames = nested(&map, 10);
        // `nested(0)` itself is below the mark on its own frame, its callers are above.
        assert!(frames[..10].iter().all(inside), "{frames:x?}");
        let mut theirs = [0; 256];
        let here = black_box(0_u8);
        let count = sys::backtrace::callers(&here, &mut theirs);
        // From this function's caller on both are the same.
        let common = count.min(20) - 1;
        assert!(count > 3);
        assert_eq!(
            frames[frames.len() - common..],
            theirs[count - common..count],
            "{frames:x?}"
        );
    }
    assert_eq!(nested(&map, 200).len(), MOST_FRAMES);
}

#[test]
fn nothing_is_known_of_what_is_no_code() {
    let map = map();
    let mut frames = [0; MOST_FRAMES];
    let registers = Registers {
        pc: 4096,
        sp: 8,
        ..Registers::default()
    };
    assert_eq!(
        map.walk(&registers, 0, &mut |_| None, &mut frames),
        (0, false)
    );
    assert_eq!(map.rules(4096), None);
}

#[test]
fn what_is_mapped_is_loaded_once() {
    let first = map();
    let second = Map::new(Some(&first), &|| true).unwrap();
    let kept = first
        .loaded
        .iter()
        .zip(&second.loaded)
        .filter(|(a, b)| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        });
    assert!(kept.count() >= 2, "{}", first.loaded.len());
}

/// Every row of this program and of its libraries, beside what gimli's own table says.
#[test]
fn brief_rows_are_those_that_gimli_finds() {
    let map = map();
    let mut context = UnwindContext::new();
    let (mut same, mut left_out) = (0_u64, 0_u64);
    for (image, loaded) in map.images.list.iter().zip(&map.loaded) {
        let Some(loaded) = loaded else { continue };
        let sections = loaded.sections();
        for code in &image.module.code {
            for address in (code.start..code.end).step_by(61) {
                let address = address.wrapping_sub(image.module.bias);
                let full = sections.rules(map.machine, address, &mut context);
                let brief = sections.brief(map.machine, address);
                let packed = brief.and_then(|rules| rules.pack());
                match (full.and_then(|rules| rules.pack()), packed) {
                    (full, brief) if full == brief => same += u64::from(full.is_some()),
                    (Some(_), None) => left_out += 1,
                    (full, brief) => {
                        panic!("{:?} {address:x}: {full:x?} {brief:x?}", image.module.path)
                    }
                }
            }
        }
    }
    assert!(same > 10_000, "{same}");
    assert!(left_out * 1000 < same, "{left_out} of {same}");
    assert_eq!(rows::frames_start(&[], 0), None);
}

#[test]
fn words_of_two_writers_are_not_believed() {
    let known = Known::new().unwrap();
    known.set(100, 7);
    assert_eq!((known.get(100), known.get(101)), (Some(7), None));
    let [mixed, packed] = known.place(100).unwrap();
    packed.store(8, Ordering::Relaxed);
    assert_eq!(known.get(100), None);
    mixed.store(100 ^ 8, Ordering::Relaxed);
    assert_eq!(known.get(100), Some(8));
}

/// Has `work` done while one sample is taken in `rate` bytes, by whomever in the process: be alone.
fn at_rate<T>(rate: u64, work: impl FnOnce() -> T) -> T {
    read::SHOWN.store(true, Ordering::Relaxed);
    learn(&|| true);
    alloc::walk_with(walk);
    let before = read::set_rate(rate);
    // A thread that counts by another rate ends its count first.
    drop(black_box(vec![0_u8; 64 << 20]));
    let done = work();
    read::set_rate(before);
    done
}

/// Where a function begins and ends, by its unwind information.
fn extent(function: u64) -> Range<u64> {
    let map = map();
    let place = map.images.find(function).unwrap() as usize;
    let bias = map.images.list[place].module.bias;
    let sections = map.loaded[place].as_ref().unwrap().sections();
    sections
        .function(map.machine, function - bias)
        .map(|at| at.start + bias..at.end + bias)
        .unwrap()
}

/// What was counted at the stacks that lead through a function.
#[derive(Debug, Default, PartialEq)]
struct Held {
    allocated: Amount,
    freed: Amount,
    live_bytes: f64,
    variance: f64,
    live_samples: u64,
}

fn held(function: u64) -> Held {
    let extent = extent(function);
    let mut held = Held::default();
    let mut ids = BTreeSet::new();
    read::stacks(&mut |counts| {
        if counts.frames.iter().any(|frame| extent.contains(frame)) {
            ids.insert(counts.id);
            held.allocated.bytes += counts.allocated.bytes;
            held.allocated.objects += counts.allocated.objects;
            held.freed.bytes += counts.freed.bytes;
            held.freed.objects += counts.freed.objects;
        }
    });
    read::live(&mut |live| {
        if ids.contains(&live.stack) {
            let weight = read::weight(live.size, live.rate);
            let size = live.size as f64;
            held.live_bytes += weight * size;
            held.variance += (1.0 - 1.0 / weight) * (weight * size).powi(2);
            held.live_samples += 1;
        }
    });
    held
}

#[inline(never)]
fn objects<const SIZE: usize>(into: &mut Vec<Box<[u8]>>, count: usize) {
    into.extend((0..count).map(|_| vec![1; black_box(SIZE)].into_boxed_slice()));
}

#[inline(never)]
fn growing(count: u64) -> Vec<u64> {
    let mut all = Vec::new();
    (0..count).for_each(|at| all.push(at));
    black_box(all)
}

/// Live bytes as estimated, their standard deviation as stated, and as they are.
fn measured(what: fn(&mut Vec<Box<[u8]>>, usize), size: usize, count: usize) -> [f64; 3] {
    let mut kept = Vec::with_capacity(count);
    what(&mut kept, count);
    let held = held(what as *const () as u64);
    drop(kept);
    [held.live_bytes, held.variance.sqrt(), (count * size) as f64]
}

#[test]
fn who_holds_how_much_is_told_within_the_error_that_is_stated() {
    testing::alone(
        module_path!(),
        "who_holds_how_much_is_told_within_the_error_that_is_stated",
        || {
            at_rate(4096, || {
                let mut ratios = [0.0, 0.0];
                for _ in 0..3 {
                    for [estimate, deviation, truth] in [
                        measured(objects::<16>, 16, 1_000_000),
                        measured(objects::<200>, 200, 100_000),
                        measured(objects::<4096>, 4096, 10_000),
                        measured(objects::<100_000>, 100_000, 300),
                        measured(objects::<1_048_576>, 1 << 20, 30),
                    ] {
                        let off = (estimate - truth).abs();
                        assert!(
                            off <= 5.0 * deviation + 1.0,
                            "{estimate} +-{deviation}, not {truth}"
                        );
                        ratios[0] += estimate / truth;
                        ratios[1] += 1.0;
                    }
                }
                let mean = ratios[0] / ratios[1];
                assert!((mean - 1.0).abs() < 0.02, "{mean}");
                let grown = growing(3_000_000);
                let held = held(growing as *const () as u64);
                // Exact: larger than the rate by far.
                assert_eq!(held.live_bytes.round() as usize, grown.capacity() * 8);
                assert!(held.freed.bytes > 20 << 20, "{held:?}");
            });
        },
    );
}

struct AtTheEnd(usize);

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        at_the_end(self.0);
    }
}

#[inline(never)]
fn at_the_end(count: usize) {
    (0..count).for_each(|size| drop(black_box(vec![1_u8; size + 1])));
}

thread_local! {
    static AT_THE_END: RefCell<Option<AtTheEnd>> = const { RefCell::new(None) };
}

/// All ways to allocate, all sizes, all alignments.
#[inline(never)]
fn storm(seed: u64) {
    AT_THE_END.with(|end| *end.borrow_mut() = Some(AtTheEnd(300)));
    let mut random = seed;
    let mut kept: Vec<Vec<u8>> = Vec::new();
    for _ in 0..3000 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let size = (random >> 40) as usize % 5000;
        match random >> 60 {
            0..8 => kept.push(vec![7; size]),
            8..12 => kept.push(vec![0; size]),
            _ if kept.is_empty() => {}
            12 | 13 => drop(kept.swap_remove(size % kept.len())),
            _ => {
                let at = size % kept.len();
                kept[at].resize(size * 3, 1);
                kept[at].shrink_to_fit();
            }
        }
    }
    memory::every_alignment();
}

/// A request that fails leaves what there was.
#[inline(never)]
fn failing() {
    memory::refused_requests(|| {
        let held = held(failing as *const () as u64);
        assert_eq!(held.allocated.minus(held.freed).bytes, 1000);
    });
}

#[test]
fn when_everything_is_freed_nothing_is_live() {
    testing::alone(
        module_path!(),
        "when_everything_is_freed_nothing_is_live",
        || {
            at_rate(1, || {
                for round in 0..30 {
                    let storms =
                        [1, 2, 3].map(|seed| thread::spawn(move || storm(round * 10 + seed)));
                    storms.into_iter().for_each(|storm| storm.join().unwrap());
                }
                failing();
            });
            let dropped = read::totals().unwrap().dropped;
            for function in [storm as *const () as u64, failing as *const () as u64] {
                let held = held(function);
                assert_eq!(
                    (held.allocated, held.live_samples),
                    (held.freed, 0),
                    "{held:?}"
                );
                assert!(held.allocated.objects > 0, "{held:?}");
            }
            let ends = held(at_the_end as *const () as u64);
            assert_eq!(
                (ends.allocated.bytes, ends.freed),
                (90 * 300 * 301 / 2, ends.allocated)
            );
            assert_eq!(dropped, 0);
        },
    );
}

/// Allocates in one thread and frees in another.
#[inline(never)]
fn sent(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|size| black_box(vec![1; size + 1]))
        .collect()
}

#[test]
fn what_is_freed_elsewhere_and_while_somebody_looks_is_freed() {
    testing::alone(
        module_path!(),
        "what_is_freed_elsewhere_and_while_somebody_looks_is_freed",
        || {
            at_rate(1, || {
                let done = AtomicBool::new(false);
                thread::scope(|scope| {
                    let looks = scope.spawn(|| {
                        let mut looks = 0_u64;
                        while !done.load(Ordering::Relaxed) {
                            read::live(&mut |live| assert!(live.rate <= 1 << 40 && live.stack > 0));
                            looks += 1;
                        }
                        looks
                    });
                    for _ in 0..50 {
                        let all = scope.spawn(|| sent(500)).join().unwrap();
                        drop(all);
                    }
                    done.store(true, Ordering::Relaxed);
                    assert!(looks.join().unwrap() > 0);
                });
            });
            let held = held(sent as *const () as u64);
            assert_eq!(
                (held.allocated, held.live_samples),
                (held.freed, 0),
                "{held:?}"
            );
        },
    );
}

#[test]
fn children_of_a_process_that_samples_everything_allocate_on() {
    testing::alone(
        module_path!(),
        "children_of_a_process_that_samples_everything_allocate_on",
        || {
            at_rate(1, || {
                let done = AtomicBool::new(false);
                thread::scope(|scope| {
                    for seed in 0..2 {
                        let done = &done;
                        scope.spawn(move || {
                            while !done.load(Ordering::Relaxed) {
                                storm(seed);
                            }
                        });
                    }
                    for _ in 0..200 {
                        let child = || {
                            (0..300).all(|size| black_box(vec![1_u8; size + 1]).len() == size + 1)
                        };
                        in_a_child(child);
                    }
                    done.store(true, Ordering::Relaxed);
                });
            });
        },
    );
}

static PIECES: Alloc<Pieces> = Alloc::new(Pieces(AtomicUsize::new(0)));
static HANDLED: AtomicU64 = AtomicU64::new(0);

#[inline(never)]
fn a_piece() {
    memory::use_once(&PIECES);
}

extern "C" fn allocates(_: i32) {
    a_piece();
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_signal_handler_may_allocate_while_a_sample_is_taken() {
    testing::alone(
        module_path!(),
        "a_signal_handler_may_allocate_while_a_sample_is_taken",
        || {
            at_rate(1, || {
                let mut pieces = 0_u64;
                memory::interrupted(allocates, || {
                    while HANDLED.load(Ordering::Relaxed) < 2000 && pieces < 2_000_000 {
                        a_piece();
                        pieces += 1;
                    }
                });
                let handled = HANDLED.load(Ordering::Relaxed);
                let held = held(a_piece as *const () as u64);
                let taken = held.allocated.objects >> 16;
                // The handler runs on any thread, and one that counts by another rate yet takes samples
                // that stand for many.
                assert!(taken >= pieces, "{taken} of {pieces}, {handled}");
                assert_eq!((held.allocated, held.live_samples), (held.freed, 0));
                assert!(handled > 100, "{handled}");
            });
        },
    );
}

#[test]
fn what_is_not_used_is_not_counted() {
    testing::alone(module_path!(), "what_is_not_used_is_not_counted", || {
        // The rate of nothing: what was live stays known, nothing new comes.
        at_rate(0, || {
            let before = held(unsampled as *const () as u64);
            unsampled();
            assert_eq!(held(unsampled as *const () as u64), before);
        });
    });
}

#[inline(never)]
fn unsampled() {
    (0..1000).for_each(|_| drop(black_box(vec![1_u8; 10_000])));
}
