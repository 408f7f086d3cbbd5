//! What a thread is for, from the functions at its root.
//!
//! All threads of a tokio runtime have one name, so its workers, its pool for blocking calls and the
//! idle ones of that are told apart here. The rules name modules and functions of tokio 1.0 to 1.54
//! that the compiler keeps as functions of their own, so no inlined frames are needed.

use super::{
    frames::{Item, Name},
    waits::{Wait, WaitKind},
};
use crate::model::{order, stack::ThreadStack};
use std::collections::BTreeMap;

/// What a thread is for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Role {
    /// What it is for.
    pub kind: RoleKind,
    /// Of a tokio worker: its number, from 0, in the order of ids among the workers with its name.
    /// That is mostly, but not always, tokio's own number. `None` where one thread is looked at alone.
    pub number: Option<usize>,
    /// It waits in epoll for the descriptors and timers of its whole runtime.
    pub driver: bool,
}

/// What threads are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum RoleKind {
    /// Runs tasks of a multi-threaded tokio runtime.
    Worker,
    /// Runs a closure in tokio's pool for blocking calls.
    Blocking,
    /// Waits in that pool for a closure.
    IdleBlocking,
    /// Runs a single-threaded tokio runtime.
    CurrentThread,
    /// Waits for a future in `block_on` of a multi-threaded tokio runtime.
    BlockOn,
    /// Runs jobs of a rayon pool.
    Rayon,
    /// Runs tasks of another executor: async-std, smol.
    Executor,
    /// `main` runs on it, and none of the above.
    Main,
    /// Another thread.
    #[default]
    Other,
}

impl Role {
    /// In words: `worker 2`, `idle blocking`; empty for a thread like others.
    pub(crate) fn words(&self) -> String {
        let name = self.kind.name();
        match self.number {
            Some(number) => format!("{name} {number}"),
            None => name.to_owned(),
        }
    }
}

impl RoleKind {
    /// The word for it; empty for a thread like others.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            RoleKind::Worker => "worker",
            RoleKind::Blocking => "blocking",
            RoleKind::IdleBlocking => "idle blocking",
            RoleKind::CurrentThread => "current_thread runtime",
            RoleKind::BlockOn => "block_on",
            RoleKind::Rayon => "rayon",
            RoleKind::Executor => "executor",
            RoleKind::Main => "main",
            RoleKind::Other => "",
        }
    }

    /// What the frames at its root are, where they are folded.
    pub(super) const fn root(self) -> Option<&'static str> {
        match self {
            RoleKind::Blocking | RoleKind::IdleBlocking => Some("blocking pool"),
            RoleKind::Main | RoleKind::Other => None,
            kind => Some(kind.name()),
        }
    }
}

/// The role of `thread`, whose functions are `items` and which waits for `wait`.
pub(super) fn role(thread: &ThreadStack, items: &[Item<'_>], wait: &Wait) -> Role {
    let kind = match of_functions(items) {
        // All of the pool may be inlined into the thread's start.
        None if is_at_rest_in_pool(thread, items, wait) => RoleKind::IdleBlocking,
        None | Some(RoleKind::BlockOn) if thread.main => RoleKind::Main,
        kind => kind.unwrap_or_default(),
    };
    let is_in_events = matches!(wait.kind, WaitKind::Events(_));
    Role {
        kind,
        number: None,
        driver: kind == RoleKind::Worker && is_in_events && !items.iter().any(Item::is_app),
    }
}

/// What the functions say: what is nearer to the root says more.
fn of_functions(items: &[Item<'_>]) -> Option<RoleKind> {
    let mut kinds = items.iter().rev().filter_map(|item| item.name.rules.role);
    let kind = kinds.next()?;
    Some(match kind {
        RoleKind::BlockOn => match kinds.find(|kind| *kind != RoleKind::BlockOn) {
            Some(RoleKind::CurrentThread) => RoleKind::CurrentThread,
            _ => RoleKind::BlockOn,
        },
        // Workers are threads of the blocking pool, until they give their place away.
        RoleKind::Blocking | RoleKind::Worker => {
            let works = kind == RoleKind::Worker || kinds.any(|kind| kind == RoleKind::Worker);
            let gave_up = items.iter().any(|item| item.name.rules.gives_up);
            // Without a task being polled it waits for one.
            let polls = items.iter().any(|item| item.name.rules.polls);
            match (works && !gave_up, polls) {
                (true, _) => RoleKind::Worker,
                (false, true) => RoleKind::Blocking,
                (false, false) => RoleKind::IdleBlocking,
            }
        }
        kind => kind,
    })
}

/// The role of the thread that a function stands in.
pub(super) fn of_name(name: &Name) -> Option<RoleKind> {
    match name.of.as_str() {
        "tokio" => tokio(name),
        "rayon_core" => {
            let runs = matches!(name.last(), "run" | "main_loop" | "wait_until_cold");
            (runs && name.path.contains("::registry")).then_some(RoleKind::Rayon)
        }
        "async_global_executor" | "async_executor" | "smol" | "async_std" | "blocking" => {
            let runs = matches!(
                name.last(),
                "run" | "main_loop" | "thread_main_loop" | "block_on"
            );
            runs.then_some(RoleKind::Executor)
        }
        "async_io" => (name.last() == "main_loop").then_some(RoleKind::Executor),
        _ => None,
    }
}

fn tokio(name: &Name) -> Option<RoleKind> {
    let (path, last) = (name.path.as_str(), name.last());
    let is_in = |modules: &[&str]| modules.iter().any(|module| path.contains(module));
    match () {
        () if is_in(&["::blocking::pool::"]) && matches!(last, "run" | "spawn_thread") => {
            Some(RoleKind::Blocking)
        }
        () if is_in(&["::BlockingTask::"]) => Some(RoleKind::Blocking),
        () if is_in(&["::multi_thread::worker::", "::multi_thread_alt::worker::"])
            || is_in(&["::thread_pool::worker::"]) =>
        {
            matches!(
                last,
                "run" | "run_task" | "park" | "park_internal" | "park_timeout"
            )
            .then_some(RoleKind::Worker)
        }
        () if is_in(&["::current_thread::", "::basic_scheduler::"]) => {
            Some(RoleKind::CurrentThread)
        }
        () if last == "block_on" => Some(RoleKind::BlockOn),
        () => None,
    }
}

/// Whether a function hands its thread's place as a worker to another one.
pub(super) fn gives_up(name: &Name) -> bool {
    name.of == "tokio" && name.last() == "block_in_place"
}

/// Whether it waits as idle threads of tokio's pool do, and is called as tokio calls its threads.
fn is_at_rest_in_pool(thread: &ThreadStack, items: &[Item<'_>], wait: &Wait) -> bool {
    let is_tokios = ["tokio-runtime-w", "tokio-rt-worker"].contains(&thread.name.as_str());
    let waits = wait.timed && matches!(wait.kind, WaitKind::Condvar(_));
    is_tokios && waits && !items.iter().any(Item::is_app)
}

/// Numbers the workers among `threads`, which are given with name and id.
pub(super) fn number<'a>(threads: impl Iterator<Item = (&'a str, u32, &'a mut Role)>) {
    let mut workers: Vec<_> = threads
        .filter(|(_, _, role)| role.kind == RoleKind::Worker)
        .collect();
    order::sort_by_key(&mut workers, |(_, tid, _)| *tid);
    let mut next = BTreeMap::new();
    for (name, _, role) in workers {
        let next = next.entry(name).or_insert(0);
        role.number = Some(*next);
        *next += 1;
    }
}
