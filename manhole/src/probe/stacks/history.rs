//! Since when a thread has not moved: a fingerprint of each, from one look to the next.
//!
//! Our own signal costs the thread some CPU time, so an unchanged clock alone would never be seen.
//! Unchanged means: the same frames, the same stack pointer and call, and no more CPU time than
//! answering costs. A thread that woke up, did next to nothing and waits in the same place again
//! counts as unchanged, which is what people mean.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Threads that are followed.
const MOST: usize = 16_384;
/// CPU time that a thread may spend from one look to the next and still count as unchanged: to
/// answer takes 1 to 5 us, with a cold cache and page faults ten times that.
const ALLOWED_NS: u64 = 200_000;

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

impl History {
    /// For each thread the moment since which it is unchanged, if it was seen before. Threads that
    /// are not among `seen` are forgotten when `all` were looked at.
    pub(super) fn compare(&self, now_unix_ns: u64, all: bool, seen: &[Seen]) -> Vec<Option<u64>> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let since = seen.iter().map(|seen| note(&mut notes, now_unix_ns, seen));
        let since = since.collect();
        if all {
            notes.retain(|_, note| note.look_unix_ns == now_unix_ns);
            notes.shrink_to(2 * seen.len());
        }
        since
    }
}

/// Notes what was seen of a thread; since when it is unchanged.
fn note(notes: &mut HashMap<Key, Note>, now_unix_ns: u64, seen: &Seen) -> Option<u64> {
    let same = |note: &&mut Note| {
        let spent = seen.cpu_ns.saturating_sub(note.cpu_ns);
        note.print == seen.print && spent <= ALLOWED_NS
    };
    let full = notes.len() >= MOST || notes.try_reserve(1).is_err();
    if let Some(note) = notes.get_mut(&seen.key).filter(same) {
        (note.cpu_ns, note.look_unix_ns) = (seen.cpu_ns, now_unix_ns);
        return Some(note.since_unix_ns);
    }
    if !full || notes.contains_key(&seen.key) {
        let note = Note {
            print: seen.print,
            cpu_ns: seen.cpu_ns,
            since_unix_ns: now_unix_ns,
            look_unix_ns: now_unix_ns,
        };
        notes.insert(seen.key, note);
    }
    None
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

    #[test]
    fn a_thread_is_unchanged_while_its_stack_is_and_it_spends_nothing() {
        let history = History::default();
        let check = |now: u64, thread: Seen, expected: Option<u64>| {
            let since = history.compare(now, true, &[thread]);
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
        history.compare(10, true, &[seen(1, 1, 0), seen(2, 1, 0)]);
        assert_eq!(history.compare(20, false, &[seen(1, 1, 0)]), [Some(10)]);
        assert_eq!(history.compare(30, true, &[seen(2, 1, 0)]), [Some(10)]);
        assert_eq!(history.compare(40, true, &[seen(1, 1, 0)]), [None]);
    }

    #[test]
    fn their_number_is_bounded() {
        let history = History::default();
        let many: Vec<Seen> = (0..20_000).map(|tid| seen(tid, 1, 0)).collect();
        history.compare(10, true, &many);
        assert_eq!(history.notes.lock().unwrap().len(), MOST);
        history.compare(20, true, &many[..3]);
        assert!(history.notes.lock().unwrap().capacity() < 1000);
    }
}
