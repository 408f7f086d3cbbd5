//! The threads of the process, each with one look at it, and who may be asked.
//!
//! The looks cost most of an answer's time, so they are as short as can be: a descriptor of the
//! directory saves the kernel half of each path, a buffer of its own the second read.

use crate::{
    model::stack::Answered,
    probe::{
        clock::{self, TICK_NS},
        is_own_thread, procfs,
        threads::{Stat, State, Status},
    },
};
use nix::{
    fcntl::{OFlag, openat},
    sys::stat::Mode,
    unistd::read,
};
use std::{
    ffi::OsStr,
    fs::{self, File, ReadDir},
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
};

/// Longer than a `stat` can be.
const LONGEST: usize = 2048;
/// Signals whose bit is in `stat`.
const IN_STAT: i32 = 31;

/// A thread of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::probe) struct Task {
    pub stat: Stat,
    /// What its CPU clock says, in nanoseconds; `None` when it ended meanwhile.
    pub clock_ns: Option<u64>,
}

/// Reads files of threads below one descriptor.
#[derive(Debug)]
pub(in crate::probe) struct TaskFiles(File);

impl TaskFiles {
    /// Opens the directory of all threads; `None` without /proc.
    pub(in crate::probe) fn open() -> Option<Self> {
        File::open("/proc/self/task").ok().map(Self)
    }

    /// How many threads there are, by the links of the directory; 0.5 us.
    pub(in crate::probe) fn count(&self) -> usize {
        let links = self.0.metadata().map_or(0, |directory| directory.nlink());
        usize::try_from(links).map_or(0, |links| links.saturating_sub(2))
    }

    /// What a file of at most 2 KiB holds; `None` when it may not be read, or the thread has ended.
    pub(in crate::probe) fn read<'a>(&self, path: &str, into: &'a mut Buffer) -> Option<&'a [u8]> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.0, path, flags, Mode::empty()).ok()?;
        let length = read(&file, &mut into.0).ok()?;
        into.0.get(..length)
    }

    /// The same as text, without white space around it.
    pub(in crate::probe) fn line(&self, tid: u32, name: &str) -> Option<String> {
        let mut buffer = Buffer::default();
        let bytes = self.read(&format!("{tid}/{name}"), &mut buffer)?;
        let text = procfs::lossless(bytes);
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

/// Room for a file.
#[derive(Debug)]
pub(in crate::probe) struct Buffer([u8; LONGEST]);

impl Default for Buffer {
    fn default() -> Self {
        Self([0; LONGEST])
    }
}

/// The threads of the host, each looked at when it is asked for; 10 us.
#[derive(Debug)]
pub(super) struct Tasks<'a> {
    entries: ReadDir,
    files: &'a TaskFiles,
    only: Option<&'a [u32]>,
    buffer: Buffer,
    leader: u32,
    /// The console's own threads that were met, and left out; not counted with `only`.
    pub own: usize,
}

impl<'a> Tasks<'a> {
    /// All threads, or those among `only`; `None` without /proc.
    pub(super) fn new(files: &'a TaskFiles, only: Option<&'a [u32]>) -> Option<Self> {
        Some(Self {
            entries: fs::read_dir("/proc/self/task").ok()?,
            files,
            only,
            buffer: Buffer::default(),
            leader: std::process::id(),
            own: 0,
        })
    }

    /// A thread by its directory's name; `None` when it has ended since that was listed, is one of
    /// ours, or is not wanted.
    fn look(&mut self, name: &OsStr) -> Option<Task> {
        let name = std::str::from_utf8(name.as_bytes()).ok()?;
        let tid: u32 = name.parse().ok()?;
        if self.only.is_some_and(|only| !only.contains(&tid)) {
            return None;
        }
        let stat = self.files.read(&format!("{tid}/stat"), &mut self.buffer)?;
        let stat = Stat::parse(stat)?;
        if is_own_thread(&stat.name) && tid != self.leader {
            self.own += 1;
            return None;
        }
        let clock_ns = clock::thread_cpu_ns(tid);
        Some(Task { stat, clock_ns })
    }
}

impl Iterator for Tasks<'_> {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        loop {
            let entry = self.entries.next()?.ok()?;
            if let Some(task) = self.look(&entry.file_name()) {
                return Some(task);
            }
        }
    }
}

impl Task {
    /// CPU time so far, in nanoseconds; in steps of 10 ms where its clock could not be read.
    pub(super) fn cpu_ns(&self) -> u64 {
        let ticks = self.stat.user_ticks.saturating_add(self.stat.system_ticks);
        self.clock_ns.unwrap_or(ticks.saturating_mul(TICK_NS))
    }

    /// Why it cannot answer the signal; `None` when it can.
    pub(in crate::probe) fn excuse(&self, signal: i32) -> Option<Answered> {
        match self.stat.state {
            State::Uninterruptible => Some(Answered::Uninterruptible),
            State::Stopped => Some(Answered::Stopped),
            // The thread of `main` after pthread_exit, as long as others live.
            State::Dead => Some(Answered::NotAsked),
            _ if self.blocks(signal) => Some(Answered::Blocks),
            _ => None,
        }
    }

    pub(in crate::probe) fn blocks(&self, signal: i32) -> bool {
        let Some(bit) = u32::try_from(signal)
            .ok()
            .and_then(|signal| signal.checked_sub(1))
        else {
            return false;
        };
        let mask = match signal <= IN_STAT {
            true => Some(self.stat.blocked_signals),
            false => {
                let status = procfs::text(format!("/proc/self/task/{}/status", self.stat.tid));
                status.and_then(|status| Status::parse(&status).blocked_signals)
            }
        };
        mask.and_then(|mask| mask.checked_shr(bit)).unwrap_or(0) & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread};

    fn list(only: Option<&[u32]>) -> (Vec<Task>, usize) {
        let files = TaskFiles::open().unwrap();
        let mut tasks = Tasks::new(&files, only).unwrap();
        (tasks.by_ref().collect(), tasks.own)
    }

    fn me() -> u32 {
        nix::unistd::gettid().as_raw() as u32
    }

    fn mine() -> Task {
        list(Some(&[me()])).0.remove(0)
    }

    #[test]
    fn the_hosts_threads_are_listed_and_the_consoles_are_counted() {
        let (send, receive) = mpsc::channel::<()>();
        let (runs, running) = mpsc::channel();
        let named = thread::Builder::new().name("manhole-worker".to_owned());
        let body = move || {
            runs.send(()).unwrap();
            let _ = receive.recv();
        };
        named.spawn(body).unwrap();
        running.recv().unwrap();
        let (all, own) = list(None);
        assert!(own >= 1 && all.iter().all(|task| task.stat.name != "manhole-worker"));
        assert!(all.iter().any(|task| task.stat.tid == me()));
        assert_eq!(list(Some(&[me()])).0.len(), 1);
        assert_eq!((mine().stat.letter, mine().clock_ns.is_some()), ('R', true));
        drop(send);
    }

    #[test]
    fn who_cannot_answer_is_known_beforehand() {
        let check = |task: &Task, signal: i32, expected: Option<Answered>| {
            assert_eq!(task.excuse(signal), expected, "{signal}");
        };
        for signal in [1, 23, 31, 40, 64] {
            check(&mine(), signal, None);
        }
        let (before, after) = crate::sys::signals::blocked_while(|| {
            let task = mine();
            let excuses = [23, 40].map(|signal| task.excuse(signal));
            (excuses, task.excuse(11))
        });
        assert_eq!((before, after), ([Some(Answered::Blocks); 2], None));
        for (state, excuse) in [
            (State::Uninterruptible, Answered::Uninterruptible),
            (State::Stopped, Answered::Stopped),
            (State::Dead, Answered::NotAsked),
        ] {
            let mut task = mine();
            task.stat.state = state;
            check(&task, 23, Some(excuse));
        }
    }
}
