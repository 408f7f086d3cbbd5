//! The threads of the process, each with one look at it, and who may be asked.
//!
//! The look costs most of an answer's time, so it is one system call a file: a descriptor of the
//! directory saves the kernel half of each path, a buffer of its own the second read.

use crate::{
    model::stack::Answered,
    probe::{
        clock::{self, TICK_NS},
        is_own_thread,
        procfs::{self, push},
        threads::{Stat, State, Status},
    },
};
use nix::{
    fcntl::{OFlag, openat},
    sys::stat::Mode,
    unistd::read,
};
use std::{
    fs::{self, File},
    os::unix::ffi::OsStrExt,
};

/// Threads beyond this number are not looked at.
const MOST: usize = 65_536;
/// Longer than a `stat` can be.
const LONGEST: usize = 2048;
/// Signals whose bit is in `stat`.
const IN_STAT: i32 = 31;

/// A thread of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub stat: Stat,
    /// What its CPU clock says, in nanoseconds; `None` when it ended meanwhile.
    pub clock_ns: Option<u64>,
}

/// The threads of the host, by tid.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Tasks {
    pub list: Vec<Task>,
    /// The console's own, left out.
    pub own: usize,
}

/// Reads files of threads below one descriptor.
#[derive(Debug)]
pub(super) struct TaskFiles(File);

impl TaskFiles {
    /// Opens the directory of all threads; `None` without /proc.
    pub(super) fn open() -> Option<Self> {
        File::open("/proc/self/task").ok().map(Self)
    }

    /// What a file of at most 2 KiB holds; `None` when it may not be read, or the thread has ended.
    pub(super) fn read<'a>(&self, path: &str, into: &'a mut Buffer) -> Option<&'a [u8]> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let file = openat(&self.0, path, flags, Mode::empty()).ok()?;
        let length = read(&file, &mut into.0).ok()?;
        into.0.get(..length)
    }

    /// The same as text, without white space around it.
    pub(super) fn line(&self, tid: u32, name: &str) -> Option<String> {
        let mut buffer = Buffer::default();
        let bytes = self.read(&format!("{tid}/{name}"), &mut buffer)?;
        let text = procfs::lossless(bytes);
        let line = text.trim();
        (!line.is_empty()).then(|| line.to_owned())
    }
}

/// Room for a file.
#[derive(Debug)]
pub(super) struct Buffer([u8; LONGEST]);

impl Default for Buffer {
    fn default() -> Self {
        Self([0; LONGEST])
    }
}

impl Tasks {
    /// Looks at all threads, or at those among `only`; 5 us each. `None` when `keep_going` says no or
    /// there is no /proc.
    pub(super) fn list(
        files: &TaskFiles,
        only: Option<&[u32]>,
        keep_going: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let mut tasks = Self::default();
        let mut buffer = Buffer::default();
        let leader = std::process::id();
        for entry in fs::read_dir("/proc/self/task").ok()?.map_while(Result::ok) {
            if !keep_going() {
                return None;
            }
            let name = entry.file_name();
            let Ok(tid) = std::str::from_utf8(name.as_bytes()) else {
                continue;
            };
            let stat = files.read(&format!("{tid}/stat"), &mut buffer);
            // A thread that ended since the directory was listed is no error.
            let Some(stat) = stat.and_then(Stat::parse) else {
                continue;
            };
            if is_own_thread(&stat.name) && stat.tid != leader {
                tasks.own += 1;
            } else if only.is_none_or(|only| only.contains(&stat.tid)) {
                let clock_ns = clock::thread_cpu_ns(stat.tid);
                if tasks.list.len() >= MOST || !push(&mut tasks.list, Task { stat, clock_ns }) {
                    break;
                }
            }
        }
        Some(tasks)
    }
}

impl Task {
    /// CPU time so far, in nanoseconds; in steps of 10 ms where its clock could not be read.
    pub(super) fn cpu_ns(&self) -> u64 {
        let ticks = self.stat.user_ticks.saturating_add(self.stat.system_ticks);
        self.clock_ns.unwrap_or(ticks.saturating_mul(TICK_NS))
    }

    /// Why it cannot answer the signal; `None` when it can.
    pub(super) fn excuse(&self, signal: i32) -> Option<Answered> {
        match self.stat.state {
            State::Uninterruptible => Some(Answered::Uninterruptible),
            State::Stopped => Some(Answered::Stopped),
            _ if self.blocks(signal) => Some(Answered::Blocks),
            _ => None,
        }
    }

    fn blocks(&self, signal: i32) -> bool {
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

    fn list() -> Tasks {
        Tasks::list(&TaskFiles::open().unwrap(), None, &|| true).unwrap()
    }

    #[test]
    fn the_own_threads_are_listed_and_the_consoles_are_counted() {
        let (send, receive) = mpsc::channel::<()>();
        let named = thread::Builder::new().name("manhole-worker".to_owned());
        named.spawn(move || receive.recv()).unwrap();
        thread::sleep(std::time::Duration::from_millis(50));
        let tasks = list();
        assert!(tasks.own >= 1);
        let me = nix::unistd::gettid().as_raw() as u32;
        let mine = tasks.list.iter().find(|task| task.stat.tid == me).unwrap();
        assert_eq!((mine.stat.letter, mine.clock_ns.is_some()), ('R', true));
        let only = Tasks::list(&TaskFiles::open().unwrap(), Some(&[me]), &|| true).unwrap();
        assert_eq!(only.list.len(), 1);
        assert_eq!(
            Tasks::list(&TaskFiles::open().unwrap(), None, &|| false),
            None
        );
        drop(send);
    }

    #[test]
    fn who_cannot_answer_is_known_beforehand() {
        let me = nix::unistd::gettid().as_raw() as u32;
        let mine = || {
            list()
                .list
                .into_iter()
                .find(|task| task.stat.tid == me)
                .unwrap()
        };
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
        ] {
            let mut task = mine();
            task.stat.state = state;
            check(&task, 23, Some(excuse));
        }
    }
}
