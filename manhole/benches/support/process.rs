//! What the kernel says of a process from outside: its memory, threads, wake-ups and descriptors.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};
use std::{collections::BTreeMap, fs};

/// One look at a process.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// Resident bytes, by walking the page tables: `statm` lags behind by up to a batch per core.
    pub rss: u64,
    /// Of these, the process's own; the rest is code and data of files in the page cache.
    pub own: u64,
    /// Threads by name.
    pub threads: BTreeMap<String, Thread>,
    /// Descriptors of the main thread.
    pub descriptors: usize,
}

/// Threads of one name, added up.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// How many.
    pub count: usize,
    /// How often they went to sleep by themselves: each wake-up ends with one.
    pub slept: u64,
    /// Descriptors of the last of them.
    pub descriptors: usize,
}

impl Look {
    /// Looks at process `pid`.
    pub fn at(pid: u32) -> Self {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
        Self {
            rss: kilobytes(&rollup, "Rss:"),
            own: kilobytes(&rollup, "Anonymous:"),
            threads: threads(pid),
            descriptors: entries(&format!("/proc/{pid}/fd")),
        }
    }

    /// All threads.
    pub fn count(&self) -> usize {
        self.threads.values().map(|thread| thread.count).sum()
    }
}

fn threads(pid: u32) -> BTreeMap<String, Thread> {
    let mut threads: BTreeMap<String, Thread> = BTreeMap::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let path = task.path();
        // A thread may end between the listing and the look.
        let Ok(status) = fs::read_to_string(path.join("status")) else {
            continue;
        };
        let name = field(&status, "Name:").unwrap_or("?").to_owned();
        let thread = threads.entry(name).or_default();
        thread.count += 1;
        thread.slept += field(&status, "voluntary_ctxt_switches:")
            .and_then(|count| count.parse::<u64>().ok())
            .unwrap_or_default();
        thread.descriptors = entries(&path.join("fd").display().to_string());
    }
    threads
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

fn kilobytes(text: &str, name: &str) -> u64 {
    let number = field(text, name).and_then(|value| value.split(' ').next());
    number.and_then(|n| n.parse::<u64>().ok()).unwrap() * 1024
}

fn entries(dir: &str) -> usize {
    fs::read_dir(dir).map_or(0, Iterator::count)
}

/// Keeps this thread, and every process that it starts, on one core until it is dropped.
pub struct OneCore(CpuSet);

impl OneCore {
    /// The last core: the first one has most of the machine's interrupts.
    pub fn pin() -> Self {
        let me = Pid::from_raw(0);
        let before = sched_getaffinity(me).unwrap();
        let allowed = |core: &usize| before.is_set(*core).unwrap_or(false);
        let core = (0..CpuSet::count()).rev().find(allowed).unwrap();
        let mut one = CpuSet::new();
        one.set(core).unwrap();
        sched_setaffinity(me, &one).unwrap();
        Self(before)
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        sched_setaffinity(Pid::from_raw(0), &self.0).unwrap();
    }
}
