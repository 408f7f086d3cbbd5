//! One look at all threads: who may be asked is, the copies are walked as they come, and for the
//! others stands what /proc knows.

use super::{
    Options,
    call::{self, Calls},
    history::{History, Seen},
    on,
    tasks::{Task, TaskFiles, Tasks},
    unwind::Unwinder,
};
use crate::{
    model::{
        Code, Failure, order,
        stack::{Answered, Dump, ThreadStack},
    },
    probe::{clock, procfs::push},
    sys::{
        memory::read_own,
        stacks::{self, Copied, Missing, Unusable},
    },
};
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// How long a thread has to answer; a running one takes microseconds, one without a core longer.
const PATIENCE: Duration = Duration::from_millis(100);
/// Frames that are kept of all stacks together, 48 bytes each.
const MOST_FRAMES: usize = 1_000_000;

/// A look under way.
struct Look<'a> {
    options: &'a Options,
    files: TaskFiles,
    /// By tid, like `threads`.
    tasks: Vec<Task>,
    threads: Vec<ThreadStack>,
    /// Stack pointers of those that answered: part of the fingerprint.
    pointers: Vec<u64>,
    gone: Vec<u32>,
    calls: Calls,
    frames_left: usize,
}

/// See [`super::take`].
pub(super) fn take(
    options: &Options,
    history: &History,
    keep_going: &dyn Fn() -> bool,
) -> Result<Dump, Failure> {
    let cancelled = |_: ()| match keep_going() {
        true => Failure::new(Code::Unsupported, "/proc/self/task cannot be read"),
        false => Failure::cancelled(),
    };
    let files = TaskFiles::open().ok_or(()).map_err(cancelled)?;
    let tasks = Tasks::list(&files, options.only.as_deref(), keep_going);
    let tasks = tasks.ok_or(()).map_err(cancelled)?;
    let mut dump = Dump {
        taken_unix_ns: unix_now_ns(),
        own_threads: tasks.own,
        app_crates: options.app_crates.clone(),
        ..Dump::default()
    };
    let mut look = Look::new(options, files, tasks.list).ok_or_else(no_memory)?;
    if options.ask {
        let mut unwinder = Unwinder::new(&read_own, keep_going)
            .ok_or(())
            .map_err(cancelled)?;
        dump.took_ns = look.ask(&mut unwinder, keep_going)?;
        let images = unwinder.into_images().list;
        dump.modules = images.into_iter().map(|image| image.module).collect();
    }
    look.read_the_silent(keep_going);
    look.forget_the_gone();
    look.compare(history, dump.taken_unix_ns);
    on::fill(&mut look.threads, keep_going);
    if !keep_going() {
        return Err(Failure::cancelled());
    }
    dump.threads = look.threads;
    Ok(dump)
}

impl<'a> Look<'a> {
    fn new(options: &'a Options, files: TaskFiles, mut tasks: Vec<Task>) -> Option<Self> {
        order::sort_by_key(&mut tasks, |task| task.stat.tid);
        let leader = std::process::id();
        let mut threads = Vec::new();
        let mut pointers = Vec::new();
        for task in &tasks {
            let thread = ThreadStack {
                tid: task.stat.tid,
                name: task.stat.name.clone(),
                main: task.stat.tid == leader,
                state: task.stat.letter,
                cpu_ns: task.cpu_ns(),
                ..ThreadStack::default()
            };
            if !push(&mut threads, thread) || !push(&mut pointers, 0) {
                return None;
            }
        }
        Some(Self {
            options,
            files,
            tasks,
            threads,
            pointers,
            gone: Vec::new(),
            calls: Calls::default(),
            frames_left: MOST_FRAMES,
        })
    }

    /// Asks everybody who can answer; how long that took, in nanoseconds.
    fn ask(
        &mut self,
        unwinder: &mut Unwinder<'_>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<u64, Failure> {
        let signal = self.options.signal;
        let mut asked = Vec::new();
        for (task, thread) in self.tasks.iter().zip(&mut self.threads) {
            match task.excuse(signal) {
                Some(excuse) => thread.answer = excuse,
                None if !push(&mut asked, task.stat.tid) => return Err(no_memory()),
                None => {}
            }
        }
        let began = clock::monotonic_ns();
        let mut each = |tid: u32, result: Result<Copied<'_>, Missing>| {
            let Ok(place) = self.threads.binary_search_by_key(&tid, |thread| thread.tid) else {
                return;
            };
            match result {
                Ok(copied) => self.answered(place, &copied, unwinder),
                Err(Missing::Gone) => self.gone.push(tid),
                Err(Missing::Silent) => self.missed(place, Answered::Silent),
                Err(Missing::Refused(_)) => self.missed(place, Answered::Refused),
            }
        };
        let result = stacks::collect(signal, &asked, PATIENCE, keep_going, &mut each);
        result.map_err(|why| unusable(&why, signal, unwinder))?;
        Ok(clock::monotonic_ns().saturating_sub(began))
    }

    fn answered(&mut self, place: usize, copied: &Copied<'_>, unwinder: &mut Unwinder<'_>) {
        let (Some(thread), Some(pointer)) =
            (self.threads.get_mut(place), self.pointers.get_mut(place))
        else {
            return;
        };
        let walk = unwinder.walk(copied, self.frames_left);
        self.frames_left = self.frames_left.saturating_sub(walk.frames.len());
        thread.answer = match copied.stack.is_empty() {
            true => Answered::Registers,
            false => Answered::Stack,
        };
        (thread.frames, thread.end) = (walk.frames, walk.end);
        thread.call = self.calls.of_registers(&copied.registers, &read_own);
        thread.stack_bytes = copied.depth;
        *pointer = copied.registers.sp;
    }

    fn missed(&mut self, place: usize, answer: Answered) {
        if let Some(thread) = self.threads.get_mut(place) {
            thread.answer = answer;
        }
    }

    /// What /proc knows of those that did not answer.
    fn read_the_silent(&mut self, keep_going: &dyn Fn() -> bool) {
        for thread in &mut self.threads {
            let knows = matches!(thread.answer, Answered::Stack | Answered::Registers);
            if knows || !keep_going() {
                continue;
            }
            let line = self.files.line(thread.tid, "syscall");
            thread.call = line.as_deref().and_then(call::of_line);
            let function = self.files.line(thread.tid, "wchan");
            thread.waits_in = function.filter(|name| name != "0");
        }
    }

    /// Threads that ended while we looked were not there.
    fn forget_the_gone(&mut self) {
        let gone = std::mem::take(&mut self.gone);
        if gone.is_empty() {
            return;
        }
        let mut kept = self
            .threads
            .iter()
            .map(|thread| !gone.contains(&thread.tid));
        let kept: Vec<bool> = kept.by_ref().collect();
        retain(&mut self.threads, &kept);
        retain(&mut self.tasks, &kept);
        retain(&mut self.pointers, &kept);
    }

    fn compare(&mut self, history: &History, now_unix_ns: u64) {
        let parts = self.tasks.iter().zip(&self.threads).zip(&self.pointers);
        let seen = parts.map(|((task, thread), pointer)| Seen {
            key: (thread.tid, task.stat.start_ticks),
            print: fingerprint(thread, *pointer),
            cpu_ns: thread.cpu_ns,
        });
        let seen: Vec<Seen> = seen.collect();
        let all = self.options.only.is_none();
        let since = history.compare(now_unix_ns, all, &seen);
        for (thread, since) in self.threads.iter_mut().zip(since) {
            thread.unchanged_since_unix_ns = since;
        }
    }
}

fn retain<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| kept.next().copied().unwrap_or(true));
}

fn fingerprint(thread: &ThreadStack, pointer: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    pointer.hash(&mut hasher);
    for frame in &thread.frames {
        frame.address.hash(&mut hasher);
    }
    if let Some(call) = &thread.call {
        (call.number, call.arguments).hash(&mut hasher);
    }
    thread.waits_in.hash(&mut hasher);
    hasher.finish()
}

fn unix_now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

fn no_memory() -> Failure {
    Failure::new(
        Code::NoMemory,
        "memory for the list of threads cannot be had",
    )
}

fn unusable(why: &Unusable, signal: i32, unwinder: &Unwinder<'_>) -> Failure {
    let name = nix::sys::signal::Signal::try_from(signal);
    let name = name.map_or_else(|_| format!("signal {signal}"), |name| name.to_string());
    let without = "--no-signal shows what /proc knows";
    match why {
        Unusable::Taken(handler) => {
            let whose = unwinder.path(*handler).unwrap_or("code of no file");
            let text = format!("{name} has another handler by now ({handler:#x} in {whose})");
            Failure::new(Code::Unsupported, text).hint(format!(
                "{without}; builder().signal(..) chooses another signal"
            ))
        }
        Unusable::Refused(errno) => {
            let text = format!("a handler for {name} cannot be installed: {errno}");
            Failure::new(Code::Unsupported, text).hint(without)
        }
        Unusable::NoMemory => {
            let text = "memory for copies of stacks cannot be had";
            Failure::new(Code::NoMemory, text).hint(without)
        }
        Unusable::Busy => Failure::new(Code::Busy, "others are asking the threads; try again"),
    }
}
