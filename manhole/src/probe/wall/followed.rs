//! The threads that are visited, and what is known of each from one tick to the next.

use super::{
    super::{
        clock,
        procfs::push,
        sampling::{OwnThreads, Person, is_own, present, stat},
        stacks::{Buffer, Task, TaskFiles, is_wait},
        threads::{Stat, State},
    },
    mark::{ALLOWED_NS, Mark},
};
use crate::{
    model::stack::Answered,
    sys::{fork, own::Own},
};
use nix::sys::resource::{Resource, getrlimit};
use std::{collections::BTreeSet, fs::File, os::unix::fs::FileExt};

/// Threads that are met in the life of a sampler, 100 bytes each; who comes later is not visited.
const MOST: usize = 65_536;
/// Files of threads that are kept open: one that is costs a third.
const MOST_FILES: u64 = 1024;
/// How often it is looked who is there, in nanoseconds; more often when their number changed.
const LOOK_NS: u64 = 100_000_000;
const SOONEST_NS: u64 = 10_000_000;
/// A thread that did not answer is not asked for so long; one that could not be asked is looked at
/// again after so long, whatever it shows.
const QUIET_NS: u64 = 250_000_000;
const MUTE_NS: u64 = 250_000_000;
/// Longer than a line of `syscall` or `schedstat`.
const LINE: usize = 256;

/// Where a thread was when it was last looked at closely.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// Number of the stack in the table.
    pub stack: u32,
    pub clock_ns: u64,
    /// Unknown where the answer was not from where the mark is from.
    pub mark: Mark,
    /// When that was; of one that could not be asked.
    pub mute_since_ns: Option<u64>,
}

/// A thread that is there.
#[derive(Debug)]
pub(super) struct Followed {
    pub tid: u32,
    /// Place among the people.
    pub person: u32,
    pub last: Option<Last>,
    start_ticks: u64,
    file: Option<Own<File>>,
    quiet_until_ns: u64,
}

/// What a visit finds.
#[derive(Debug)]
pub(super) enum Visit {
    /// It ended, or is one of ours.
    Gone,
    /// It is where it was.
    Still(Last),
    /// It can be asked, or not.
    Moved(Moved),
}

/// What is known of a thread that is to be looked at closely.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    pub clock_ns: u64,
    pub mark: Mark,
    pub state: char,
    /// Why it is not asked.
    pub excuse: Option<Answered>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Threads {
    pub live: Vec<Followed>,
    pub people: Vec<Person>,
    pub own: OwnThreads,
    /// Whether the files `syscall` may not be read.
    pub calls_hidden: bool,
    leader: u32,
    looked_ns: u64,
    count: usize,
    /// Files that are kept open, and how many there may be.
    kept: u64,
    most_kept: u64,
}

impl Threads {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        let leader = std::process::id();
        let calls = File::open(format!("/proc/self/task/{leader}/syscall"));
        let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft);
        Self {
            live: Vec::new(),
            people: Vec::new(),
            own: OwnThreads::default(),
            calls_hidden: calls.is_err(),
            leader,
            looked_ns: 0,
            count: 0,
            kept: 0,
            // Of a table that is the host's we take none for long.
            most_kept: match fork::is_table_shared() {
                true => 0,
                false => MOST_FILES.min(limit / 2),
            },
        }
    }

    /// Looks who came and who went, when that is due. 10 us a thread that came.
    pub(super) fn refresh(&mut self, files: &TaskFiles, now_ns: u64) {
        let since = now_ns.saturating_sub(self.looked_ns);
        let count = files.count();
        let due = since >= LOOK_NS || count != self.count && since >= SOONEST_NS;
        if !due && self.looked_ns > 0 {
            return;
        }
        (self.looked_ns, self.count) = (now_ns.max(1), count);
        let Some(present) = present() else { return };
        self.live.retain(|thread| present.contains(&thread.tid));
        self.own.retain(&present);
        self.kept = self.live.iter().filter(|it| it.file.is_some()).count() as u64;
        self.own.note();
        let known: BTreeSet<u32> = self.live.iter().map(|thread| thread.tid).collect();
        for tid in present.difference(&known) {
            if !self.own.has(*tid) {
                self.meet(*tid, files);
            }
        }
    }

    fn meet(&mut self, tid: u32, files: &TaskFiles) {
        let Some(stat) = stat(tid, files) else { return };
        if is_own(&stat, self.leader) {
            self.own.add(tid);
            return;
        }
        let person = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        let main = tid == self.leader;
        let new = Person {
            tid,
            name: stat.name,
            main,
            cpu_ns: 0,
        };
        let followed = Followed {
            tid,
            person,
            last: None,
            start_ticks: stat.start_ticks,
            file: None,
            quiet_until_ns: 0,
        };
        if self.people.len() < MOST && push(&mut self.people, new) {
            let _kept = push(&mut self.live, followed);
        }
    }

    /// Threads at these places are gone, or ours: they are met again if they are there.
    pub(super) fn forget(&mut self, places: &[usize]) {
        if places.is_empty() {
            return;
        }
        let mut at = 0;
        self.live.retain(|_| {
            at += 1;
            !places.contains(&(at - 1))
        });
    }

    /// Visits the thread at `at`: 3 us when it did not move, else 15.
    pub(super) fn visit(
        &mut self,
        at: usize,
        signal: i32,
        files: &TaskFiles,
        now_ns: u64,
    ) -> Visit {
        let hidden = self.calls_hidden;
        let may_keep = self.kept < self.most_kept;
        let Some(thread) = self.live.get_mut(at) else {
            return Visit::Gone;
        };
        let Some(clock_ns) = thread.clock_ns(files) else {
            return Visit::Gone;
        };
        let mut line = [0; LINE];
        if may_keep && thread.keep_file(hidden) {
            self.kept += 1;
        }
        let Some(line) = thread.line(hidden, files, &mut line) else {
            return Visit::Gone;
        };
        let mark = match hidden {
            true => Mark::of_schedstat(line),
            false => Mark::of_line(line),
        };
        if let Some(last) = thread
            .last
            .filter(|last| last.is_still(clock_ns, mark, now_ns))
        {
            return Visit::Still(last);
        }
        let Some(stat) = stat(thread.tid, files) else {
            return Visit::Gone;
        };
        let other = stat.start_ticks != thread.start_ticks;
        if other || is_own(&stat, self.leader) {
            return Visit::Gone;
        }
        let moved = Moved {
            clock_ns,
            mark,
            state: match mark {
                Mark::Running => 'R',
                _ => stat.letter,
            },
            excuse: thread.excuse(&stat, line, hidden, signal, files, now_ns),
        };
        if let Some(person) = self.people.get_mut(thread.person as usize) {
            person.cpu_ns = clock_ns;
            if person.name != stat.name {
                person.name = stat.name;
            }
        }
        Visit::Moved(moved)
    }
}

impl Last {
    fn is_still(&self, clock_ns: u64, mark: Mark, now_ns: u64) -> bool {
        let spent = clock_ns.saturating_sub(self.clock_ns);
        let fresh = |since: u64| now_ns.saturating_sub(since) < MUTE_NS;
        spent < ALLOWED_NS && self.mark.is_still(mark) && self.mute_since_ns.is_none_or(fresh)
    }
}

impl Followed {
    /// It was asked and did not answer.
    pub(super) fn be_quiet(&mut self, now_ns: u64) {
        self.quiet_until_ns = now_ns.saturating_add(QUIET_NS);
    }

    fn clock_ns(&self, files: &TaskFiles) -> Option<u64> {
        let clock_ns = clock::thread_cpu_ns(self.tid);
        clock_ns.or_else(|| {
            let stat = stat(self.tid, files)?;
            let ticks = stat.user_ticks.saturating_add(stat.system_ticks);
            Some(ticks.saturating_mul(clock::TICK_NS))
        })
    }

    /// Opens the file that tells whether it moved, for good. False when it was open, or cannot be.
    fn keep_file(&mut self, hidden: bool) -> bool {
        if self.file.is_some() {
            return false;
        }
        let file = File::open(format!("/proc/self/task/{}/{}", self.tid, name(hidden)));
        self.file = file.ok().map(Own::new);
        self.file.is_some()
    }

    /// What that file says; empty when it may not be read, `None` when the thread ended.
    fn line<'a>(
        &self,
        hidden: bool,
        files: &TaskFiles,
        into: &'a mut [u8; LINE],
    ) -> Option<&'a [u8]> {
        if let Some(file) = &self.file {
            // Another thread of the same id is not found by this one's file.
            let length = file.get().ok()?.read_at(into, 0).ok()?;
            return into.get(..length);
        }
        let mut buffer = Buffer::default();
        let bytes = files.read(&format!("{}/{}", self.tid, name(hidden)), &mut buffer);
        let bytes = bytes.unwrap_or_default();
        let length = bytes.len().min(LINE);
        into.get_mut(..length)?
            .copy_from_slice(bytes.get(..length)?);
        into.get(..length)
    }

    /// Why it is not asked.
    fn excuse(
        &self,
        stat: &Stat,
        line: &[u8],
        hidden: bool,
        signal: i32,
        files: &TaskFiles,
        now_ns: u64,
    ) -> Option<Answered> {
        if now_ns < self.quiet_until_ns {
            return Some(Answered::Silent);
        }
        let task = Task {
            stat: stat.clone(),
            clock_ns: None,
        };
        if let Some(excuse) = task.excuse(signal) {
            return Some(excuse);
        }
        // One that waits for signals takes ours for the host's.
        let takes = stat.state == State::Sleeping
            && match hidden {
                false => std::str::from_utf8(line).is_ok_and(is_wait),
                true => {
                    let function = files.line(self.tid, "wchan");
                    function.is_some_and(|function| function.contains("sigtimedwait"))
                }
            };
        takes.then_some(Answered::Blocks)
    }
}

/// The file that tells whether a thread moved.
fn name(calls_hidden: bool) -> &'static str {
    match calls_hidden {
        true => "schedstat",
        false => "syscall",
    }
}
