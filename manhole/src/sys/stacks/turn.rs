//! One at a time: who holds the turn arms, reads and frees slots.

use super::atomics::{AtomicU32, Ordering};
use super::{
    Unusable,
    area::{self, Area},
};
use nix::unistd::gettid;
use std::{
    thread,
    time::{Duration, Instant},
};

/// How often one who waits looks again.
const LOOK: Duration = Duration::from_micros(500);

/// The right to send, until dropped. It is kept in the mapping, which a fork wipes: in a child nobody
/// holds the turn of a thread that is not there.
#[derive(Debug)]
pub(super) struct Turn {
    area: Area,
    keep: bool,
}

impl Turn {
    /// Waits for it as long as `patience` and `keep_going` say; `None` when the latter says no.
    /// Whoever comes while others wait waits as well, so that nobody waits for ever.
    ///
    /// # Errors
    /// No memory, or somebody else had it all the time.
    pub(super) fn take(
        patience: Duration,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, Unusable> {
        let area = area::ours().ok_or(Unusable::NoMemory)?;
        let me = u32::try_from(gettid().as_raw()).unwrap_or(u32::MAX);
        let head = area.head();
        if head.waiting.load(Ordering::Relaxed) == 0 && head.turn.take(me) {
            return Ok(Some(Self { area, keep: false }));
        }
        let _waiting = Waiting::new(&head.waiting);
        let since = Instant::now();
        while since.elapsed() <= patience {
            if !keep_going() {
                return Ok(None);
            }
            thread::sleep(LOOK);
            if head.turn.take(me) {
                return Ok(Some(Self { area, keep: false }));
            }
        }
        Err(Unusable::Busy)
    }

    /// Whether the stacks are kept for whoever has the next turn, who overwrites them.
    pub(super) fn keep(&mut self, keep: bool) {
        self.keep = keep;
    }

    pub(super) fn area(&self) -> Area {
        self.area
    }
}

impl Drop for Turn {
    /// The stacks are given back first: whoever comes next shall not wait for that to be safe.
    fn drop(&mut self) {
        if !self.keep {
            self.area.forget();
        }
        self.area.head().turn.give_back();
    }
}

/// Counted as one who waits.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
