//! The threads of the process: who is busy, who waits for a core, what the others wait for.
//!
//! Two [`Snapshot`]s some time apart cost two small files a thread each (10 us); what a thread waits
//! for costs three or four more. The console's own threads are counted and left out. Nothing is
//! stopped or signalled.

mod stat;
mod still;
mod wait;

pub(crate) use stat::{SchedStat, Stat, State, Status};
pub(crate) use still::{Interval, Still};
pub(crate) use wait::{Futex, OnDescriptor, Wait};

use super::{
    clock::{self, TICK_NS},
    fds::{self, Sockets},
    is_own_thread, procfs,
};
use std::{collections::BTreeMap, fs, io, path::PathBuf};

/// A thread at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Name, state, times.
    pub stat: Stat,
    /// The scheduler's books, where the kernel keeps them.
    pub sched: Option<SchedStat>,
    /// When it was looked at, in nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
}

/// All threads at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Snapshot {
    /// When, in nanoseconds of CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// CPU time of the process so far, ended threads included, in nanoseconds.
    pub process_cpu_ns: Option<u64>,
    /// By tid, the console's own included.
    pub tasks: BTreeMap<u32, Task>,
}

/// One thread of the host, as seen over a window of time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Thread {
    /// Thread id.
    pub tid: u32,
    /// Name; the kernel keeps 15 bytes of it.
    pub name: String,
    /// Whether it is the one that `main` runs on.
    pub main: bool,
    /// What it was doing at the end of the window.
    pub state: State,
    /// CPU time since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// Cores it used during the window: 1.0 is one core. In steps of 0.02 without `schedstat`.
    pub cores: Option<f64>,
    /// Time it was ready and had no core, in nanoseconds per second.
    pub wait_ns_per_s: Option<f64>,
    /// How long ago it started, in nanoseconds.
    pub age_ns: Option<u64>,
    /// For how long it has not run, in nanoseconds; `None` when it ran in the window, or when nobody
    /// knows. Right within 30 s, see [`still`].
    pub still_ns: Option<u64>,
    /// Between which bounds `still_ns` lies for sure.
    pub interval: Option<Interval>,
    /// Page faults that read from a disk, during the window.
    pub major_faults: u64,
    /// Context switches and blocked signals.
    pub status: Status,
    /// What it waits for.
    pub wait: Wait,
}

/// The threads of the host.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Threads {
    /// By tid.
    pub list: Vec<Thread>,
    /// The console's own threads, left out of `list`.
    pub own: usize,
    /// Length of the window in nanoseconds.
    pub window_ns: u64,
    /// Cores that the host used during the window, threads that ended in it included.
    pub cores: Option<f64>,
    /// Files `syscall` may not be read (the process dropped root): waits come from `wchan`.
    pub calls_hidden: bool,
}

impl Snapshot {
    /// Looks at all threads; 10 us each. `None` when `keep_going` says no or there is no /proc.
    pub(crate) fn take(keep_going: &dyn Fn() -> bool) -> Option<Self> {
        let mut snapshot = Self {
            at_ns: clock::monotonic_ns(),
            process_cpu_ns: clock::process_cpu_ns(),
            tasks: BTreeMap::new(),
        };
        for dir in task_dirs()? {
            if !keep_going() {
                return None;
            }
            // A thread that ended since the directory was listed is no error.
            let Some(stat) = procfs::bytes(dir.join("stat")).and_then(|stat| Stat::parse(&stat))
            else {
                continue;
            };
            let task = Task {
                sched: sched_stat(&dir),
                at_ns: clock::monotonic_ns(),
                stat,
            };
            snapshot.tasks.insert(task.stat.tid, task);
        }
        Some(snapshot)
    }

    /// The scheduler's books of every thread, for [`Still::note`].
    pub(crate) fn sched_stats(&self) -> impl Iterator<Item = (u32, SchedStat)> + '_ {
        let known = self.tasks.iter();
        known.filter_map(|(tid, task)| Some((*tid, task.sched?)))
    }
}

/// The directories of all threads.
fn task_dirs() -> Option<impl Iterator<Item = PathBuf>> {
    let entries = fs::read_dir("/proc/self/task").ok()?;
    Some(entries.map_while(Result::ok).map(|entry| entry.path()))
}

fn sched_stat(dir: &std::path::Path) -> Option<SchedStat> {
    SchedStat::parse(&procfs::text(dir.join("schedstat"))?)
}

/// The scheduler's books alone, for the tick; one file a thread, 4 us.
pub(crate) fn sched_stats() -> Vec<(u32, SchedStat)> {
    let dirs = task_dirs().into_iter().flatten();
    dirs.take(still::MOST)
        .filter_map(|dir| {
            let tid = dir.file_name()?.to_str()?.parse().ok()?;
            Some((tid, sched_stat(&dir)?))
        })
        .collect()
}

impl Threads {
    /// What happened between two snapshots; `still` must have noted the first one.
    pub(crate) fn between(before: &Snapshot, after: &Snapshot, pid: u32, still: &Still) -> Self {
        let mut threads = Self {
            window_ns: after.at_ns.saturating_sub(before.at_ns),
            ..Self::default()
        };
        let mut own_cores = 0.0;
        for task in after.tasks.values() {
            // A reused tid is another thread: it began within the window.
            let earlier = before.tasks.get(&task.stat.tid);
            let earlier = earlier.filter(|old| old.stat.start_ticks == task.stat.start_ticks);
            let thread = Thread::between(earlier, task, before.at_ns, still);
            if is_own_thread(&thread.name) && thread.tid != pid {
                threads.own += 1;
                own_cores += thread.cores.unwrap_or(0.0);
                continue;
            }
            threads.list.push(Thread {
                main: thread.tid == pid,
                ..thread
            });
        }
        let used = after.process_cpu_ns.zip(before.process_cpu_ns);
        threads.cores = used.map(|(after, before)| {
            let used = after.saturating_sub(before) as f64 / threads.window_ns.max(1) as f64;
            (used - own_cores).max(0.0)
        });
        threads
    }

    /// Finds out what each thread waits for and since when; 30 to 50 us a thread.
    ///
    /// `false` when `keep_going` said no; the rest stays unknown.
    pub(crate) fn look(&mut self, keep_going: &dyn Fn() -> bool) -> bool {
        let now_run = last_run("/proc/thread-self");
        for thread in &mut self.list {
            if !keep_going() {
                return false;
            }
            self.calls_hidden |= thread.look();
            let Some(interval) = thread.interval else {
                continue;
            };
            let last = last_run(&format!("/proc/self/task/{}", thread.tid));
            let estimate = now_run
                .zip(last)
                .map(|(now, last)| now.saturating_sub(last));
            thread.still_ns = Some(interval.refined(estimate));
        }
        self.resolve(keep_going);
        true
    }

    /// Finds out what the descriptors are that threads wait on.
    fn resolve(&mut self, keep_going: &dyn Fn() -> bool) {
        let table = fds::table();
        let mut waits: Vec<&mut OnDescriptor> = Vec::new();
        for thread in &mut self.list {
            if let Wait::Descriptor(on) = &mut thread.wait {
                on.descriptor = fds::look(&table, on.fd);
                waits.push(on);
            }
        }
        let inode = |on: &OnDescriptor| on.descriptor.as_ref()?.link.socket();
        let wanted = waits.iter().filter_map(|on| inode(on)).collect();
        let sockets = Sockets::find(wanted, keep_going);
        for on in waits {
            on.socket = inode(on).and_then(|inode| sockets.by_inode.get(&inode).cloned());
        }
    }
}

fn last_run(dir: &str) -> Option<u64> {
    stat::parse_last_run(&procfs::text(format!("{dir}/sched"))?)
}

impl Thread {
    /// From two looks at it, or from one when it began in between.
    fn between(before: Option<&Task>, after: &Task, window_began_ns: u64, still: &Still) -> Self {
        let from_ns = before.map_or(window_began_ns, |task| task.at_ns);
        let seconds = after.at_ns.saturating_sub(from_ns).max(1) as f64 / 1e9;
        let grown = |figure: fn(&Task) -> Option<u64>| {
            let old = before.map_or(Some(0), figure)?;
            Some(figure(after)?.saturating_sub(old) as f64)
        };
        let cores = grown(|task| Some(task.cpu_ns())).map(|ns| ns / 1e9 / seconds);
        let faults = grown(|task| Some(task.stat.major_faults)).unwrap_or(0.0);
        let age_ns = clock::age_ns(after.stat.start_ticks);
        let noted = after
            .sched
            .and_then(|sched| still.of(after.stat.tid, sched, after.at_ns));
        // Never seen running: then it has been still since it began at most.
        let interval = noted.map(|noted| Interval {
            most_ns: noted.most_ns.or(age_ns),
            ..noted
        });
        Self {
            tid: after.stat.tid,
            name: after.stat.name.clone(),
            main: false,
            state: after.stat.state,
            cpu_ns: after.cpu_ns(),
            cores,
            wait_ns_per_s: grown(|task| Some(task.sched?.wait_ns)).map(|ns| ns / seconds),
            age_ns,
            still_ns: interval.map(|interval| interval.refined(None)),
            interval,
            major_faults: faults as u64,
            status: Status::default(),
            wait: Wait::Unknown,
        }
    }

    /// Reads what it waits for; `true` when its `syscall` may not be read.
    fn look(&mut self) -> bool {
        let file = |name: &str| format!("/proc/self/task/{}/{name}", self.tid);
        if let Some(status) = procfs::text(file("status")) {
            self.status = Status::parse(&status);
        }
        let (call, hidden) = match fs::read_to_string(file("syscall")) {
            Ok(line) => (Wait::from_syscall(&line), false),
            Err(why) => (None, why.kind() == io::ErrorKind::PermissionDenied),
        };
        self.wait = match (self.state, call) {
            (_, Some(wait)) => wait,
            (State::Running, None) => Wait::Nothing,
            (_, None) => Wait::from_wchan(procfs::line(file("wchan")).as_deref()),
        };
        hidden
    }
}

impl Task {
    /// CPU time so far, in nanoseconds.
    fn cpu_ns(&self) -> u64 {
        let ticks = self.stat.user_ticks.saturating_add(self.stat.system_ticks);
        match self.sched {
            Some(sched) => sched.run_ns,
            None => ticks.saturating_mul(TICK_NS),
        }
    }
}

#[cfg(test)]
mod tests;
