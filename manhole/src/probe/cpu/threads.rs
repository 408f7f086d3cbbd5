//! The threads of the host, each with its timer.
//!
//! A timer is made for a thread as soon as it is seen and goes when the thread does; a thread is known
//! by its id and its start, since ids are used again. Who blocks the signal gets none: it could not be
//! sampled, and it may be waiting for signals, ours among them (sigwait(3)).

use super::super::{
    clock,
    procfs::{self, push},
    sampling::{OwnThreads, Person, is_own, present, stat},
    stacks::{Takers, Task, TaskFiles},
    threads::State,
};
use crate::sys::stacks::{Clock, Sampling, Timer};
use nix::sys::resource::{Resource, getrlimit};
use std::{collections::BTreeMap, ops::Bound};

/// How often threads are looked for, in nanoseconds; at most a twentieth of the time is spent on it.
const LOOK_NS: u64 = 10_000_000;
const SHARE: u64 = 20;
/// How often the list is read although nobody seems to have come.
const SURE_NS: u64 = 100_000_000;
/// How often some of those that are known are looked at again, and how many at a time.
const AGAIN_NS: u64 = 1_000_000_000;
const AGAIN: usize = 128;
/// Threads that are followed, 150 bytes each, and threads that are remembered by name, 60 bytes each.
const MOST: usize = 32_768;
/// How often in a row a thread must be seen to block the signal. One that is in a handler, or about to
/// begin or end, does for a moment, and it is at ticks, when signals come, that threads lose their core.
/// While it is ready for one it cannot be waiting for signals, and on a busy machine that lasts.
const SURELY: u8 = 3;
const SURELY_WHILE_READY: u8 = 50;
const MOST_PEOPLE: usize = 32_768;

/// A thread of the host that is there.
#[derive(Debug)]
struct Followed {
    /// Place among the people, once it was met.
    person: Option<u32>,
    name: String,
    /// 0: it left a sample before it was looked at.
    start_ticks: u64,
    cover: Cover,
    /// How often in a row it was seen to block the signal, or got no timer.
    refused: u8,
}

/// What tells how much processor time a thread uses.
#[derive(Debug)]
enum Cover {
    /// A timer of its own.
    Timer(#[allow(dead_code, reason = "it is deleted when dropped")] Timer),
    /// One that it made for itself.
    Guard,
    /// It blocks the signal, or waits for it.
    Blocks,
    /// It blocks the signal, but perhaps for a moment only.
    Passing,
    /// The kernel gives no more timers; or it was met before it was looked for.
    Nothing,
    /// It was not there at the last look; what it left may not be booked yet.
    Gone,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Threads {
    followed: BTreeMap<u32, Followed>,
    people: Vec<Person>,
    pub own: OwnThreads,
    /// Threads of the host that were seen since the sampler began.
    pub met: usize,
    takers: Takers,
    leader: u32,
    /// Timers as of the last list, and the most there may be.
    timers: usize,
    most_timers: usize,
    looked_ns: u64,
    listed_ns: u64,
    again_ns: u64,
    /// Where the next ones that are looked at again are.
    again_at: u32,
    /// What the last list took of a core; how long it had to wait for one does not matter.
    took_ns: u64,
    /// The id that was given out last in the system when the list was read.
    newest: Option<u32>,
}

impl Threads {
    /// Nobody yet. Whose name is not kept is the first of the people.
    pub(super) fn new() -> Self {
        let pending = getrlimit(Resource::RLIMIT_SIGPENDING).map_or(0, |(soft, _)| soft);
        Self {
            followed: BTreeMap::new(),
            people: vec![Person::default()],
            own: OwnThreads::default(),
            met: 0,
            takers: Takers::new(),
            leader: std::process::id(),
            timers: 0,
            // Each timer counts as a pending signal of the user's, of which the service may need some.
            most_timers: usize::try_from(pending / 2).unwrap_or(MOST).min(MOST),
            looked_ns: 0,
            listed_ns: 0,
            again_ns: 0,
            again_at: 0,
            took_ns: 0,
            newest: None,
        }
    }

    /// Looks who came and who went, when that is due. 4 us when nobody came, else 0.3 us a thread, and
    /// 15 us for one that came. `None` when threads cannot be listed.
    pub(super) fn look(&mut self, sampling: &Sampling, signal: i32) -> Option<()> {
        let now_ns = clock::monotonic_ns();
        let since = now_ns.saturating_sub(self.looked_ns);
        if self.looked_ns > 0 && since < LOOK_NS.max(self.took_ns.saturating_mul(SHARE)) {
            return Some(());
        }
        self.looked_ns = now_ns;
        let newest = newest_id();
        let sure = now_ns.saturating_sub(self.listed_ns) < SURE_NS;
        if sure && newest.is_some() && newest == self.newest {
            return Some(());
        }
        (self.listed_ns, self.newest) = (now_ns, newest);
        let before_ns = clock::own_cpu_ns();
        self.list(sampling, signal)?;
        if now_ns.saturating_sub(self.again_ns) >= AGAIN_NS {
            self.again_ns = now_ns;
            self.look_again(sampling, signal);
        }
        self.took_ns = clock::own_cpu_ns().saturating_sub(before_ns);
        Some(())
    }

    fn list(&mut self, sampling: &Sampling, signal: i32) -> Option<()> {
        let present = present()?;
        self.followed.retain(|tid, known| {
            let there = present.contains(tid);
            let stays = there || !matches!(known.cover, Cover::Gone);
            if !there {
                known.cover = Cover::Gone;
            }
            stays
        });
        self.own.retain(&present);
        let timers = self.followed.values();
        let timers = timers.filter(|it| matches!(it.cover, Cover::Timer(_)));
        self.timers = timers.count();
        let is_new = |tid: &&u32| match self.followed.get(tid) {
            Some(known) => known.is_bare(),
            None => !self.own.has(**tid),
        };
        // The main thread first: what it blocks tells who else may wait for signals.
        let mut new: Vec<u32> = present.iter().filter(is_new).copied().collect();
        if let Some(main) = new.iter().position(|tid| *tid == self.leader) {
            new.swap(0, main);
        }
        let files = TaskFiles::open()?;
        for tid in new {
            self.meet(tid, &files, sampling, signal);
        }
        Some(())
    }

    /// A thread that is not known, or has no timer.
    fn meet(&mut self, tid: u32, files: &TaskFiles, sampling: &Sampling, signal: i32) {
        let Some(task) = task(tid, files) else { return };
        if is_own(&task.stat, self.leader) {
            self.own.add(tid);
            return;
        }
        if task.stat.state == State::Dead {
            return;
        }
        let known = self.followed.remove(&tid);
        let start = task.stat.start_ticks;
        let same = known.filter(|known| [0, start].contains(&known.start_ticks));
        if same.is_none() {
            self.met += 1;
        }
        if self.followed.len() >= MOST {
            return;
        }
        let before = same.as_ref().map_or(0, |known| known.refused);
        let ready = task.stat.state == State::Running;
        let cover = match ready && before < task.surely() && task.blocks(signal) {
            true => {
                self.newest = None; // another look soon
                Cover::Passing
            }
            false => self.cover(&task, files, sampling, signal),
        };
        let followed = Followed {
            refused: match cover {
                Cover::Blocks | Cover::Passing | Cover::Nothing => before.saturating_add(1),
                Cover::Timer(_) | Cover::Guard | Cover::Gone => 0,
            },
            person: same.and_then(|known| known.person),
            name: task.stat.name,
            start_ticks: task.stat.start_ticks,
            cover,
        };
        self.followed.insert(tid, followed);
    }

    fn cover(&mut self, task: &Task, files: &TaskFiles, sampling: &Sampling, signal: i32) -> Cover {
        let tid = task.stat.tid;
        let line = |tid: u32, name: &str| files.line(tid, name);
        if self.takers.takes(&task.stat, line) || task.blocks(signal) {
            return Cover::Blocks;
        }
        if sampling.is_guarded(tid) {
            return Cover::Guard;
        }
        if self.timers >= self.most_timers {
            return Cover::Nothing;
        }
        match sampling.timer(Clock::Thread(tid)) {
            Ok(timer) => {
                self.timers += 1;
                Cover::Timer(timer)
            }
            Err(_) => Cover::Nothing,
        }
    }

    /// Looks at some of those that are known: who blocks the signal by now, or no longer, and whose id
    /// is another thread's.
    fn look_again(&mut self, sampling: &Sampling, signal: i32) -> Option<()> {
        let files = TaskFiles::open()?;
        let from = (Bound::Excluded(self.again_at), Bound::Unbounded);
        let some: Vec<u32> = self
            .followed
            .range(from)
            .take(AGAIN)
            .map(|(tid, _)| *tid)
            .collect();
        self.again_at = match some.len() {
            AGAIN => some.last().copied().unwrap_or(0),
            _ => 0,
        };
        for tid in some {
            let Some(task) = task(tid, &files) else {
                continue;
            };
            let Some(known) = self.followed.get_mut(&tid) else {
                continue;
            };
            let blocks = task.blocks(signal);
            let fits = match known.cover {
                Cover::Timer(_) if blocks => {
                    known.refused = known.refused.saturating_add(1);
                    known.refused < task.surely()
                }
                Cover::Timer(_) => {
                    known.refused = 0;
                    true
                }
                Cover::Blocks => blocks,
                Cover::Guard => sampling.is_guarded(tid),
                Cover::Passing | Cover::Nothing | Cover::Gone => false,
            };
            if !fits || known.start_ticks != task.stat.start_ticks {
                self.meet(tid, &files, sampling, signal);
            }
        }
        Some(())
    }

    /// Forgets all timers: those to come have another period. The threads are met again.
    pub(super) fn drop_timers(&mut self) {
        for known in self.followed.values_mut() {
            known.cover = Cover::Nothing;
            known.refused = 0;
        }
        (self.looked_ns, self.newest) = (0, None);
    }

    /// Whom a sample is of. `None`: it does not count, because the timer of the process met somebody
    /// who has another.
    pub(super) fn whose(&mut self, tid: u32, of_process: bool, sampling: &Sampling) -> Option<u32> {
        if self.own.has(tid) {
            return None;
        }
        let guarded = sampling.is_guarded(tid);
        let followed = self.followed.entry(tid).or_insert_with(|| {
            self.met += 1;
            Followed {
                person: None,
                name: String::new(),
                start_ticks: 0,
                cover: Cover::Nothing,
                refused: 0,
            }
        });
        match &followed.cover {
            Cover::Timer(_) | Cover::Guard if of_process => return None,
            _ if of_process && guarded => return None,
            // It made itself a timer while we made it one: one of them is enough.
            Cover::Timer(_) if guarded => followed.cover = Cover::Guard,
            _ => {}
        }
        if let Some(person) = followed.person {
            return Some(person);
        }
        let name = procfs::line(format!("/proc/self/task/{tid}/comm"));
        let person = Person {
            tid,
            name: name
                .or_else(|| sampling.guarded_name(tid))
                .unwrap_or_else(|| followed.name.clone()),
            main: tid == self.leader,
            cpu_ns: clock::thread_cpu_ns(tid).unwrap_or(0),
        };
        let place = u32::try_from(self.people.len()).ok()?;
        if self.people.len() >= MOST_PEOPLE || !push(&mut self.people, person) {
            return Some(0);
        }
        followed.person = Some(place);
        Some(place)
    }

    /// Who that was.
    pub(super) fn person(&self, place: u32) -> Option<&Person> {
        self.people.get(place as usize)
    }

    /// Looks what those that were met are called by now: names are often set after the start.
    pub(super) fn note_names(&mut self) {
        let Some(files) = TaskFiles::open() else {
            return;
        };
        for (tid, known) in &self.followed {
            let person = known
                .person
                .and_then(|place| self.people.get_mut(place as usize));
            let Some(person) = person else { continue };
            if let Some(name) = files.line(*tid, "comm") {
                person.name = name;
            }
            person.cpu_ns = clock::thread_cpu_ns(*tid).unwrap_or(person.cpu_ns);
        }
    }

    /// How many threads of the host there are.
    pub(super) fn alive(&self) -> usize {
        let there = |known: &&Followed| !matches!(known.cover, Cover::Gone);
        self.followed.values().filter(there).count()
    }

    /// How many of these have no timer.
    pub(super) fn without_timer(&self) -> usize {
        let bare = |known: &&Followed| {
            let cover = &known.cover;
            matches!(cover, Cover::Blocks | Cover::Passing | Cover::Nothing)
        };
        self.followed.values().filter(bare).count()
    }

    /// Whether one of these blocks the signal.
    pub(super) fn somebody_blocks(&self) -> bool {
        let blocks = |known: &Followed| matches!(known.cover, Cover::Blocks);
        self.followed.values().any(blocks)
    }
}

impl Followed {
    /// Whether it is worth another look when the threads are listed.
    fn is_bare(&self) -> bool {
        match self.cover {
            Cover::Blocks | Cover::Nothing => self.refused < SURELY,
            Cover::Timer(_) | Cover::Guard => false,
            Cover::Passing | Cover::Gone => true,
        }
    }
}

impl Task {
    /// How often in a row it must be seen to block the signal.
    fn surely(&self) -> u8 {
        match self.stat.state {
            State::Running => SURELY_WHILE_READY,
            _ => SURELY,
        }
    }
}

fn task(tid: u32, files: &TaskFiles) -> Option<Task> {
    Some(Task {
        stat: stat(tid, files)?,
        clock_ns: None,
    })
}

/// The id that was given to a thread or process last, of those that can be seen from here. While it
/// stays nobody has come.
fn newest_id() -> Option<u32> {
    let line = procfs::line("/proc/loadavg")?;
    parse_newest(&line)
}

/// The last field of `0.20 0.18 0.12 1/80 11206`.
fn parse_newest(line: &str) -> Option<u32> {
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_id_is_the_last_field() {
        let check = |line: &str, expected| assert_eq!(parse_newest(line), expected, "{line}");
        check("0.20 0.18 0.12 1/80 11206", Some(11206));
        check("0.20 0.18 0.12 1/80", None);
        check("", None);
    }

    #[test]
    fn a_thread_that_comes_is_the_newest() {
        let before = newest_id();
        std::thread::spawn(|| {}).join().unwrap();
        assert_ne!(newest_id(), before);
    }
}
