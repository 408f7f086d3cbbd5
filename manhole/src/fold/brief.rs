//! Each thread in a few words, without its stack: what `threads` adds to what the kernel knows.

use super::{
    roles::RoleKind,
    threads::{Thread, Threads},
};
use crate::model::stack::{Dump, SectionKind};

/// What a thread is for, and what it waits for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Brief {
    /// Thread id.
    pub tid: u32,
    /// `worker 2`; empty for a thread like others.
    pub role: String,
    /// The same without what tells it from others of its kind: `worker`.
    pub kind: &'static str,
    /// `lock A (std Mutex)`, `sleeps; probably holds lock A`; empty when it waits for nothing.
    pub wait: String,
    /// The same in one word for programs: `lock`, `sleep`.
    pub class: &'static str,
    /// The letter of the lock that it waits for.
    pub lock: Option<String>,
    /// It waits for work.
    pub idle: bool,
}

/// The threads of `dump` that answered, in its order.
pub(crate) fn briefs(dump: &Dump) -> Vec<Brief> {
    let threads = Threads::of(dump);
    let answered = threads.all.iter().filter(|thread| thread.answered());
    answered.map(|thread| brief(thread, &threads)).collect()
}

fn brief(thread: &Thread<'_>, threads: &Threads<'_>) -> Brief {
    let lock = threads.awaited(thread);
    let mut wait = match lock {
        Some(lock) => format!("lock {} ({})", lock.letter, lock.kind.name()),
        None if thread.role.driver => "epoll (drives I/O)".to_owned(),
        None => thread.wait.words(),
    };
    let held: Vec<&str> = threads.held(thread).map(|lock| &*lock.letter).collect();
    if !held.is_empty() {
        let gap = if wait.is_empty() { "" } else { "; " };
        wait.push_str(&format!("{gap}probably holds lock {}", held.join(", ")));
    }
    // Which one is main stands in a column of its own already.
    let role = Some(&thread.role).filter(|role| role.kind != RoleKind::Main);
    Brief {
        tid: thread.stack.tid,
        role: role.map_or(String::new(), |role| role.words()),
        kind: role.map_or("", |role| role.kind.name()),
        wait,
        class: thread.wait.class(),
        lock: lock.map(|lock| lock.letter.clone()),
        idle: thread.kind == SectionKind::Idle,
    }
}
