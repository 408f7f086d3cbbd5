//! On whose behalf a futex is awaited: what the functions say that lead to the wait.

use super::super::{
    frames::{Code, Item, Name},
    path,
};
use super::{LockKind, WaitKind};

/// On whose behalf a futex is awaited: what the callers say, from the leaf up to the first function
/// that is neither theirs nor libc's.
pub(super) fn of_futex(items: &[Item<'_>]) -> WaitKind {
    let rules = items.iter().map(|item| &item.name.rules);
    let callers = rules.take_while(|rules| rules.may_wait && !rules.runs_others);
    callers.fold(WaitKind::Futex, |found, rules| {
        let said = rules.waits_for.filter(|said| may_replace(found, *said));
        said.unwrap_or(found)
    })
}

/// Whether a function may be part of waiting for something.
pub(in super::super) fn may_wait(name: &Name) -> bool {
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
        Code::App | Code::Derived => false,
    }
}

/// Whether it runs what others wrote: what stands behind it does not wait.
pub(in super::super) fn runs_others(name: &Name) -> bool {
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
        (
            W::Lock(LockKind::C),
            W::Lock(LockKind::Malloc | LockKind::Loader | LockKind::CRwLock),
        ) => true,
        (W::Lock(LockKind::Mutex), W::Lock(LockKind::Reentrant)) => true,
        (W::Work, W::BlockOn) => true,
        _ => false,
    }
}

/// What a function that is part of waiting says about it.
pub(in super::super) fn of_name(name: &Name) -> Option<WaitKind> {
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
