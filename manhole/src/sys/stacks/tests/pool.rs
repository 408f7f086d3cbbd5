//! Where places are taken from and given back to; who may write when is `tests/slot_model.rs`.

use crate::sys::stacks::pool::Pool;
use std::sync::atomic::{AtomicU64, Ordering};

fn pool(free: [u64; 2]) -> Pool<2> {
    Pool {
        gate: AtomicU64::new(0),
        free: free.map(AtomicU64::new),
        ready: [const { AtomicU64::new(0) }; 2],
        dropped: AtomicU64::new(0),
    }
}

#[test]
fn the_lowest_free_place_is_taken_and_the_next_word_when_one_is_full() {
    let check = |free: [u64; 2], expected: &[Option<usize>]| {
        let pool = pool(free);
        let claimed: Vec<_> = expected.iter().map(|_| pool.claim()).collect();
        assert_eq!(claimed, expected);
        let dropped = expected.iter().filter(|place| place.is_none()).count();
        assert_eq!(pool.dropped.load(Ordering::Relaxed), dropped as u64);
    };
    check([0, 0], &[None, None]);
    check([0b1010, 0], &[Some(1), Some(3), None]);
    check([0, 1 << 63], &[Some(127), None]);
    check([1, 1], &[Some(0), Some(64), None]);
}

#[test]
fn a_place_goes_round() {
    let pool = pool([1 << 63, 0]);
    assert_eq!((pool.claim(), pool.claim()), (Some(63), None));
    assert_eq!(pool.take(0).count(), 0);
    pool.finish(63);
    assert_eq!(pool.claim(), None);
    assert_eq!(pool.take(0).collect::<Vec<_>>(), [63]);
    assert_eq!(pool.take(0).count(), 0);
    pool.release(63);
    assert_eq!(pool.claim(), Some(63));
}

#[test]
fn the_gate_is_for_one_generation() {
    let pool = pool([0, 0]);
    let check = |gate: u64, generation: u64, expected: bool| {
        pool.gate.store(gate, Ordering::Relaxed);
        assert_eq!(pool.lets_in(generation), expected);
    };
    check(0, 0, false);
    check(0, 7, false);
    check(7, 7, true);
    check(7, 6, false);
}
