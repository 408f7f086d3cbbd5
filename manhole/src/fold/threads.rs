//! All threads of a dump, looked at together: each with its functions, its role and its wait.

use super::{
    filter::Filter,
    frames::{Item, Reader},
    idle,
    locks::{self, Lock},
    roles::{self, Role, RoleKind},
    waits::{Wait, WaitKind},
};
use crate::model::stack::{Answered, Dump, Frame, SectionKind, ThreadStack};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
    sync::Arc,
};

/// A thread, and what was made of it.
pub(super) struct Thread<'a> {
    pub stack: &'a ThreadStack,
    /// Its functions, leaf first.
    pub items: Rc<[Item<'a>]>,
    pub role: Role,
    pub wait: Wait,
    /// Where it is shown.
    pub kind: SectionKind,
    /// Differs where [`Thread::is_like`] says no.
    pub print: u64,
}

/// The threads of a dump.
pub(super) struct Threads<'a> {
    pub all: Vec<Thread<'a>>,
    /// Locks that threads wait for, most waiters first.
    pub locks: Vec<Lock>,
    /// Which of them a thread waits for, by its id.
    queues: BTreeMap<u32, usize>,
    /// What the process is called, and threads that nobody gave a name.
    pub process: &'a str,
    /// When the dump was taken, in nanoseconds since the epoch.
    pub taken_unix_ns: u64,
}

impl<'a> Threads<'a> {
    /// Looks at the threads of `dump`.
    pub(super) fn of(dump: &'a Dump) -> Self {
        let mut reader = Reader::new(dump);
        let threads = dump.threads.iter();
        let mut all: Vec<_> = threads
            .map(|stack| Thread::new(stack, &mut reader))
            .collect();
        let named = all.iter_mut().map(|thread| {
            (
                thread.stack.name.as_str(),
                thread.stack.tid,
                &mut thread.role,
            )
        });
        roles::number(named);
        let locks = locks::find(&all);
        let queues = locks.iter().enumerate();
        let queues = queues.flat_map(|(at, lock)| lock.waiters.iter().map(move |tid| (*tid, at)));
        let main = dump.threads.iter().find(|thread| thread.main);
        Self {
            all,
            queues: queues.collect(),
            process: main.map_or("", |main| &main.name),
            locks,
            taken_unix_ns: dump.taken_unix_ns,
        }
    }

    /// The threads that `filter` lets through, or all.
    pub(super) fn matching(&self, filter: Option<&Filter>) -> Vec<&Thread<'a>> {
        let wanted = |thread: &&Thread<'a>| {
            filter.is_none_or(|filter| filter.matches(thread.stack, &thread.role))
        };
        self.all.iter().filter(wanted).collect()
    }

    /// The lock that `thread` waits for.
    pub(super) fn awaited(&self, thread: &Thread<'_>) -> Option<&Lock> {
        if let Some(at) = self.queues.get(&thread.stack.tid) {
            return self.locks.get(*at);
        }
        // One that did not answer is not in the queue, but its address may be that of the lock.
        let address = thread.wait.lock().and(thread.wait.address)?;
        self.locks.iter().find(|lock| lock.address == Some(address))
    }

    /// The locks that `thread` probably holds.
    pub(super) fn held(&self, thread: &Thread<'_>) -> impl Iterator<Item = &Lock> {
        let tid = thread.stack.tid;
        let locks = self.locks.iter();
        locks.filter(move |lock| lock.holders.contains(&tid))
    }

    /// The thread with the id `tid`.
    pub(super) fn by_tid(&self, tid: u32) -> Option<&Thread<'a>> {
        self.all.iter().find(|thread| thread.stack.tid == tid)
    }
}

impl<'a> Thread<'a> {
    /// A thread that runs or waits, as its system call and its functions tell.
    pub(super) fn new(stack: &'a ThreadStack, reader: &mut Reader<'a>) -> Self {
        let items = reader.items(stack);
        let wait = Wait::of(stack, &items);
        Self::with(stack, items, wait)
    }

    /// A thread that is known to run.
    pub(super) fn running(stack: &'a ThreadStack, reader: &mut Reader<'a>) -> Self {
        let items = reader.items(stack);
        Self::with(stack, items, Wait::default())
    }

    fn with(stack: &'a ThreadStack, items: Rc<[Item<'a>]>, wait: Wait) -> Self {
        let mut thread = Self {
            role: roles::role(stack, &items, &wait),
            wait,
            stack,
            items,
            kind: SectionKind::Idle,
            print: print(stack),
        };
        if thread.role.kind == RoleKind::IdleBlocking {
            thread.wait.kind = WaitKind::Work;
        }
        thread.kind = thread.section();
        thread
    }

    fn section(&self) -> SectionKind {
        match (&self.wait.kind, self.stack.answer) {
            (_, Answered::Stack | Answered::NotAsked) => {}
            _ => return SectionKind::NoAnswer,
        }
        match self.wait.kind {
            WaitKind::Nothing => SectionKind::Run,
            WaitKind::Lock(_) => SectionKind::Lock,
            _ if idle::is_idle(self) => SectionKind::Idle,
            _ => SectionKind::Wait,
        }
    }

    /// Whether it copied its stack.
    pub(super) fn answered(&self) -> bool {
        self.stack.answer == Answered::Stack
    }

    /// Whether `other` stands in the same functions, and does the same with them.
    pub(super) fn is_like(&self, other: &Thread<'_>) -> bool {
        let (own, their) = (&self.stack.frames, &other.stack.frames);
        let same = |(own, their): (&Frame, &Frame)| identity(own) == identity(their);
        self.role.kind == other.role.kind
            && self.wait.kind == other.wait.kind
            && (self.stack.end, self.stack.answer) == (other.stack.end, other.stack.answer)
            && own.len() == their.len()
            && (Arc::ptr_eq(own, their) || own.iter().zip(their.iter()).all(same))
    }

    /// The application's functions, leaf first.
    pub(super) fn app(&self) -> impl Iterator<Item = &Item<'a>> {
        self.items.iter().filter(|item| item.is_app())
    }

    /// Whether it is a worker of a tokio runtime.
    pub(super) fn is_worker(&self) -> bool {
        matches!(self.role.kind, RoleKind::Worker | RoleKind::CurrentThread)
    }
}

/// What tells a frame from others: the functions, which frames of one address share.
fn identity(frame: &Frame) -> (usize, u64, bool) {
    match frame.functions.is_empty() {
        true => (0, frame.address, frame.uncertain),
        false => (frame.functions.as_ptr() as usize, 0, frame.uncertain),
    }
}

fn print(stack: &ThreadStack) -> u64 {
    let mut hasher = DefaultHasher::new();
    stack
        .frames
        .iter()
        .for_each(|frame| identity(frame).hash(&mut hasher));
    hasher.finish()
}
