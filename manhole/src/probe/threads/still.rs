//! How long threads have been waiting: what the kernel does not say.
//!
//! The tick and every `threads` note how much each thread has run. One that has run nothing more has
//! been waiting at least since the first such note, and at most since the note before it: an
//! interval no wider than a tick, right by construction. Within it the scheduler's clock of the
//! thread's last run picks the moment; that clock drifts (see [`super::stat::parse_last_run`]), and
//! the interval bounds the harm. A note costs 4 us a thread, one file each.

use super::stat::SchedStat;
use std::collections::HashMap;

/// Threads beyond this number are not followed: the tick stays cheap.
pub(super) const MOST: usize = 1024;

/// What was noted of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Note {
    run_ns: u64,
    slices: u64,
    /// When this state was first seen, and when it was last seen to be another; 0: never.
    first_ns: u64,
    before_ns: u64,
    /// The last round that saw the thread.
    round: u64,
}

/// The notes of all threads, by tid.
#[derive(Debug, Default)]
pub(crate) struct Still {
    notes: HashMap<u32, Note>,
    round: u64,
    round_ns: u64,
}

/// For how long a thread has not run, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    /// At least.
    pub least_ns: u64,
    /// At most; `None` when it was never seen running.
    pub most_ns: Option<u64>,
}

impl Interval {
    /// The estimate, forced into the interval; without one, the least.
    pub(crate) fn refined(&self, estimate_ns: Option<u64>) -> u64 {
        let Some(estimate) = estimate_ns else {
            return self.least_ns;
        };
        estimate.clamp(
            self.least_ns,
            self.most_ns.unwrap_or(u64::MAX).max(self.least_ns),
        )
    }
}

impl Still {
    /// Notes all threads at the moment `at_ns` of CLOCK_MONOTONIC and forgets those that are gone.
    pub(crate) fn note(&mut self, at_ns: u64, threads: impl Iterator<Item = (u32, SchedStat)>) {
        let before_ns = self.round_ns;
        (self.round, self.round_ns) = (self.round + 1, at_ns);
        for (tid, stat) in threads.take(MOST) {
            let known = self.notes.get_mut(&tid);
            match known.filter(|note| (note.run_ns, note.slices) == (stat.run_ns, stat.slices)) {
                Some(note) => note.round = self.round,
                None => self.renew(tid, stat, at_ns, before_ns),
            }
        }
        let round = self.round;
        self.notes.retain(|_, note| note.round == round);
    }

    fn renew(&mut self, tid: u32, stat: SchedStat, at_ns: u64, before_ns: u64) {
        if self.notes.try_reserve(1).is_err() {
            return;
        }
        let note = Note {
            run_ns: stat.run_ns,
            slices: stat.slices,
            first_ns: at_ns,
            before_ns,
            round: self.round,
        };
        self.notes.insert(tid, note);
    }

    /// How long a thread that has run this much had not run at the moment `at_ns`; `None` when it
    /// has run since the last note.
    pub(crate) fn of(&self, tid: u32, stat: SchedStat, at_ns: u64) -> Option<Interval> {
        let note = self.notes.get(&tid)?;
        if (note.run_ns, note.slices) != (stat.run_ns, stat.slices) {
            return None;
        }
        Some(Interval {
            least_ns: at_ns.saturating_sub(note.first_ns),
            most_ns: (note.before_ns > 0).then(|| at_ns.saturating_sub(note.before_ns)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(run_ns: u64) -> SchedStat {
        SchedStat {
            run_ns,
            wait_ns: 0,
            slices: 1,
        }
    }

    #[test]
    fn a_wait_lies_between_two_notes() {
        let mut still = Still::default();
        still.note(1_000, [(7, ran(5)), (8, ran(5))].into_iter());
        still.note(2_000, [(7, ran(5)), (8, ran(6))].into_iter());
        still.note(3_000, [(7, ran(5)), (8, ran(6))].into_iter());
        let check = |tid, run, expected| {
            let found = still.of(tid, ran(run), 3_500);
            assert_eq!(found.map(|i| (i.least_ns, i.most_ns)), expected);
        };
        check(7, 5, Some((2_500, None)));
        check(8, 6, Some((1_500, Some(2_500))));
        check(8, 7, None);
        check(9, 5, None);
    }

    #[test]
    fn threads_that_ended_are_forgotten_and_their_number_is_bounded() {
        let mut still = Still::default();
        still.note(1, (0..5_000).map(|tid| (tid, ran(1))));
        assert_eq!(still.notes.len(), MOST);
        still.note(2, [(1, ran(1))].into_iter());
        assert_eq!(still.notes.len(), 1);
    }

    #[test]
    fn the_schedulers_clock_refines_but_does_not_rule() {
        let interval = Interval {
            least_ns: 100,
            most_ns: Some(200),
        };
        assert_eq!(interval.refined(Some(150)), 150);
        assert_eq!(interval.refined(Some(9_000)), 200);
        assert_eq!(interval.refined(Some(0)), 100);
        assert_eq!(interval.refined(None), 100);
    }
}
