//! What threads do while the clock goes on, in the few classes that a profile tells apart.

use super::super::{
    threads::Thread,
    waits::{LockKind, WaitKind},
};
use crate::model::{
    stack::{Answered, SectionKind},
    wish::Kind,
};

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::fold) enum Class {
    /// On a core, or ready for one.
    Running,
    /// Waits for a lock.
    Lock,
    /// Waits for another thread to do something: condition variables, channels, joins.
    Condvar,
    /// Waits for time to pass.
    Sleep,
    /// Waits for a file, a socket, a device.
    Io,
    /// Waits for one of several descriptors.
    Poll,
    /// Waits for something else, or for what is not known.
    Other,
    /// Waits for work.
    Idle,
}

impl Class {
    /// All of them, with their words.
    pub(super) const ALL: [(Class, &str); 8] = [
        (Class::Running, "running"),
        (Class::Lock, "lock"),
        (Class::Condvar, "condvar, channel, join"),
        (Class::Sleep, "sleep"),
        (Class::Io, "I/O"),
        (Class::Poll, "poll"),
        (Class::Other, "other waits"),
        (Class::Idle, "waiting for work"),
    ];

    /// What `thread` does.
    pub(super) fn of(thread: &Thread<'_>) -> Self {
        match thread.wait.kind {
            _ if thread.kind == SectionKind::Idle => Class::Idle,
            WaitKind::Nothing => match (thread.stack.answer, thread.stack.state) {
                // It said nothing, and the kernel says that it does not run.
                (Answered::Stack, _) | (_, 'R') => Class::Running,
                (_, 'D') => Class::Io,
                _ => Class::Other,
            },
            WaitKind::Lock(_) => Class::Lock,
            WaitKind::Sleep => Class::Sleep,
            WaitKind::Descriptor(_) => Class::Io,
            WaitKind::Events(_) => Class::Poll,
            WaitKind::Call(_) | WaitKind::Number(_) | WaitKind::Unknown => Class::Other,
            _ => Class::Condvar,
        }
    }

    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(class, _)| *class == self);
        found.map_or("", |(_, word)| word)
    }

    /// Whether time spent so belongs to a profile of `kind`.
    pub(super) fn is_in(self, kind: Kind) -> bool {
        match kind {
            Kind::Cpu | Kind::Wall => true,
            Kind::Block => !matches!(self, Class::Running | Class::Idle),
            Kind::Mutex => self == Class::Lock,
        }
    }
}

/// In a few words what `thread` waits for: `std Mutex`, `sleep`, `recv`; `running`.
pub(super) fn words(thread: &Thread<'_>) -> &'static str {
    match thread.wait.kind {
        WaitKind::Nothing => Class::of(thread).word(),
        WaitKind::Lock(LockKind::Read | LockKind::ParkingLotRead) => "RwLock, to read",
        WaitKind::Lock(LockKind::Write | LockKind::ParkingLotWrite) => "RwLock, to write",
        WaitKind::Lock(kind) => kind.name(),
        _ => thread.wait.class(),
    }
}
