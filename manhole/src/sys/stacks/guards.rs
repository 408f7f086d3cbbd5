//! Timers that threads of the host made for themselves, before the console has seen the thread.
//!
//! A timer in the table is deleted by whoever takes its number out: the thread when it is done, or the
//! console when nobody samples any more. So it is never deleted twice, when its number may already be
//! that of a timer of the host's.

use super::{
    arch,
    area::{self, Area},
    timers::{Clock, Timer},
    value,
};
use nix::{libc, unistd::gettid};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const ENTRIES: usize = 1024;
/// How many entries are looked at for one thread.
const NEAR: usize = 8;

/// Which threads have a timer of their own making; all zeros is empty.
#[derive(Debug)]
pub(super) struct Guards([Entry; ENTRIES]);

#[derive(Debug)]
struct Entry {
    tid: AtomicU32,
    /// One more than the timer's number; 0 when there is none.
    timer: AtomicU32,
    /// Whose name it is: it stays when the thread has gone, whose samples are read some milliseconds
    /// later, until the entry is another's.
    named: AtomicU32,
    /// As the kernel has it, NUL-padded.
    name: [AtomicU64; 2],
}

/// A thread that is sampled from now on; until dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    area: Area,
    entry: usize,
    pid: u32,
}

/// Gives the calling thread a timer if somebody samples, and it has none of this kind. A load when
/// nobody does, else 3 us.
pub(crate) fn guard() -> Option<Guard> {
    let area = area::present()?;
    let head = area.head();
    let generation = head.pool.gate.load(Ordering::SeqCst);
    let pid = std::process::id();
    if generation == 0 || !area.is_of(pid) {
        return None;
    }
    let tid = u32::try_from(gettid().as_raw()).ok()?;
    let entry = head.guards.take(tid)?;
    if let Some(place) = head.guards.0.get(entry) {
        place.note_name(tid);
    }
    // From here on dropping it puts everything back.
    let guard = Guard { area, entry, pid };
    let period = head.period_ns.load(Ordering::Relaxed);
    let signal = head.signal.load(Ordering::Relaxed).cast_signed();
    let value = value::pack(area::magic(), generation, value::THREAD);
    let first = area.some_phase(period, tid);
    let timer = Timer::new(Clock::Thread(tid), signal, value, period, first).ok()?;
    let place = head.guards.0.get(entry)?;
    place
        .timer
        .store(timer.into_id().wrapping_add(1), Ordering::SeqCst);
    // The console shuts the gate before it looks through the table: one of us sees the other.
    (head.pool.gate.load(Ordering::SeqCst) == generation).then_some(guard)
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.pid == std::process::id()
            && let Some(entry) = self.area.head().guards.0.get(self.entry)
        {
            entry.delete();
            entry.tid.store(0, Ordering::Release);
        }
    }
}

impl Entry {
    /// Notes what the calling thread, `tid`, is called.
    fn note_name(&self, tid: u32) {
        let mut bytes = [0_u8; 16];
        // SAFETY: PR_GET_NAME writes at most 16 bytes, of which the last one is NUL, to `bytes`. A
        // system call of our own, which leaves errno alone.
        unsafe {
            let into = bytes.as_mut_ptr() as u64;
            arch::call(
                libc::SYS_prctl,
                [libc::PR_GET_NAME as u64, into, 0, 0, 0, 0],
            );
        }
        self.named.store(0, Ordering::SeqCst);
        let halves = u128::from_ne_bytes(bytes);
        for (at, word) in self.name.iter().enumerate() {
            word.store((halves >> (64 * at)) as u64, Ordering::SeqCst);
        }
        self.named.store(tid, Ordering::SeqCst);
    }

    fn name_of(&self, tid: u32) -> Option<String> {
        let is_its = || self.named.load(Ordering::SeqCst) == tid;
        if !is_its() {
            return None;
        }
        let [low, high] = [0, 1].map(|at| {
            self.name
                .get(at)
                .map_or(0, |word| word.load(Ordering::SeqCst))
        });
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_ne_bytes();
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(0);
        let text = String::from_utf8_lossy(bytes.get(..end)?).into_owned();
        // Unless another thread came in between.
        is_its().then_some(text)
    }
}

impl Guards {
    fn near(tid: u32) -> impl Iterator<Item = usize> {
        let hash = (tid.wrapping_mul(0x9e37_79b1) >> 16) as usize;
        (0..NEAR).map(move |step| hash.wrapping_add(step) % ENTRIES)
    }

    fn take(&self, tid: u32) -> Option<usize> {
        if self.has(tid) {
            return None;
        }
        Self::near(tid).find(|at| {
            self.0.get(*at).is_some_and(|entry| {
                let taken = &entry.tid;
                let taken = taken.compare_exchange(0, tid, Ordering::AcqRel, Ordering::Relaxed);
                taken.is_ok()
            })
        })
    }

    fn has(&self, tid: u32) -> bool {
        let mut near = Self::near(tid).filter_map(|at| self.0.get(at));
        near.any(|entry| entry.tid.load(Ordering::Acquire) == tid)
    }

    /// What thread `tid` was called when it made itself a timer; `None` when that is not known any more.
    pub(super) fn name(&self, tid: u32) -> Option<String> {
        let mut near = Self::near(tid).filter_map(|at| self.0.get(at));
        near.find_map(|entry| entry.name_of(tid))
    }

    /// Whether thread `tid` made itself a timer that is still there.
    pub(super) fn covers(&self, tid: u32) -> bool {
        let mut near = Self::near(tid).filter_map(|at| self.0.get(at));
        near.any(|entry| {
            entry.tid.load(Ordering::Acquire) == tid && entry.timer.load(Ordering::Acquire) != 0
        })
    }

    /// Deletes all timers; the gate is shut.
    pub(super) fn delete_all(&self) {
        self.0.iter().for_each(Entry::delete);
    }
}

impl Entry {
    fn delete(&self) {
        if let Some(id) = self.timer.swap(0, Ordering::SeqCst).checked_sub(1) {
            drop(Timer::of(id));
        }
    }
}
