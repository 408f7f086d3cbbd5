//! What a blocked thread waits for: the system call says what kind, its callers say on whose behalf.

mod call;
mod callers;

pub(super) use callers::{may_wait, of_name, runs_others};

use super::frames::Item;
use crate::model::stack::ThreadStack;

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Wait {
    /// The kind.
    pub kind: WaitKind,
    /// Of a futex: its address. Equal addresses of locks are the same lock.
    pub address: Option<u64>,
    /// Of a call on a descriptor: which.
    pub fd: Option<u32>,
    /// What that descriptor is, if known: `10.2.0.9:5432`. Of a wait that is not known: the function of
    /// the kernel.
    pub on: Option<String>,
    /// It ends by itself after some time.
    pub timed: bool,
    /// Of a join: the thread that is joined.
    pub joined: Option<u32>,
}

/// What threads wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum WaitKind {
    /// Nothing: it is on a core, or ready for one.
    #[default]
    Nothing,
    /// A lock.
    Lock(LockKind),
    /// A condition variable: of `std`, `parking_lot` or `C`.
    Condvar(&'static str),
    /// `thread::unpark`.
    Park,
    /// A message: the kind of channel.
    Receive(&'static str),
    /// Room for a message, or somebody who takes it.
    Send(&'static str),
    /// Other threads at a barrier.
    Barrier,
    /// The end of a thread.
    Join,
    /// The end of all threads of a scope.
    Scope,
    /// A semaphore of C.
    Semaphore,
    /// A future, in `block_on`.
    BlockOn,
    /// Jobs that a rayon pool has.
    Rayon,
    /// Work: a worker of a runtime or a pool that has none.
    Work,
    /// Another futex.
    Futex,
    /// Time.
    Sleep,
    /// Events, by the call: epoll, poll, select, io_uring.
    Events(&'static str),
    /// A descriptor, by the call: read, recv, write, accept, fsync.
    Descriptor(&'static str),
    /// Something that the call's name says: "wait for a child".
    Call(&'static str),
    /// A call without a name here.
    Number(i64),
    /// Not known: it sleeps in the kernel.
    Unknown,
}

/// Locks, and what is like one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LockKind {
    /// `std::sync::Mutex`.
    Mutex,
    /// `std::sync::RwLock`, to read.
    Read,
    /// `std::sync::RwLock`, to write.
    Write,
    /// std's lock around stdout and stderr.
    Reentrant,
    /// `Once`, `OnceLock`, `LazyLock` of std, while another thread initializes it.
    Once,
    /// `once_cell` and the like.
    OnceCell,
    /// `parking_lot::Mutex`.
    ParkingLot,
    /// `parking_lot::RwLock`, to read.
    ParkingLotRead,
    /// `parking_lot::RwLock`, to write.
    ParkingLotWrite,
    /// `pthread_mutex_t` or another lock of C.
    C,
    /// `pthread_rwlock_t`.
    CRwLock,
    /// A lock inside malloc.
    Malloc,
    /// The dynamic loader's lock.
    Loader,
    /// The futex looks like that of a mutex, but no name says so.
    Probably,
}

impl LockKind {
    /// In words: `std Mutex`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            LockKind::Mutex => "std Mutex",
            LockKind::Read | LockKind::Write => "std RwLock",
            LockKind::Reentrant => "std ReentrantLock",
            LockKind::Once => "std Once",
            LockKind::OnceCell => "once_cell",
            LockKind::ParkingLot => "parking_lot Mutex",
            LockKind::ParkingLotRead | LockKind::ParkingLotWrite => "parking_lot RwLock",
            LockKind::C => "C mutex",
            LockKind::CRwLock => "C rwlock",
            LockKind::Malloc => "malloc's lock",
            LockKind::Loader => "loader's lock",
            LockKind::Probably => "probable mutex",
        }
    }

    /// Whether the address that is waited on tells this lock from others.
    pub(super) const fn has_address(self) -> bool {
        !matches!(
            self,
            LockKind::ParkingLot
                | LockKind::ParkingLotRead
                | LockKind::ParkingLotWrite
                | LockKind::OnceCell
        )
    }
}

impl Wait {
    /// What the thread waits for whose functions are `items`.
    pub(super) fn of(thread: &ThreadStack, items: &[Item<'_>]) -> Self {
        let mut wait = call::wait(thread, items);
        if wait.kind == WaitKind::Futex {
            wait.kind = match callers::of_futex(items) {
                WaitKind::Futex if call::is_like_mutex(thread) => {
                    WaitKind::Lock(LockKind::Probably)
                }
                kind => kind,
            };
        }
        wait.finish(thread);
        wait
    }

    fn new(kind: WaitKind) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    fn finish(&mut self, thread: &ThreadStack) {
        match self.kind {
            // The futex holds the id of the thread that ends.
            WaitKind::Join => {
                let id = thread.call.as_ref().map(|call| call::low(call, 2));
                self.joined = id.filter(|id| *id > 1);
                self.address = None;
            }
            // Writers of std's RwLock wait on its second word, readers on its first.
            WaitKind::Lock(LockKind::Write) => {
                self.address = self.address.map(|address| address.saturating_sub(4));
            }
            WaitKind::Unknown => self.on.clone_from(&thread.waits_in),
            // Its threads wait on futexes of their own.
            WaitKind::Lock(kind) if !kind.has_address() => self.address = None,
            _ => {}
        }
    }

    /// The lock that is waited for, if it is one.
    pub(crate) fn lock(&self) -> Option<LockKind> {
        match self.kind {
            WaitKind::Lock(kind) => Some(kind),
            _ => None,
        }
    }

    /// The class, one word, for programs: `lock`, `condvar`, `park`, `read`.
    pub(crate) const fn class(&self) -> &'static str {
        match self.kind {
            WaitKind::Nothing => "none",
            WaitKind::Lock(_) => "lock",
            WaitKind::Condvar(_) => "condvar",
            WaitKind::Park => "park",
            WaitKind::Receive(_) => "receive",
            WaitKind::Send(_) => "send",
            WaitKind::Barrier => "barrier",
            WaitKind::Join | WaitKind::Scope => "join",
            WaitKind::Semaphore => "semaphore",
            WaitKind::BlockOn => "future",
            WaitKind::Rayon => "rayon",
            WaitKind::Work => "work",
            WaitKind::Futex => "futex",
            WaitKind::Sleep => "sleep",
            WaitKind::Events(name) | WaitKind::Descriptor(name) | WaitKind::Call(name) => name,
            WaitKind::Number(_) => "call",
            WaitKind::Unknown => "unknown",
        }
    }

    /// In words, as what the thread does: `sleeps`, `reads from 10.2.0.9:5432 (fd 31)`; empty when
    /// it waits for nothing.
    pub(crate) fn words(&self) -> String {
        let text = match self.kind {
            WaitKind::Nothing => return String::new(),
            WaitKind::Lock(kind) => match self.address {
                Some(address) => format!("waits for {} at {address:#x}", article(kind)),
                None => format!("waits for {}", article(kind)),
            },
            WaitKind::Condvar(of) => format!("waits for a {of} Condvar"),
            WaitKind::Park => "parked".to_owned(),
            WaitKind::Receive(of) => format!("waits for a message ({of})"),
            WaitKind::Send(of) => format!("waits to send a message ({of})"),
            WaitKind::Barrier => "waits at a Barrier".to_owned(),
            WaitKind::Join => match self.joined {
                Some(tid) => format!("waits for thread {tid} to end"),
                None => "waits for a thread to end".to_owned(),
            },
            WaitKind::Scope => "waits for the threads of its scope".to_owned(),
            WaitKind::Semaphore => "waits for a semaphore".to_owned(),
            WaitKind::BlockOn => "waits for a future (block_on)".to_owned(),
            WaitKind::Rayon => "waits for jobs of rayon".to_owned(),
            // That it ends by itself says nothing: it looks around and waits again.
            WaitKind::Work => return "waits for work".to_owned(),
            WaitKind::Futex => "waits for a futex".to_owned(),
            WaitKind::Sleep => return "sleeps".to_owned(),
            WaitKind::Events(name) => return format!("in {name}"),
            WaitKind::Descriptor(_) => return self.on_descriptor(),
            WaitKind::Call(name) if name.starts_with("wait") => name.replacen("wait", "waits", 1),
            WaitKind::Call(name) => format!("in {name}"),
            WaitKind::Number(number) => format!("in system call {number}"),
            WaitKind::Unknown => match &self.on {
                Some(function) => format!("in {function} of the kernel"),
                None => "in the kernel".to_owned(),
            },
        };
        match self.timed {
            true => text + ", for a limited time",
            false => text,
        }
    }

    /// `reads from`, of a call on a descriptor.
    pub(super) fn verb(&self) -> &'static str {
        match self.kind {
            WaitKind::Descriptor("read" | "recv") => "reads from",
            WaitKind::Descriptor("write" | "send") => "writes to",
            WaitKind::Descriptor("accept") => "accepts on",
            WaitKind::Descriptor("connect") => "connects to",
            WaitKind::Descriptor("flock" | "fcntl lock") => "waits for the file lock of",
            WaitKind::Descriptor(other) => other,
            _ => "",
        }
    }

    fn on_descriptor(&self) -> String {
        let verb = self.verb();
        let fd = self.fd.map_or("?".to_owned(), |fd| fd.to_string());
        match &self.on {
            Some(on) => format!("{verb} {on} (fd {fd})"),
            None => format!("{verb} fd {fd}"),
        }
    }
}

fn article(kind: LockKind) -> String {
    match kind {
        LockKind::Malloc | LockKind::Loader => kind.name().to_owned(),
        kind => format!("a {}", kind.name()),
    }
}
