//! Which label each thread carries at the moment: a table that a signal handler can read.
//!
//! A label is a number here; what it says is known to whoever gave it out. Each thread writes its own
//! entry, the handlers that interrupt it read it, and others may look. Fixed in size and lock-free: a
//! thread finds its entry among the few that its id leads to, and goes without a label when these are
//! taken. 4096 entries hold the labels of a thousand threads without such a loss.
//!
//! A thread that ends without taking its label back leaves its entry behind, and the next thread of
//! that id inherits it: who sets labels takes them back when the thread ends. In a forked child the
//! entries are those of the parent's threads, whose ids no thread of the child has for long.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const ENTRIES: usize = 4096;
/// How many entries are looked at for one thread, one behind the other.
const NEAR: usize = 16;

static TABLE: [Entry; ENTRIES] = [const { Entry::free() }; ENTRIES];

/// All zeros is free. An entry whose thread is known belongs to that thread alone.
struct Entry {
    tid: AtomicU32,
    id: AtomicU64,
}

impl Entry {
    const fn free() -> Self {
        Self {
            tid: AtomicU32::new(0),
            id: AtomicU64::new(0),
        }
    }
}

/// The place among the few for `tid`, by `step`; ids of threads that were made together are apart.
#[inline(always)]
fn entry(tid: u32, step: usize) -> Option<&'static Entry> {
    let hash = tid.wrapping_mul(0x9e37_79b1) >> 16;
    TABLE.get((hash as usize).wrapping_add(step) & (ENTRIES - 1))
}

/// Sets the label of thread `tid`, which is the calling one; 0 takes it back and frees the entry.
/// False when it found no room: the thread has no label then. About 5 ns.
pub(crate) fn set(tid: u32, id: u64) -> bool {
    let near = || (0..NEAR).filter_map(|step| entry(tid, step));
    if let Some(own) = near().find(|entry| entry.tid.load(Ordering::Relaxed) == tid) {
        own.id.store(id, Ordering::Relaxed);
        if id == 0 {
            own.tid.store(0, Ordering::Release); // its next owner finds 0 beside it
        }
        return true;
    }
    let take = |entry: &&Entry| {
        let taken = entry
            .tid
            .compare_exchange(0, tid, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok()
    };
    if id == 0 {
        return true;
    }
    match near().find(take) {
        Some(free) => free.id.store(id, Ordering::Relaxed),
        None => return false,
    }
    true
}

/// The label of thread `tid`; 0 when it has none. Async-signal-safe, and by the rules of the stacks'
/// handler: no call, no panic, a loop of fixed length.
#[inline(always)]
pub(crate) fn get(tid: u32) -> u64 {
    let mut step = 0;
    while step < NEAR {
        if let Some(entry) = entry(tid, step)
            && entry.tid.load(Ordering::Relaxed) == tid
        {
            return entry.id.load(Ordering::Relaxed);
        }
        step = step.wrapping_add(1);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Mutex, thread};

    /// Ids that no thread of this process has.
    const FIRST: u32 = 1 << 30;

    /// The table is the process's, and so is its room.
    static ALONE: Mutex<()> = Mutex::new(());

    #[test]
    fn a_label_is_there_until_it_is_taken_back() {
        let _alone = ALONE.lock();
        let check = |tid: u32, set_to: Option<u64>, expected: u64| {
            assert!(set_to.is_none_or(|id| set(tid, id)));
            assert_eq!(get(tid), expected, "{tid}");
        };
        check(FIRST, None, 0);
        check(FIRST, Some(7), 7);
        check(FIRST + 1, Some(u64::MAX), u64::MAX);
        check(FIRST, Some(8), 8);
        check(FIRST + 1, Some(0), 0);
        check(FIRST + 1, Some(0), 0);
        check(FIRST, None, 8);
        check(FIRST, Some(0), 0);
    }

    #[test]
    fn a_thousand_threads_have_room_and_too_many_do_without() {
        let _alone = ALONE.lock();
        let tids = FIRST..FIRST + 1000;
        assert!(tids.clone().all(|tid| set(tid, u64::from(tid))));
        assert!(tids.clone().all(|tid| get(tid) == u64::from(tid)));
        let more = FIRST + 1000..FIRST + 10_000;
        let refused = more.clone().filter(|tid| !set(*tid, 1)).count();
        assert!((9000 - ENTRIES..9000).contains(&refused), "{refused}");
        assert!(tids.clone().all(|tid| get(tid) == u64::from(tid)));
        assert!(tids.chain(more).all(|tid| set(tid, 0) && get(tid) == 0));
        assert!(
            TABLE
                .iter()
                .all(|it| it.tid.load(Ordering::Relaxed) < FIRST)
        );
    }

    #[test]
    fn threads_that_come_and_go_never_see_a_label_of_anothers() {
        let _alone = ALONE.lock();
        let work = |first: u32| {
            for round in 0..2000 {
                let tid = first + round % 64;
                assert_eq!(get(tid), 0);
                assert!(set(tid, u64::from(tid)));
                assert_eq!(get(tid), u64::from(tid));
                assert!(set(tid, 0));
            }
        };
        thread::scope(|scope| {
            (0..4).for_each(|nr| drop(scope.spawn(move || work(FIRST + nr * 64))));
        });
    }
}
