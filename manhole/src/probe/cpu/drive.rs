//! What one does who runs the sampler, for all who ask.

use super::{
    super::{
        clock,
        sampling::{self, Mine, Walker},
    },
    sampler::{FASTEST, Sampler},
    window::Window,
};
use crate::model::Failure;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How often samples are taken; sooner after many came at once.
const PAUSE: Duration = Duration::from_millis(10);
const SHORT: Duration = Duration::from_millis(2);
const MANY: usize = 64;
/// How often progress is told.
const TOLD: Duration = Duration::from_millis(100);
/// How often the list of images is read again, in nanoseconds.
const REFRESH_NS: u64 = 1_000_000_000;

impl sampling::Sampler for Sampler {
    type Window = Window;
    const WHAT: &'static str = "the processor";

    fn new() -> Self {
        Sampler::new()
    }

    fn drive(
        &mut self,
        mine: &Mine<Self>,
        keep_going: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let mut walker = Walker::new(REFRESH_NS, keep_going)?;
        let mut told = Instant::now();
        loop {
            if !keep_going() {
                mine.give_up();
            }
            let count = round(mine, self, &mut walker, keep_going)?;
            if !mine.is_open() {
                return Ok(());
            }
            if told.elapsed() >= TOLD {
                told = Instant::now();
                progress(mine.done_ns());
            }
            let pause = if count >= MANY { SHORT } else { PAUSE };
            let left_ns = mine
                .lock()
                .next_end_ns()
                .saturating_sub(clock::monotonic_ns());
            thread::sleep(pause.min(Duration::from_nanos(left_ns)));
        }
    }
}

/// Books what has come, opens windows for who has come, and closes those that were over before the last
/// samples were taken; how many came.
fn round(
    mine: &Mine<Sampler>,
    sampler: &mut Sampler,
    walker: &mut Walker,
    keep_going: &dyn Fn() -> bool,
) -> Result<usize, Failure> {
    walker.refresh();
    let over = mine.lock().over();
    let (signal, hz) = mine.lock().wanted();
    let hz = hz.min(FASTEST);
    // What was left at the old rate, and by those who get a timer of their own only now.
    let mut count = book(mine, sampler, walker);
    if hz > 0 {
        sampler.run_at(signal, hz, walker, keep_going)?;
    }
    count += book(mine, sampler, walker);
    mine.close(&over, sampler);
    mine.lock().open_new(sampler);
    Ok(count)
}

fn book(mine: &Mine<Sampler>, sampler: &mut Sampler, walker: &mut Walker) -> usize {
    let hz = sampler.hz();
    sampler.drain(walker, &mut |booking| {
        mine.lock()
            .windows()
            .for_each(|window| window.book(booking, hz));
    })
}
