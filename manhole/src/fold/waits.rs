//! What a blocked thread waits for: the system call says what kind, its callers say on whose behalf.

use super::{
    frames::{Code, Item, Name},
    path,
};
use crate::{
    model::stack::{Call, ThreadStack},
    sys::calls::{self, Shape},
};

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Wait {
    /// The kind.
    pub kind: WaitKind,
    /// Of a futex: its address. Equal addresses of locks are the same lock.
    pub address: Option<u64>,
    /// Of a call on a descriptor: which.
    pub fd: Option<u32>,
    /// What that descriptor is, if known: `10.2.0.9:5432`.
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
            LockKind::Probably => "probably a mutex",
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
        let mut wait = base(thread, items);
        if wait.kind == WaitKind::Futex {
            wait.kind = futex(items, wait.kind);
            if wait.kind == WaitKind::Futex && is_like_mutex(thread) {
                wait.kind = WaitKind::Lock(LockKind::Probably);
            }
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
                let id = thread.call.as_ref().map(|call| low(call, 2));
                self.joined = id.filter(|id| *id > 1);
                self.address = None;
            }
            // Writers of std's RwLock wait on its second word, readers on its first.
            WaitKind::Lock(LockKind::Write) => {
                self.address = self.address.map(|address| address.saturating_sub(4));
            }
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
            WaitKind::Descriptor(name) => return self.on_descriptor(name),
            WaitKind::Call(name) if name.starts_with("wait") => name.replacen("wait", "waits", 1),
            WaitKind::Call(name) => format!("in {name}"),
            WaitKind::Number(number) => format!("in system call {number}"),
            WaitKind::Unknown => "sleeps in the kernel".to_owned(),
        };
        match self.timed {
            true => text + ", for a limited time",
            false => text,
        }
    }

    fn on_descriptor(&self, call: &str) -> String {
        let verb = match call {
            "read" | "recv" => "reads from",
            "write" | "send" => "writes to",
            "accept" => "accepts on",
            "connect" => "connects to",
            "flock" | "fcntl lock" => "waits for the file lock of",
            other => other,
        };
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
        LockKind::Probably => "what is probably a mutex".to_owned(),
        kind => format!("a {}", kind.name()),
    }
}

/// The low half of an argument: ints in registers may have anything above.
fn low(call: &Call, at: usize) -> u32 {
    let argument = call.arguments.get(at).copied().unwrap_or(0);
    (argument & 0xffff_ffff) as u32
}

/// What the system call says.
fn base(thread: &ThreadStack, items: &[Item<'_>]) -> Wait {
    let Some(call) = &thread.call else {
        return match thread.state {
            'R' => Wait::default(),
            _ => by_leaf(items, None).unwrap_or_else(|| match items.is_empty() {
                true => Wait::new(WaitKind::Unknown),
                // It was about to sleep, or has just woken up.
                false => Wait::default(),
            }),
        };
    };
    let Some(number) = call.number else {
        return by_leaf(items, Some(call)).unwrap_or(Wait::new(WaitKind::Unknown));
    };
    match calls::find(number) {
        Some((_, Shape::Restarted)) => {
            by_leaf(items, Some(call)).unwrap_or(Wait::new(WaitKind::Unknown))
        }
        Some((name, shape)) => by_shape(name, shape, Some(call)),
        None => Wait::new(WaitKind::Number(number)),
    }
}

fn by_shape(name: &'static str, shape: Shape, call: Option<&Call>) -> Wait {
    let argument = |at: usize| call.and_then(|call| call.arguments.get(at)).copied();
    match shape {
        Shape::Futex => Wait {
            address: argument(0),
            timed: argument(3).is_some_and(|timeout| timeout != 0),
            ..Wait::new(WaitKind::Futex)
        },
        Shape::Sleep => Wait::new(WaitKind::Sleep),
        Shape::Events => Wait::new(WaitKind::Events(name)),
        Shape::Descriptor => Wait {
            fd: call.map(|call| low(call, 0)),
            on: call.and_then(|call| call.on.clone()),
            ..Wait::new(WaitKind::Descriptor(name))
        },
        Shape::Plain | Shape::Restarted => Wait::new(WaitKind::Call(name)),
    }
}

/// What the function says that made the call; `None` when it is not known to make one.
fn by_leaf(items: &[Item<'_>], call: Option<&Call>) -> Option<Wait> {
    let leaf = items.first()?;
    let (name, shape) = match path::c_name(&leaf.name.path) {
        "nanosleep" | "clock_nanosleep" | "usleep" | "sleep" => ("sleep", Shape::Sleep),
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => ("epoll", Shape::Events),
        "poll" | "ppoll" => ("poll", Shape::Events),
        "select" | "pselect" | "pselect64" => ("select", Shape::Events),
        "read" | "readv" | "pread" | "pread64" => ("read", Shape::Descriptor),
        "recv" | "recvfrom" | "recvmsg" => ("recv", Shape::Descriptor),
        "write" | "writev" | "pwrite" | "pwrite64" => ("write", Shape::Descriptor),
        "send" | "sendto" | "sendmsg" => ("send", Shape::Descriptor),
        "accept" | "accept4" => ("accept", Shape::Descriptor),
        "connect" => ("connect", Shape::Descriptor),
        "fsync" | "fdatasync" => ("fsync", Shape::Descriptor),
        "flock" => ("flock", Shape::Descriptor),
        "wait4" | "waitpid" | "waitid" => ("wait for a child", Shape::Plain),
        "sigtimedwait" | "sigwaitinfo" | "sigwait" | "sigsuspend" | "pause" => {
            ("wait for a signal", Shape::Plain)
        }
        "lll_lock_wait" | "lll_lock_wait_private" | "futex_abstimed_wait_common" => {
            ("futex", Shape::Futex)
        }
        name if name.starts_with("pthread_cond_") || name.starts_with("sem_") => {
            ("futex", Shape::Futex)
        }
        "syscall" if is_futex(items) => ("futex", Shape::Futex),
        _ => return None,
    };
    Some(by_shape(name, shape, call))
}

/// Whether what called `syscall` waits on futexes.
fn is_futex(items: &[Item<'_>]) -> bool {
    let caller = items.get(1).map(|item| &item.name);
    caller.is_some_and(|name| {
        let of = name.of.as_str();
        name.path.contains("futex")
            || matches!(of, "parking_lot" | "parking_lot_core" | "once_cell")
            || (of == "std" && futex(items, WaitKind::Futex) != WaitKind::Futex)
    })
}

/// Whether a futex is awaited as std's and glibc's mutexes do: at the value 2, and without a limit.
fn is_like_mutex(thread: &ThreadStack) -> bool {
    let call = thread.call.as_ref();
    call.is_some_and(|call| low(call, 2) == 2 && call.arguments.get(3) == Some(&0))
}

/// On whose behalf a futex is awaited: what the callers say, from the leaf up to the first function
/// that is neither theirs nor libc's.
fn futex(items: &[Item<'_>], found: WaitKind) -> WaitKind {
    callers(items).fold(found, |found, name| {
        let said = said(name);
        said.filter(|said| may_replace(found, *said))
            .unwrap_or(found)
    })
}

fn callers<'a>(items: &'a [Item<'_>]) -> impl Iterator<Item = &'a Name> {
    let names = items.iter().map(|item| &*item.name);
    names.take_while(|name| may_wait(name) && !runs_others(name))
}

/// Whether a function may be part of waiting for something.
pub(super) fn may_wait(name: &Name) -> bool {
    const CRATES: [&str; 23] = [
        "std",
        "core",
        "alloc",
        "libc",
        "nix",
        "rustix",
        "linux_raw_sys",
        "parking_lot",
        "parking_lot_core",
        "lock_api",
        "dashmap",
        "once_cell",
        "crossbeam_channel",
        "crossbeam_utils",
        "flume",
        "kanal",
        "tokio",
        "mio",
        "polling",
        "rayon_core",
        "futures_executor",
        "pollster",
        "async_io",
    ];
    match name.code {
        Code::Native | Code::Nameless => true,
        Code::Foreign => CRATES.contains(&name.of.as_str()),
        Code::App => false,
    }
}

/// Whether it runs what others wrote: what stands behind it does not wait.
fn runs_others(name: &Name) -> bool {
    match name.of.as_str() {
        "tokio" => name.path.contains("::task::"),
        "rayon_core" => name.path.contains("::job::"),
        "std" => name.last() == "__rust_begin_short_backtrace",
        _ => false,
    }
}

/// Whether what a caller says is more to the point than what the functions it called said.
fn may_replace(found: WaitKind, said: WaitKind) -> bool {
    use WaitKind as W;
    match (found, said) {
        (W::Futex, _) => true,
        (W::Park, said) => !matches!(said, W::Park | W::Condvar("C" | "std")),
        (
            W::Condvar(_),
            W::Barrier | W::Work | W::Rayon | W::BlockOn | W::Receive(_) | W::Send(_),
        ) => true,
        (W::Condvar(_), W::Join | W::Condvar("parking_lot")) => true,
        (W::Lock(LockKind::C), W::Lock(LockKind::Malloc | LockKind::Loader)) => true,
        (W::Lock(LockKind::Mutex), W::Lock(LockKind::Reentrant)) => true,
        (W::Work, W::BlockOn) => true,
        _ => false,
    }
}

/// What a function that is part of waiting says about it.
fn said(name: &Name) -> Option<WaitKind> {
    match name.of.as_str() {
        _ if name.code == Code::Native => native(path::c_name(&name.path)),
        "std" => std(name),
        "parking_lot" | "dashmap" => parking_lot(name),
        "parking_lot_core" => (name.last() == "park").then_some(WaitKind::Park),
        "once_cell" => Some(WaitKind::Lock(LockKind::OnceCell)),
        "crossbeam_channel" => channel(name.last(), "crossbeam"),
        "flume" => channel(name.last(), "flume"),
        "kanal" => channel(name.last(), "kanal"),
        "tokio" => tokio(name),
        "rayon_core" if name.path.contains("::sleep::") => Some(WaitKind::Work),
        "rayon_core" if name.path.contains("::latch::") => Some(WaitKind::Rayon),
        "futures_executor" | "pollster" | "async_io" => name
            .last()
            .contains("block_on")
            .then_some(WaitKind::BlockOn),
        _ => None,
    }
}

fn std(name: &Name) -> Option<WaitKind> {
    let last = name.last();
    let is_in = |module: &str| name.path.contains(module);
    Some(match last {
        "lock_contended" => WaitKind::Lock(LockKind::Mutex),
        "read_contended" => WaitKind::Lock(LockKind::Read),
        "write_contended" => WaitKind::Lock(LockKind::Write),
        "park" | "park_timeout" if is_in("::thread") => WaitKind::Park,
        "join" if is_in("::thread") => WaitKind::Join,
        "scope" if is_in("::scoped::") => WaitKind::Scope,
        _ if is_in("condvar::") => WaitKind::Condvar("std"),
        _ if is_in("::reentrant_lock::") => WaitKind::Lock(LockKind::Reentrant),
        _ if is_in("::once::") => WaitKind::Lock(LockKind::Once),
        _ if is_in("::barrier::") => WaitKind::Barrier,
        _ if is_in("::mpmc::") || is_in("::mpsc::") => return channel(last, "mpsc"),
        _ => return None,
    })
}

fn channel(last: &str, of: &'static str) -> Option<WaitKind> {
    let begins = |words: &[&str]| words.iter().any(|word| last.starts_with(word));
    match () {
        () if begins(&["recv", "select", "ready"]) => Some(WaitKind::Receive(of)),
        () if begins(&["send"]) => Some(WaitKind::Send(of)),
        () => None,
    }
}

fn parking_lot(name: &Name) -> Option<WaitKind> {
    let shared = name.last().contains("shared");
    Some(match name.last() {
        "lock_slow" | "lock_contended" => WaitKind::Lock(LockKind::ParkingLot),
        _ if name.path.contains("condvar::") => WaitKind::Condvar("parking_lot"),
        "call_once_slow" => WaitKind::Lock(LockKind::OnceCell),
        last if last.ends_with("_slow") && shared => WaitKind::Lock(LockKind::ParkingLotRead),
        last if last.ends_with("_slow") || last == "wait_for_readers" => {
            WaitKind::Lock(LockKind::ParkingLotWrite)
        }
        _ => return None,
    })
}

fn tokio(name: &Name) -> Option<WaitKind> {
    let last = name.last();
    let is_in = |module: &str| name.path.contains(module);
    match () {
        () if last == "block_on" => Some(WaitKind::BlockOn),
        () if is_in("::blocking::pool::") => Some(WaitKind::Work),
        () if last.starts_with("park") && !is_in("::loom::") => Some(WaitKind::Work),
        () => None,
    }
}

fn native(name: &str) -> Option<WaitKind> {
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    Some(match name {
        "malloc" | "calloc" | "realloc" | "free" | "cfree" | "memalign" | "posix_memalign"
        | "aligned_alloc" | "arena_get2" | "malloc_trim" => WaitKind::Lock(LockKind::Malloc),
        _ if begins(&["int_malloc", "int_free", "malloc_arena", "tcache_"]) => {
            WaitKind::Lock(LockKind::Malloc)
        }
        _ if begins(&["dl_", "dlopen", "dlclose", "dlsym", "dlmopen"]) => {
            WaitKind::Lock(LockKind::Loader)
        }
        _ if begins(&["pthread_mutex_", "lll_lock_wait", "IO_", "flockfile"]) => {
            WaitKind::Lock(LockKind::C)
        }
        _ if begins(&["pthread_rwlock_"]) => WaitKind::Lock(LockKind::CRwLock),
        _ if begins(&["pthread_cond_"]) => WaitKind::Condvar("C"),
        _ if begins(&["pthread_join", "pthread_timedjoin", "pthread_clockjoin"]) => WaitKind::Join,
        _ if begins(&["sem_", "new_sem_"]) => WaitKind::Semaphore,
        _ if begins(&["pthread_barrier_"]) => WaitKind::Barrier,
        _ => return None,
    })
}
