//! What threads do, wait for, or why they did not answer, in words.

use super::{
    threads::{Thread, Threads},
    waits::{LockKind, WaitKind},
    words,
};
use crate::{
    model::stack::{Answered, SectionKind},
    render::units,
};

/// Descriptors, threads and addresses that are listed.
const LISTED: usize = 3;

/// What `thread` does. In a section of its own a lock needs not be named: `name_lock` says whether it
/// does otherwise.
pub(super) fn doing(thread: &Thread<'_>, threads: &Threads<'_>, name_lock: bool) -> String {
    of_all(&[thread], threads, name_lock)
}

/// The same without what may differ among threads of a group: descriptors, threads that are joined.
pub(super) fn in_common(thread: &Thread<'_>, threads: &Threads<'_>, name_lock: bool) -> String {
    let words = match thread.wait.kind {
        _ if thread.kind == SectionKind::NoAnswer => return doing(thread, threads, name_lock),
        WaitKind::Descriptor(_) => thread.wait.verb().to_owned(),
        WaitKind::Join => "join".to_owned(),
        _ => words(&[thread], threads, name_lock),
    };
    words + &holds(thread, threads)
}

/// What the threads of a group do, which have it in common.
pub(super) fn of_all(members: &[&Thread<'_>], threads: &Threads<'_>, name_lock: bool) -> String {
    let Some(first) = members.first() else {
        return String::new();
    };
    let words = words(members, threads, name_lock);
    let holds = holds(first, threads);
    match words.is_empty() {
        true => holds.trim_start_matches("; ").to_owned(),
        false => words + &holds,
    }
}

fn words(members: &[&Thread<'_>], threads: &Threads<'_>, name_lock: bool) -> String {
    let Some(first) = members.first() else {
        return String::new();
    };
    match (first.kind, threads.awaited(first)) {
        (SectionKind::NoAnswer, _) => reason(first, threads),
        (_, Some(lock)) if name_lock => format!("waits for {}", lock.describe()),
        (SectionKind::Lock, _) => match first.wait.kind {
            WaitKind::Lock(LockKind::Read | LockKind::ParkingLotRead) => "to read".to_owned(),
            WaitKind::Lock(LockKind::Write | LockKind::ParkingLotWrite) => "to write".to_owned(),
            _ => String::new(),
        },
        _ if first.role.driver => "drives epoll".to_owned(),
        _ if members.len() == 1 => first.wait.words(),
        _ => match first.wait.kind {
            WaitKind::Descriptor(_) => on_descriptors(members, first.wait.verb()),
            WaitKind::Join => joins(members),
            _ => first.wait.words(),
        },
    }
}

/// `reads from 10.2.0.9:5432 (fd 31, 32)`, `reads from 10.2.0.9:5432, :8080 and 12 others`.
fn on_descriptors(members: &[&Thread<'_>], verb: &str) -> String {
    let fds = members.iter().filter_map(|thread| thread.wait.fd);
    let fds = some(fds.map(|fd| fd.to_string()));
    let on = members.iter().filter_map(|thread| thread.wait.on.clone());
    let mut on: Vec<String> = on.collect();
    on.dedup();
    match on.as_slice() {
        [] => format!("{verb} fd {fds}"),
        [only] => format!("{verb} {only} (fd {fds})"),
        several => format!("{verb} {}", some(several.iter().cloned())),
    }
}

fn joins(members: &[&Thread<'_>]) -> String {
    let tids = members.iter().filter_map(|thread| thread.wait.joined);
    let tids = some(tids.map(|tid| tid.to_string()));
    format!("waits for threads {tids} to end")
}

/// The first few of `all`, each once, and a count.
fn some(all: impl Iterator<Item = String>) -> String {
    let mut each: Vec<String> = Vec::new();
    for one in all {
        if !each.contains(&one) {
            each.push(one);
        }
    }
    let more = each.len().saturating_sub(LISTED);
    if more > 1 {
        each.truncate(LISTED);
        each.push(format!("{} others", units::count(more as u64)));
    }
    words::list(&each)
}

/// `; probably holds lock A`.
fn holds(thread: &Thread<'_>, threads: &Threads<'_>) -> String {
    let held: Vec<_> = threads.held(thread).collect();
    if held.is_empty() {
        return String::new();
    }
    let one_of_two = held.iter().all(|lock| lock.holders.len() > 1);
    let word = if one_of_two { "perhaps" } else { "probably" };
    let locks: Vec<String> = held
        .iter()
        .map(|lock| format!("lock {}", lock.letter))
        .collect();
    format!("; {word} holds {}", words::list(&locks))
}

/// Why it did not answer, and what is known of it nevertheless.
fn reason(thread: &Thread<'_>, threads: &Threads<'_>) -> String {
    let why = match thread.stack.answer {
        Answered::Blocks => "blocks our signal",
        Answered::Uninterruptible => "in uninterruptible sleep",
        Answered::Stopped => "stopped, by a debugger or a signal",
        Answered::Silent => "did not answer in time",
        Answered::Registers => "its stack could not be read",
        Answered::Refused => "could not be sent a signal",
        Answered::Stack | Answered::NotAsked => "",
    };
    let waits = match threads.awaited(thread) {
        Some(lock) => format!("waits for lock {}", lock.letter),
        None => thread.wait.words(),
    };
    let state = match thread.stack.state {
        'R' => "on a core or ready for one",
        'S' => "sleeping",
        _ => "",
    };
    let cpu = format!("{} CPU", units::nanos(thread.stack.cpu_ns));
    let mut parts = vec![waits, state.to_owned(), cpu];
    parts.retain(|part| !part.is_empty());
    format!("{why}; {}", parts.join(", "))
}
