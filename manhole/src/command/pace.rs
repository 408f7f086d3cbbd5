//! Walks that make threads of the host wait are made a tenth of the time at most, whoever asks.
//!
//! `gc stats --deep` and `memory --deep` hold the allocator's locks for as long as 0.7 s, and level view
//! suffices for them: a client in a loop must not stop the service.

use super::Context;
use crate::model::{Code, Failure};
use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How many times as long as the last walk the next one waits.
const REST: u64 = 9;
/// Who would wait for longer is told to come again.
const LONGEST: u64 = 30_000_000_000;

/// When the next walk may begin, and how long the last one took; in nanoseconds, the first since
/// `BASE`. Atomics, since a lock that is held during a fork stays locked in the child.
static NEXT: AtomicU64 = AtomicU64::new(0);
static TOOK: AtomicU64 = AtomicU64::new(0);
static BASE: OnceLock<Instant> = OnceLock::new();

/// Waits for its turn and then walks.
///
/// # Errors
/// `busy` when many wait already; `cancelled`.
pub(super) fn paced<T>(ctx: &Context, walk: impl FnOnce() -> T) -> Result<T, Failure> {
    let base = *BASE.get_or_init(Instant::now);
    let now = nanos(base.elapsed());
    let expected = TOOK.load(Ordering::Relaxed).saturating_mul(REST + 1);
    let reserve = |next: u64| {
        let turn = next.max(now);
        (turn - now <= LONGEST).then(|| turn.saturating_add(expected))
    };
    let next = NEXT.fetch_update(Ordering::AcqRel, Ordering::Acquire, reserve);
    let next = next.map_err(|_| {
        let text = "many have asked the allocator to walk its lists, during which threads wait; try again later";
        Failure::new(Code::Busy, text)
    })?;
    ctx.sleep(Duration::from_nanos(next.saturating_sub(now)))?;
    let started = base.elapsed();
    let result = walk();
    let ended = base.elapsed();
    let took = nanos(ended.saturating_sub(started));
    TOOK.store(took, Ordering::Relaxed);
    let rested = nanos(ended).saturating_add(took.saturating_mul(REST));
    NEXT.fetch_max(rested, Ordering::AcqRel);
    Ok(result)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::testing::context, model::Level};

    #[test]
    fn walks_in_a_loop_take_a_tenth_of_the_time() {
        let ctx = context(Level::View);
        let begun = Instant::now();
        for _ in 0..3 {
            paced(&ctx, || std::thread::sleep(Duration::from_millis(20))).unwrap();
        }
        assert!(begun.elapsed() >= Duration::from_millis(3 * 20 + 2 * 9 * 20));
        // The machine's other tests may walk, too: the last word is about a queue that is full.
        NEXT.fetch_add(2 * LONGEST, Ordering::AcqRel);
        assert_eq!(paced(&ctx, || ()).unwrap_err().code, Code::Busy);
        NEXT.fetch_sub(2 * LONGEST, Ordering::AcqRel);
    }
}
