//! Who the threads are: the host's, which are sampled, and the console's own, whose time is only counted.

use super::super::{
    clock, is_own_thread,
    stacks::{Buffer, TaskFiles},
    threads::Stat,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

/// Threads that are looked at.
const MOST: usize = 65_536;

/// Who a thread of the host is, also when it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(in crate::probe) struct Person {
    pub tid: u32,
    pub name: String,
    pub main: bool,
    /// What its clock said when it was last looked at.
    pub cpu_ns: u64,
}

/// The console's own threads, with what their clocks said.
#[derive(Debug, Default)]
pub(in crate::probe) struct OwnThreads {
    clocks: BTreeMap<u32, u64>,
    /// What these used since the sampler began, in nanoseconds, as of [`OwnThreads::note`].
    pub used_ns: u64,
}

impl OwnThreads {
    /// What it did before we knew it is no more than the first milliseconds of a worker.
    pub(in crate::probe) fn add(&mut self, tid: u32) {
        self.clocks
            .insert(tid, clock::thread_cpu_ns(tid).unwrap_or(0));
    }

    pub(in crate::probe) fn has(&self, tid: u32) -> bool {
        self.clocks.contains_key(&tid)
    }

    pub(in crate::probe) fn count(&self) -> usize {
        self.clocks.len()
    }

    /// Forgets those that are gone.
    pub(in crate::probe) fn retain(&mut self, present: &BTreeSet<u32>) {
        self.clocks.retain(|tid, _| present.contains(tid));
    }

    /// Counts what they used since the last look.
    pub(in crate::probe) fn note(&mut self) {
        for (tid, before) in &mut self.clocks {
            let now = clock::thread_cpu_ns(*tid).unwrap_or(*before);
            self.used_ns += now.saturating_sub(*before);
            *before = now;
        }
    }
}

/// Whether a thread is the console's own.
pub(in crate::probe) fn is_own(stat: &Stat, leader: u32) -> bool {
    is_own_thread(&stat.name) && stat.tid != leader
}

/// What the file `stat` says of a thread.
pub(in crate::probe) fn stat(tid: u32, files: &TaskFiles) -> Option<Stat> {
    let mut buffer = Buffer::default();
    Stat::parse(files.read(&format!("{tid}/stat"), &mut buffer)?)
}

/// The ids of all threads.
pub(in crate::probe) fn present() -> Option<BTreeSet<u32>> {
    let entries = fs::read_dir("/proc/self/task").ok()?;
    let names = entries.map_while(Result::ok);
    let tids = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Some(tids.take(MOST).collect())
}
