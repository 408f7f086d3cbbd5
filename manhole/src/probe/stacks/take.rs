//! One look at all threads: who may be asked is, the copies are walked as they come, and for the
//! others stands what /proc knows.

use super::{
    Options,
    call::{self, Calls},
    history::{History, Seen},
    on,
    shared::Stacks,
    takers::Takers,
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
    time::Duration,
};

/// How long a thread has to answer; a running one takes microseconds, one without a core longer.
const PATIENCE: Duration = Duration::from_millis(100);
/// Threads beyond this number are not looked at.
const MOST_THREADS: usize = 65_536;
/// Frames that are kept of all stacks together, 48 bytes each.
const MOST_FRAMES: usize = 1_000_000;

/// See [`super::take`].
pub(super) fn take(
    options: &Options,
    history: &History,
    keep_going: &dyn Fn() -> bool,
) -> Result<Dump, Failure> {
    let mut dump = Dump {
        taken_unix_ns: crate::sys::unix_now_ns(),
        app_crates: options.app_crates.clone(),
        ..Dump::default()
    };
    let files = TaskFiles::open().ok_or_else(no_proc)?;
    history.reserve(files.count());
    let tasks = Tasks::new(&files, options.only.as_deref()).ok_or_else(no_proc)?;
    let mut queue = Queue::new(&files, tasks, options);
    let mut answers = Answers::default();
    if options.ask {
        let unwinder = Unwinder::new(&read_own, keep_going);
        let mut unwinder = unwinder.ok_or_else(|| stopped(keep_going))?;
        dump.took_ns = answers.gather(&mut queue, &mut unwinder, keep_going)?;
        dump.modules = unwinder.into_modules();
    }
    // Also with nobody to ask, and when the asking was cut short: all are to be seen.
    while keep_going() && queue.next().is_some() {}
    dump.own_threads = queue.tasks.own;
    let marks = answers.join(queue.seen, &mut dump.threads)?;
    let silent = dump.threads.iter_mut().filter(|thread| is_silent(thread));
    for thread in silent.take_while(|_| keep_going()) {
        read_proc(thread, &files);
    }
    compare(
        &mut dump.threads,
        &marks,
        options,
        history,
        dump.taken_unix_ns,
    );
    on::fill(&mut dump.threads, keep_going);
    match keep_going() {
        true => Ok(dump),
        false => Err(Failure::cancelled()),
    }
}

/// What tells of a thread whether it moves, beside what is shown of it: when it started, and its
/// stack pointer.
type Mark = (u64, u64);

/// The threads as they are found, and of those the ones to be asked.
struct Queue<'a> {
    files: &'a TaskFiles,
    tasks: Tasks<'a>,
    takers: Takers,
    options: &'a Options,
    leader: u32,
    /// With the start of each.
    seen: Vec<(ThreadStack, u64)>,
}

impl<'a> Queue<'a> {
    fn new(files: &'a TaskFiles, tasks: Tasks<'a>, options: &'a Options) -> Self {
        let leader = std::process::id();
        Self {
            files,
            tasks,
            takers: Takers::new(),
            options,
            leader,
            seen: Vec::new(),
        }
    }

    /// Why the thread is not asked.
    fn excuse(&mut self, task: &Task) -> Option<Answered> {
        if !self.options.ask {
            return Some(Answered::NotAsked);
        }
        let line = |tid: u32, name: &str| self.files.line(tid, name);
        task.excuse(self.options.signal).or_else(|| {
            let takes = self.takers.takes(&task.stat, line);
            takes.then_some(Answered::Blocks)
        })
    }

    fn stack_of(&self, task: Task, answer: Answered) -> ThreadStack {
        ThreadStack {
            tid: task.stat.tid,
            main: task.stat.tid == self.leader,
            state: task.stat.letter,
            cpu_ns: task.cpu_ns(),
            name: task.stat.name,
            answer,
            ..ThreadStack::default()
        }
    }
}

impl Iterator for Queue<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        loop {
            if self.seen.len() >= MOST_THREADS {
                return None;
            }
            let task = self.tasks.next()?;
            let excuse = self.excuse(&task);
            let (tid, start) = (task.stat.tid, task.stat.start_ticks);
            let thread = self.stack_of(task, excuse.unwrap_or_default());
            if !push(&mut self.seen, (thread, start)) {
                return None;
            }
            if excuse.is_none() {
                return Some(tid);
            }
        }
    }
}

/// What those who were asked said.
#[derive(Default)]
struct Answers {
    /// With the stack pointer of each.
    list: Vec<(ThreadStack, u64)>,
    gone: Vec<u32>,
    calls: Calls,
    stacks: Stacks,
    frames: usize,
    no_memory: bool,
}

impl Answers {
    /// Asks everybody in the queue; how long that took, in nanoseconds.
    fn gather(
        &mut self,
        queue: &mut Queue<'_>,
        unwinder: &mut Unwinder<'_>,
        keep_going: &dyn Fn() -> bool,
    ) -> Result<u64, Failure> {
        let began = clock::monotonic_ns();
        let signal = queue.options.signal;
        let mut each = |tid: u32, result: Result<Copied<'_>, Missing>| match result {
            Ok(copied) => self.add(tid, &copied, unwinder),
            Err(Missing::Gone) => self.gone.push(tid),
            Err(Missing::Silent) => self.add_mute(tid, Answered::Silent),
            Err(Missing::Refused(_)) => self.add_mute(tid, Answered::Refused),
        };
        let result = stacks::collect(signal, queue, PATIENCE, keep_going, &mut each);
        result.map_err(|why| unusable(&why, signal, unwinder))?;
        Ok(clock::monotonic_ns().saturating_sub(began))
    }

    fn add(&mut self, tid: u32, copied: &Copied<'_>, unwinder: &mut Unwinder<'_>) {
        let walk = unwinder.walk(copied, MOST_FRAMES.saturating_sub(self.frames));
        self.frames = self.frames.saturating_add(walk.frames.len());
        let answer = ThreadStack {
            tid,
            answer: match copied.stack.is_empty() {
                true => Answered::Registers,
                false => Answered::Stack,
            },
            frames: self.stacks.share(walk.frames),
            end: walk.end,
            call: self.calls.of_registers(&copied.registers, &read_own),
            stack_bytes: copied.depth,
            ..ThreadStack::default()
        };
        self.no_memory |= !push(&mut self.list, (answer, copied.registers.sp));
    }

    fn add_mute(&mut self, tid: u32, answer: Answered) {
        let answer = ThreadStack {
            tid,
            answer,
            ..ThreadStack::default()
        };
        self.no_memory |= !push(&mut self.list, (answer, 0));
    }

    /// Fills `threads` with each thread and its answer, by tid; those that ended while we looked were
    /// not there.
    fn join(
        mut self,
        mut seen: Vec<(ThreadStack, u64)>,
        threads: &mut Vec<ThreadStack>,
    ) -> Result<Vec<Mark>, Failure> {
        order::sort_by_key(&mut seen, |(thread, _)| thread.tid);
        order::sort_by_key(&mut self.list, |(answer, _)| answer.tid);
        order::sort_by_key(&mut self.gone, |tid| *tid);
        let mut marks = Vec::new();
        for (thread, start) in seen {
            if self.gone.binary_search(&thread.tid).is_ok() {
                continue;
            }
            let (joined, pointer) = match self.take(thread.tid) {
                Some((answer, pointer)) => (joined(thread, answer), pointer),
                None => (thread, 0),
            };
            let kept = push(threads, joined) && push(&mut marks, (start, pointer));
            self.no_memory |= !kept;
        }
        match self.no_memory {
            true => Err(no_memory()),
            false => Ok(marks),
        }
    }

    fn take(&mut self, tid: u32) -> Option<(ThreadStack, u64)> {
        let place = self
            .list
            .binary_search_by_key(&tid, |(answer, _)| answer.tid)
            .ok()?;
        let (answer, pointer) = self.list.get_mut(place)?;
        // The place keeps its tid, by which the others are found.
        let left = ThreadStack {
            tid,
            ..ThreadStack::default()
        };
        Some((std::mem::replace(answer, left), *pointer))
    }
}

/// The answer of a thread, with what was seen of it before.
fn joined(seen: ThreadStack, answer: ThreadStack) -> ThreadStack {
    ThreadStack {
        name: seen.name,
        main: seen.main,
        state: seen.state,
        cpu_ns: seen.cpu_ns,
        ..answer
    }
}

fn is_silent(thread: &ThreadStack) -> bool {
    !matches!(thread.answer, Answered::Stack | Answered::Registers)
}

/// What /proc knows of a thread that did not answer.
fn read_proc(thread: &mut ThreadStack, files: &TaskFiles) {
    let line = files.line(thread.tid, "syscall");
    thread.call = line.as_deref().and_then(call::of_line);
    let function = files.line(thread.tid, "wchan");
    thread.waits_in = function.filter(|name| name != "0");
}

fn compare(
    threads: &mut [ThreadStack],
    marks: &[Mark],
    options: &Options,
    history: &History,
    now_unix_ns: u64,
) {
    let mut look = history.look(now_unix_ns, options.only.is_none());
    for (thread, (start, pointer)) in threads.iter_mut().zip(marks) {
        thread.unchanged_since_unix_ns = look.note(&Seen {
            key: (thread.tid, *start),
            print: fingerprint(thread, *pointer),
            cpu_ns: thread.cpu_ns,
        });
    }
}

fn fingerprint(thread: &ThreadStack, pointer: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    pointer.hash(&mut hasher);
    for frame in thread.frames.iter() {
        frame.address.hash(&mut hasher);
    }
    // What is behind the arguments that a call takes is left over from others.
    if let Some(call) = &thread.call {
        (call.number, call.arguments.first()).hash(&mut hasher);
    }
    thread.waits_in.hash(&mut hasher);
    hasher.finish()
}

pub(in crate::probe) fn no_proc() -> Failure {
    Failure::new(Code::Unsupported, "/proc/self/task cannot be read")
}

fn no_memory() -> Failure {
    Failure::new(Code::NoMemory, "memory for the stacks cannot be had")
}

pub(in crate::probe) fn stopped(keep_going: &dyn Fn() -> bool) -> Failure {
    match keep_going() {
        true => Failure::new(Code::Unsupported, "/proc/thread-self/maps cannot be read"),
        false => Failure::cancelled(),
    }
}

pub(in crate::probe) fn unusable(why: &Unusable, signal: i32, unwinder: &Unwinder<'_>) -> Failure {
    let name = nix::sys::signal::Signal::try_from(signal);
    let name = name.map_or_else(|_| format!("signal {signal}"), |name| name.to_string());
    let without = "stacks --no-signal shows what /proc knows";
    match why {
        Unusable::Taken(handler) => {
            let whose = unwinder.path(*handler).unwrap_or("code of no file");
            let text = format!("{name} has another handler by now ({handler:#x} in {whose})");
            let remedy = format!("{without}; builder().signal(..) chooses another signal");
            Failure::new(Code::Unsupported, text).hint(remedy)
        }
        Unusable::Refused(errno) => {
            let text = format!("a handler for {name} cannot be installed: {errno}");
            Failure::new(Code::Unsupported, text).hint(without)
        }
        Unusable::NoMemory => no_memory().hint(without),
        Unusable::Busy => Failure::new(Code::Busy, "others are asking the threads; try again"),
    }
}
