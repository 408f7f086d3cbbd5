//! All threads of a dump, looked at together: each with its functions, its role and its wait.

use super::{
    filter::Filter,
    frames::{Item, Reader},
    idle,
    locks::{self, Lock},
    roles::{self, Role, RoleKind},
    waits::{Wait, WaitKind},
};
use crate::model::stack::{Answered, Dump, SectionKind, ThreadStack};

/// A thread, and what was made of it.
pub(super) struct Thread<'a> {
    pub stack: &'a ThreadStack,
    /// Its functions, leaf first.
    pub items: Vec<Item<'a>>,
    pub role: Role,
    pub wait: Wait,
    /// Where it is shown.
    pub kind: SectionKind,
}

/// The threads of a dump.
pub(super) struct Threads<'a> {
    pub all: Vec<Thread<'a>>,
    /// Locks that threads wait for, most waiters first; positions are those in `all`.
    pub locks: Vec<Lock>,
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
        Self {
            all,
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
        // One that did not answer is not in the queue, but its address may be that of the lock.
        let address = thread.wait.lock().and(thread.wait.address);
        let mut locks = self.locks.iter();
        locks.find(|lock| {
            lock.waiters.contains(&thread.stack.tid)
                || (address.is_some() && lock.address == address)
        })
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
    fn new(stack: &'a ThreadStack, reader: &mut Reader<'a>) -> Self {
        let items = reader.items(stack);
        let wait = Wait::of(stack, &items);
        let mut thread = Self {
            role: roles::role(stack, &items, &wait),
            wait,
            stack,
            items,
            kind: SectionKind::Idle,
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

    /// The application's functions, leaf first.
    pub(super) fn app(&self) -> impl Iterator<Item = &Item<'a>> {
        self.items.iter().filter(|item| item.is_app())
    }

    /// Whether it is a worker of a tokio runtime.
    pub(super) fn is_worker(&self) -> bool {
        matches!(self.role.kind, RoleKind::Worker | RoleKind::CurrentThread)
    }
}
