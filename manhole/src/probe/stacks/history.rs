//! Since when a thread has not moved: a fingerprint of each, from one look to the next.
//!
//! Our own signal costs the thread some CPU time, so an unchanged clock alone would never be seen.
//! Unchanged means: the same frames, the same stack pointer and call, and no more CPU time than
//! answering costs. A thread that woke up, did next to nothing and waits in the same place again
//! counts as unchanged, which is what people mean.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Threads that are followed.
const MOST: usize = 16_384;
/// CPU time that a thread may spend from one look to the next and still count as unchanged: to
/// answer takes 1 to 5 us, with a cold cache and page faults on a busy machine a hundred times that.
const ALLOWED_NS: u64 = 500_000;

/// Which thread: its id may be used again, but not with the same start.
pub(super) type Key = (u32, u64);

/// A thread at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub key: Key,
    /// What its frames, stack pointer and call come to.
    pub print: u64,
    pub cpu_ns: u64,
}

/// The last looks at all threads.
#[derive(Debug, Default)]
pub(crate) struct History {
    notes: Mutex<HashMap<Key, Note>>,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    print: u64,
    cpu_ns: u64,
    since_unix_ns: u64,
    /// The look that saw it last.
    look_unix_ns: u64,
}

/// One look, under way.
pub(super) struct Look<'a> {
    notes: MutexGuard<'a, HashMap<Key, Note>>,
    now_unix_ns: u64,
    /// Whether all threads are looked at: then those that are not seen have ended.
    all: bool,
}

impl History {
    /// Makes room for so many threads. What stays after an answer should be had before what goes: memory
    /// that is kept above memory that was given up keeps an allocator from giving it back.
    pub(super) fn reserve(&self, threads: usize) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let more = threads.min(MOST).saturating_sub(notes.len());
        let _ = notes.try_reserve(more); // tried again for each
    }

    /// Begins a look; when it is dropped it forgets threads that are gone, if `all` are looked at.
    pub(super) fn look(&self, now_unix_ns: u64, all: bool) -> Look<'_> {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        Look {
            notes,
            now_unix_ns,
            all,
        }
    }
}

impl Look<'_> {
    /// Notes what was seen of a thread; since when it is unchanged, if it was seen before.
    pub(super) fn note(&mut self, seen: &Seen) -> Option<u64> {
        let now = self.now_unix_ns;
        let full = self.notes.len() >= MOST || self.notes.try_reserve(1).is_err();
        let known = self.notes.get_mut(&seen.key);
        let fresh = Note {
            print: seen.print,
            cpu_ns: seen.cpu_ns,
            since_unix_ns: now,
            look_unix_ns: now,
        };
        match known {
            Some(note) if note.is_same(seen) => {
                (note.cpu_ns, note.look_unix_ns) = (seen.cpu_ns, now);
                return Some(note.since_unix_ns);
            }
            Some(note) => *note = fresh,
            None if full => {}
            None => drop(self.notes.insert(seen.key, fresh)),
        }
        None
    }
}

impl Drop for Look<'_> {
    fn drop(&mut self) {
        if self.all {
            let now = self.now_unix_ns;
            self.notes.retain(|_, note| note.look_unix_ns == now);
            let enough = self.notes.len().saturating_mul(2);
            self.notes.shrink_to(enough);
        }
    }
}

impl Note {
    fn is_same(&self, seen: &Seen) -> bool {
        let spent = seen.cpu_ns.saturating_sub(self.cpu_ns);
        self.print == seen.print && spent <= ALLOWED_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tid: u32, print: u64, cpu_ns: u64) -> Seen {
        Seen {
            key: (tid, 1),
            print,
            cpu_ns,
        }
    }

    fn compare(history: &History, now: u64, all: bool, seen: &[Seen]) -> Vec<Option<u64>> {
        let mut look = history.look(now, all);
        seen.iter().map(|seen| look.note(seen)).collect()
    }

    #[test]
    fn a_thread_is_unchanged_while_its_stack_is_and_it_spends_nothing() {
        let history = History::default();
        let check = |now: u64, thread: Seen, expected: Option<u64>| {
            let since = compare(&history, now, true, &[thread]);
            assert_eq!(since, [expected], "{now}");
        };
        check(10, seen(7, 1, 1000), None);
        check(20, seen(7, 1, 5000), Some(10));
        check(30, seen(7, 1, 5000 + ALLOWED_NS), Some(10));
        check(40, seen(7, 2, 5000 + ALLOWED_NS), None);
        check(50, seen(7, 2, 5000 + ALLOWED_NS), Some(40));
        check(60, seen(7, 2, 9_000_000), None);
        check(
            70,
            Seen {
                key: (7, 2),
                ..seen(7, 2, 9_000_000)
            },
            None,
        );
    }

    #[test]
    fn threads_are_forgotten_only_by_a_look_at_all() {
        let history = History::default();
        compare(&history, 10, true, &[seen(1, 1, 0), seen(2, 1, 0)]);
        assert_eq!(compare(&history, 20, false, &[seen(1, 1, 0)]), [Some(10)]);
        assert_eq!(compare(&history, 30, true, &[seen(2, 1, 0)]), [Some(10)]);
        assert_eq!(compare(&history, 40, true, &[seen(1, 1, 0)]), [None]);
    }

    #[test]
    fn their_number_is_bounded() {
        let history = History::default();
        let many: Vec<Seen> = (0..20_000).map(|tid| seen(tid, 1, 0)).collect();
        compare(&history, 10, true, &many);
        assert_eq!(history.notes.lock().unwrap().len(), MOST);
        compare(&history, 20, true, &many[..3]);
        assert!(history.notes.lock().unwrap().capacity() < 1000);
    }
}
