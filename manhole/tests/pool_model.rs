//! The protocol by which threads leave samples, under every interleaving that loom can make.
//!
//! As `slot_model.rs` does for requests: the file is the library's own, with loom's atomics; what a
//! place guards are cells that loom watches; and one step broken at a time shows that the model can
//! fail.

mod atomics {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

#[allow(dead_code)]
#[path = "../src/sys/stacks/pool.rs"]
mod pool;

use atomics::{AtomicU64, Ordering};
use loom::{cell::UnsafeCell, sync::Arc, thread};
use pool::Pool;

/// One word with two places.
const PLACES: usize = 2;

/// A pool, what its places guard, and how its steps are done.
struct Ticks {
    pool: Pool<1>,
    cells: [[UnsafeCell<u64>; 2]; PLACES],
    steps: Steps,
}

/// The protocol, so that a step of it can be replaced by a wrong one.
#[derive(Clone, Copy)]
struct Steps {
    claim: fn(&Pool<1>) -> Option<usize>,
    finish: fn(&Pool<1>, usize),
    take: fn(&Pool<1>) -> Vec<usize>,
    release: fn(&Pool<1>, usize),
    shut: fn(&Pool<1>),
    compares: bool,
}

const AS_IT_IS: Steps = Steps {
    claim: Pool::claim,
    finish: Pool::finish,
    take: |pool| pool.take(0).collect(),
    release: Pool::release,
    shut: |pool| pool.gate.store(0, Ordering::SeqCst),
    compares: true,
};

impl Ticks {
    fn new(places: u64, steps: Steps) -> Arc<Self> {
        Arc::new(Self {
            pool: Pool {
                gate: AtomicU64::new(1),
                free: [AtomicU64::new(places)],
                ready: [AtomicU64::new(0)],
                dropped: AtomicU64::new(0),
            },
            cells: std::array::from_fn(|_| std::array::from_fn(|_| UnsafeCell::new(0))),
            steps,
        })
    }

    /// A thread runs the handler for a timer of `generation`; whether it wrote.
    fn leave(&self, generation: u64) -> bool {
        if !self.pool.lets_in(generation) {
            return false;
        }
        let Some(place) = (self.steps.claim)(&self.pool) else {
            return false;
        };
        for cell in &self.cells[place] {
            cell.with_mut(|cell| write(cell, generation));
        }
        (self.steps.finish)(&self.pool, place);
        true
    }

    /// The console takes what is there for `generation`; how much that is.
    fn drain(&self, generation: u64) -> usize {
        let mut count = 0;
        for place in (self.steps.take)(&self.pool) {
            let [first, second] = [0, 1].map(|half| self.cells[place][half].with(read));
            assert_eq!(first, second, "halves of two samples");
            if first == generation || !self.steps.compares {
                assert_eq!(first, generation, "a sample of another's");
                count += 1;
            }
            (self.steps.release)(&self.pool, place);
        }
        count
    }

    fn dropped(&self) -> usize {
        self.pool.dropped.load(Ordering::Relaxed) as usize
    }
}

#[allow(unsafe_code)]
fn write(cell: *mut u64, value: u64) {
    // SAFETY: inside with_mut, where loom fails the model if anybody else is at it.
    unsafe { *cell = value };
}

#[allow(unsafe_code)]
fn read(cell: *const u64) -> u64 {
    // SAFETY: inside with, where loom fails the model if anybody writes.
    unsafe { *cell }
}

fn model(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(scenario);
}

/// Two threads leave samples while the console takes them: none is lost, but those that are counted.
fn two_threads(places: u64, steps: Steps) {
    model(3, move || {
        let ticks = Ticks::new(places, steps);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let ticks = ticks.clone();
                thread::spawn(move || usize::from(ticks.leave(1)))
            })
            .collect();
        let mut taken = ticks.drain(1);
        let left: usize = threads.into_iter().map(|it| it.join().unwrap()).sum();
        taken += ticks.drain(1);
        assert_eq!((taken, left + ticks.dropped()), (left, 2), "lost");
        // All places are there again.
        let again = (0..places.count_ones()).filter(|_| ticks.leave(1)).count();
        assert_eq!(again as u32, places.count_ones(), "a place was lost");
        assert_eq!(ticks.drain(1), again);
    });
}

/// One who samples stops, and the next begins: a thread that came through the gate before counts
/// for nobody.
fn two_generations(steps: Steps) {
    model(3, move || {
        let ticks = Ticks::new(0b01, steps);
        let theirs = ticks.clone();
        let late = thread::spawn(move || theirs.leave(1));
        (steps.shut)(&ticks.pool);
        ticks.drain(1);
        ticks.pool.gate.store(2, Ordering::SeqCst);
        let early = ticks.drain(2);
        late.join().unwrap();
        assert_eq!((early, ticks.drain(2)), (0, 0), "counted for another");
        assert!(ticks.leave(2));
        assert_eq!(ticks.drain(2), 1);
    });
}

#[test]
fn samples_are_taken_once_and_whole() {
    two_threads(0b11, AS_IT_IS);
    two_threads(0b01, AS_IT_IS);
}

#[test]
fn whoever_is_late_counts_for_nobody() {
    two_generations(AS_IT_IS);
}

fn claim_in_two_steps(pool: &Pool<1>) -> Option<usize> {
    let free = pool.free[0].load(Ordering::Acquire);
    let lowest = free & free.wrapping_neg();
    pool.free[0].store(free ^ lowest, Ordering::Release);
    (lowest != 0).then_some(lowest.trailing_zeros() as usize)
}

#[test]
#[should_panic]
fn broken_a_claim_in_two_steps() {
    let claim = claim_in_two_steps;
    two_threads(0b11, Steps { claim, ..AS_IT_IS });
}

fn claim_unordered(pool: &Pool<1>) -> Option<usize> {
    let free = pool.free[0].load(Ordering::Relaxed);
    let lowest = free & free.wrapping_neg();
    let claimed =
        pool.free[0].compare_exchange(free, free ^ lowest, Ordering::Relaxed, Ordering::Relaxed);
    if lowest == 0 || claimed.is_err() {
        pool.dropped.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    Some(lowest.trailing_zeros() as usize)
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_claim_without_order() {
    let claim = claim_unordered;
    two_threads(0b01, Steps { claim, ..AS_IT_IS });
}

fn finish_unordered(pool: &Pool<1>, place: usize) {
    pool.ready[0].fetch_or(1 << place, Ordering::Relaxed);
}

#[test]
#[should_panic(expected = "Causality violation")]
fn broken_a_sample_that_is_announced_without_order() {
    let finish = finish_unordered;
    two_threads(0b11, Steps { finish, ..AS_IT_IS });
}

fn finish_alone(pool: &Pool<1>, place: usize) {
    let ready = pool.ready[0].load(Ordering::Acquire);
    pool.ready[0].store(ready | 1 << place, Ordering::Release);
}

#[test]
#[should_panic]
fn broken_a_sample_that_is_announced_in_two_steps() {
    let finish = finish_alone;
    two_threads(0b11, Steps { finish, ..AS_IT_IS });
}

/// Frees what it reads before it has read it.
fn take_and_release(pool: &Pool<1>) -> Vec<usize> {
    let places: Vec<usize> = pool.take(0).collect();
    places.iter().for_each(|place| pool.release(*place));
    places
}

#[test]
#[should_panic]
fn broken_a_place_that_is_free_before_it_was_read() {
    let take = take_and_release;
    let release = |_: &Pool<1>, _| {};
    two_threads(
        0b01,
        Steps {
            take,
            release,
            ..AS_IT_IS
        },
    );
}

#[test]
#[should_panic(expected = "a sample of another's")]
fn broken_a_generation_that_nobody_compares() {
    let compares = false;
    two_generations(Steps {
        compares,
        ..AS_IT_IS
    });
}
