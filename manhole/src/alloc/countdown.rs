//! When the next allocation of a thread is sampled: a number of bytes that is counted down.
//!
//! The distances between samples are exponentially distributed, so each allocated byte is as likely as
//! any other to be met, whatever pattern the program allocates in. A thread that samples too often for
//! what it costs samples more rarely for a while; each sample keeps the rate at which it was taken, so that
//! stays right.

use super::rate::Rate;
use crate::sys::stacks::Known;
use std::{
    cell::Cell,
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
};

/// Bytes until a thread looks again whether something is sampled.
const WHILE_OFF: i64 = 4 << 20;
/// The longest distance that is counted down at once. Behind it the rest is drawn anew, by the rate of then:
/// of an exponential distribution what is left has the same distribution as the whole.
const LONGEST: i64 = 64 << 20;
/// A thread that takes more samples than this in a second halves its share, up to so often.
const MOST_PER_SECOND: u32 = 5000;
const MOST_DOUBLINGS: u32 = 20;
/// Tenths of a second.
const SECOND: u32 = 10;

/// The rate that was asked for, by its code.
static RATE: AtomicU16 = AtomicU16::new(Rate::DEFAULT.code());
/// What random numbers of threads begin with.
static SEED: AtomicU64 = AtomicU64::new(0x9E37_79B9_7F4A_7C15);

/// The rate that was asked for.
pub(super) fn rate() -> Rate {
    Rate::from_code(RATE.load(Ordering::Relaxed))
}

/// Sets it. A thread that samples takes it over at its next sample, one that does not within 4 MiB.
pub(super) fn set_rate(rate: Rate) {
    RATE.store(rate.code(), Ordering::Relaxed);
}

/// What a thread keeps. Nothing in it is ever dropped, so it is there from the first to the last
/// instruction of the thread.
#[derive(Debug)]
pub(super) struct Thread {
    /// Bytes until the next sample.
    left: Cell<i64>,
    /// The rate by which that was drawn; off for a thread that has not begun.
    rate: Cell<Rate>,
    /// Whether there is no sample at its end, but a longer way.
    goes_on: Cell<bool>,
    /// Whether a sample is being taken: what a signal handler allocates meanwhile is not sampled.
    busy: Cell<bool>,
    /// Whether this is a thread of the console.
    excluded: Cell<bool>,
    random: Cell<u64>,
    governor: Cell<Governor>,
    /// How far its stack is known to be readable.
    pub(super) stack: Cell<Known>,
}

thread_local! {
    static THREAD: Thread = const {
        Thread {
            left: Cell::new(0),
            rate: Cell::new(Rate::OFF),
            goes_on: Cell::new(false),
            busy: Cell::new(false),
            excluded: Cell::new(false),
            random: Cell::new(0),
            governor: Cell::new(Governor::NEW),
            stack: Cell::new(Known::NONE),
        }
    };
}

/// With a destructor there would be a time without it, and a list of destructors that allocates.
const _: [(); 0] = [(); std::mem::needs_drop::<Thread>() as usize];

/// Counts `size` bytes down; whether a sample is due.
#[inline(always)]
pub(super) fn charge(size: usize) -> bool {
    THREAD.with(
        #[inline(always)]
        |thread| {
            // No allocation is larger than isize::MAX, and at most one is counted down below zero.
            let left = thread.left.get().wrapping_sub(size as i64);
            thread.left.set(left);
            left < 0
        },
    )
}

/// Whether what [`charge`] said last is still to be done.
#[inline(always)]
pub(super) fn is_due() -> bool {
    THREAD.with(|thread| thread.left.get() < 0)
}

/// Nothing of the calling thread is sampled from now on.
pub(crate) fn exclude_this_thread() {
    THREAD.with(|thread| {
        thread.excluded.set(true);
        thread.left.set(i64::MAX);
    });
}

/// Takes a sample, if one is due for an allocation of `size` bytes: `sample` gets the rate that it is for.
pub(super) fn take(size: usize, now: impl Fn() -> u32, sample: impl FnOnce(&Thread, Rate)) {
    THREAD.with(|thread| {
        if thread.busy.get() {
            return;
        }
        thread.busy.set(true);
        if let Some(rate) = thread.due(size) {
            sample(thread, rate);
            thread
                .governor
                .set(thread.governor.get().counted(now(), rate));
            thread.draw(thread.wanted());
        }
        thread.busy.set(false);
    });
}

impl Thread {
    /// The rate of the sample that is due; `None` when none is after all.
    fn due(&self, size: usize) -> Option<Rate> {
        if self.excluded.get() {
            self.left.set(i64::MAX);
            return None;
        }
        let wanted = self.wanted();
        if wanted == Rate::OFF {
            self.draw(wanted);
            return None;
        }
        if self.rate.get() == Rate::OFF {
            // The first of this thread, or after a time of nothing: this very allocation counts.
            self.draw(wanted);
            self.left.set(self.left.get().wrapping_sub(size as i64));
        }
        self.go_on(wanted);
        (self.left.get() < 0).then(|| self.rate.get())
    }

    /// Draws the rest of a way that was too long to be counted down at once.
    fn go_on(&self, rate: Rate) {
        while self.goes_on.get() && self.left.get() < 0 {
            let beyond = self.left.get();
            self.draw(rate);
            self.left.set(self.left.get().saturating_add(beyond));
        }
    }

    fn wanted(&self) -> Rate {
        rate().slower(self.governor.get().doublings)
    }

    /// Draws the distance to the next sample.
    fn draw(&self, rate: Rate) {
        self.rate.set(rate);
        let distance = match rate {
            Rate::OFF => WHILE_OFF,
            Rate::ALL => 0,
            // What is above i64 saturates.
            _ => (-self.uniform().ln() * rate.bytes() as f64) as i64,
        };
        self.goes_on.set(distance > LONGEST);
        self.left.set(distance.min(LONGEST));
    }

    /// A random number above 0 and at most 1.
    fn uniform(&self) -> f64 {
        let mut state = self.random.get();
        if state == 0 {
            state = seed(std::ptr::from_ref(self) as u64);
        }
        // xorshift64*, of which the highest 53 bits are taken.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        let bits = state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11;
        (bits as f64 + 1.0) / (1_u64 << 53) as f64
    }
}

/// A number that is not 0, another for each thread; a forked child goes on with its parent's.
fn seed(address: u64) -> u64 {
    let mut mixed =
        SEED.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed) ^ address.rotate_left(32);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    (mixed ^ mixed >> 31) | 1
}

/// Keeps a thread from spending its time on samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Governor {
    /// When the second began that is being counted, in tenths.
    since: u32,
    /// Samples since.
    count: u32,
    /// By how many powers of two this thread samples more rarely than was asked.
    doublings: u32,
}

impl Governor {
    const NEW: Self = Self {
        since: 0,
        count: 0,
        doublings: 0,
    };

    /// After a sample at `rate`. Who asks for every allocation gets every allocation.
    fn counted(self, now: u32, rate: Rate) -> Self {
        if rate == Rate::ALL {
            return self;
        }
        let passed = now.wrapping_sub(self.since);
        let count = self.count + 1;
        let (since, doublings) = match passed < SECOND {
            true if count <= MOST_PER_SECOND => return Self { count, ..self },
            true => (now, (self.doublings + 1).min(MOST_DOUBLINGS)),
            // At half of what would be twice too much there is room again.
            false if count / passed.max(1) < MOST_PER_SECOND / (4 * SECOND) => {
                (now, self.doublings.saturating_sub(1))
            }
            false => (now, self.doublings),
        };
        Self {
            since,
            count: 0,
            doublings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_samples_too_often_does_so_more_rarely_until_it_calms_down() {
        let mut governor = Governor::NEW;
        let mut run = |samples: u32, seconds: u32, from: u32| {
            for at in 0..samples {
                let now = from
                    + (u64::from(at) * u64::from(seconds * SECOND) / u64::from(samples)) as u32;
                governor = governor.counted(now, Rate::DEFAULT);
            }
            governor.doublings
        };
        assert_eq!(run(4000, 1, 100), 0);
        // One more for each 5000; and one less for each quiet second.
        assert_eq!(run(20_500, 1, 200), 4);
        assert_eq!(run(30_000, 10, 300), 3);
        assert_eq!(run(3000, 10, 500), 0);
        assert_eq!(Governor::NEW.counted(5, Rate::ALL), Governor::NEW);
    }

    #[test]
    fn distances_have_the_mean_that_was_asked_for() {
        THREAD.with(|thread| {
            let draws = 100_000;
            let mean = |rate: Rate| {
                let all = (0..draws).map(|_| {
                    thread.draw(rate);
                    thread.left.get() as f64
                });
                all.sum::<f64>() / f64::from(draws) / rate.bytes() as f64
            };
            for rate in [Rate::DEFAULT, Rate::of(1000)] {
                // Ten times the deviation of a mean of so many.
                assert!((mean(rate) - 1.0).abs() < 10.0 / f64::from(draws).sqrt());
            }
            thread.draw(Rate::ALL);
            assert_eq!(thread.left.get(), 0);
            // Far away is reached in steps.
            thread.draw(Rate::of(u64::MAX));
            assert_eq!((thread.left.get(), thread.goes_on.get()), (LONGEST, true));
        });
    }

    #[test]
    fn a_sample_far_away_is_as_probable_as_it_should_be() {
        THREAD.with(|thread| {
            // Ten times the longest distance: in steps of a third of that one in thirty is met.
            let rate = Rate::of(10 * LONGEST as u64);
            let before = super::rate();
            let steps = 60_000;
            thread.draw(rate);
            let mut met = 0;
            for _ in 0..steps {
                thread.left.set(thread.left.get() - LONGEST / 3);
                thread.go_on(rate);
                if thread.left.get() < 0 {
                    met += 1;
                    thread.draw(rate);
                }
            }
            let expected = f64::from(steps) * (1.0 - (-1.0_f64 / 30.0).exp());
            assert!(
                (f64::from(met) - expected).abs() < 6.0 * expected.sqrt(),
                "{met}"
            );
            thread.draw(before);
        });
    }

    #[test]
    fn seeds_differ_and_are_never_nothing() {
        let seeds: std::collections::BTreeSet<u64> = (0..1000).map(|_| seed(0x7f00)).collect();
        assert_eq!((seeds.len(), seeds.contains(&0)), (1000, false));
    }
}
