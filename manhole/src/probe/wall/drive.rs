//! What one does who runs the ticks, for all who ask.

use super::{
    super::{
        clock,
        sampling::{self, Mine, Walker},
    },
    ticks::{Plan, Sampler},
    window::Window,
};
use crate::model::Failure;
use std::{thread, time::Duration};

/// The most that is slept at a time: so often one looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How often the list of images is read again, in nanoseconds.
const REFRESH_NS: u64 = 2_000_000_000;

impl sampling::Sampler for Sampler {
    type Window = Window;
    const WHAT: &'static str = "the clock";

    fn new() -> Self {
        Sampler::new()
    }

    fn drive(
        &mut self,
        mine: &Mine<Self>,
        keep_going: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), Failure> {
        let mut began_ns = clock::monotonic_ns();
        let mut walker = Walker::new(REFRESH_NS, keep_going)?;
        loop {
            if !keep_going() {
                mine.give_up();
            }
            mine.lock().open_new(self);
            let over = mine.lock().over();
            mine.close(&over, self);
            if !mine.is_open() {
                return Ok(());
            }
            progress(mine.done_ns());
            let (plan, due_ns) = plan(mine);
            pause(began_ns, &plan, due_ns, self, keep_going);
            began_ns = clock::monotonic_ns();
            let always = || true; // who else waits for this tick shall have it whole
            if let Some(tick) = self.tick(&plan, &mut walker, &always)? {
                let now_ns = clock::monotonic_ns();
                let book = |window: &mut Window| window.book(&tick, now_ns, plan.hz);
                mine.lock().windows().for_each(book);
            }
        }
    }
}

/// What the next tick is to do, and when at the latest.
fn plan(mine: &Mine<Sampler>) -> (Plan, u64) {
    let mut state = mine.lock();
    let (signal, hz) = state.wanted();
    (
        Plan {
            signal,
            hz: hz.max(1),
        },
        state.next_end_ns(),
    )
}

/// Sleeps until the next tick: a period after the last one on average, at random between half of one and
/// one and a half, so that what the application does at a rate of its own is not always met in the same
/// place. At least a quarter, however long the last tick took.
fn pause(
    last_ns: u64,
    plan: &Plan,
    due_ns: u64,
    sampler: &mut Sampler,
    keep_going: &dyn Fn() -> bool,
) {
    let period_ns = 1_000_000_000 / u64::from(plan.hz.max(1));
    let bound = usize::try_from(period_ns).unwrap_or(usize::MAX).max(1);
    let wanted = last_ns + period_ns / 2 + sampler.random.below(bound) as u64;
    let soonest = clock::monotonic_ns().saturating_add(period_ns / 4);
    let until = wanted.max(soonest).min(due_ns);
    loop {
        let left = until.saturating_sub(clock::monotonic_ns());
        if left == 0 || !keep_going() {
            return;
        }
        thread::sleep(Duration::from_nanos(left).min(LOOK));
    }
}
