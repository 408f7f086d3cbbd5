//! A thread that is blocked inside a coroutine, on a stack that is no thread's own.

use super::{Answer, known, leaves, steps};
use corosensei::{Coroutine, CoroutineResult, Yielder};

pub(crate) fn perform(name: &str, _words: &[&str]) -> Option<Answer> {
    (name == "coroutine").then(|| known::start("coroutine".to_owned(), block_inside))
}

#[inline(never)]
fn block_inside() {
    let mut coroutine = Coroutine::new(|_: &Yielder<(), ()>, ()| {
        steps::descend(9, leaves::wait_sleep, 3);
    });
    coroutine.resume(());
}

/// Goes in and out of a coroutine `rounds` times, pausing inside.
pub(crate) fn switch(rounds: u64) -> u64 {
    let mut coroutine = Coroutine::new(move |yielder: &Yielder<u64, u64>, mut number: u64| {
        while number < rounds {
            number = yielder.suspend(steps::descend(6, pause, number));
        }
        number
    });
    let mut sum = 0;
    for number in 0.. {
        match coroutine.resume(number) {
            CoroutineResult::Yield(yielded) => sum ^= yielded,
            CoroutineResult::Return(last) => return sum ^ last,
        }
    }
    sum
}

#[inline(never)]
fn pause(seed: u64) -> u64 {
    std::thread::sleep(std::time::Duration::from_micros(200));
    std::hint::black_box(seed) ^ 5
}
