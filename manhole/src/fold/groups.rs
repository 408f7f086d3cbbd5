//! Threads with equal stacks, merged: equal is what looks equal to the reader.

use super::{
    lines::lines,
    roles::RoleKind,
    threads::{Thread, Threads},
    waits::{LockKind, WaitKind},
    words,
};
use crate::{
    model::{
        Cell, order,
        stack::{Answered, Group, Line, SectionKind},
    },
    render::units,
};
use std::cmp::Reverse;

/// From this age on it is said that a stack has not changed, in nanoseconds.
const LONG_NS: u64 = 1_000_000_000;

/// The groups that `members` make, most threads first.
pub(super) fn groups(
    members: &[&Thread<'_>],
    threads: &Threads<'_>,
    full_names: bool,
    doing_lock: bool,
) -> Vec<Group> {
    struct Merged<'t, 'a> {
        kind: RoleKind,
        doing: String,
        lines: Vec<Line>,
        threads: Vec<&'t Thread<'a>>,
    }
    let mut merged: Vec<Merged<'_, '_>> = Vec::new();
    for thread in members {
        let doing = doing(thread, threads, doing_lock);
        let lines = lines(thread, full_names);
        let kind = thread.role.kind;
        let equal = merged
            .iter_mut()
            .find(|other| other.kind == kind && other.doing == doing && other.lines == lines);
        match equal {
            Some(equal) => equal.threads.push(thread),
            None => merged.push(Merged {
                kind,
                doing,
                lines,
                threads: vec![thread],
            }),
        }
    }
    // Who probably holds a lock explains the others.
    let holds = |group: &Merged<'_, '_>| {
        group
            .threads
            .iter()
            .any(|thread| threads.held(thread).next().is_some())
    };
    order::sort_by_key(&mut merged, |group| {
        (Reverse(holds(group)), Reverse(group.threads.len()))
    });
    let groups = merged
        .into_iter()
        .map(|group| self::group(group.threads, group.doing, group.lines, threads));
    groups.collect()
}

fn group(
    mut members: Vec<&Thread<'_>>,
    mut doing: String,
    lines: Vec<Line>,
    threads: &Threads<'_>,
) -> Group {
    order::sort_by_key(&mut members, |thread| thread.stack.tid);
    let since = unchanged(&members);
    if let Some(since) =
        since.filter(|since| threads.taken_unix_ns.saturating_sub(*since) >= LONG_NS)
    {
        let shown = members
            .iter()
            .all(|thread| matches!(thread.kind, SectionKind::Lock | SectionKind::Wait));
        if shown {
            add(
                &mut doing,
                &format!("unchanged since {}", clock(since, threads.taken_unix_ns)),
            );
        }
    }
    let facts = members.first().map(|thread| facts(thread, threads, since));
    Group {
        tids: members.iter().map(|thread| thread.stack.tid).collect(),
        names: words::who(&members),
        doing,
        facts: facts.unwrap_or_default(),
        lines,
    }
}

fn add(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push_str("; ");
    }
    text.push_str(more);
}

/// Since when none of `members` has changed; `None` when that is not known of all.
fn unchanged(members: &[&Thread<'_>]) -> Option<u64> {
    let since = members
        .iter()
        .map(|thread| thread.stack.unchanged_since_unix_ns);
    since.collect::<Option<Vec<u64>>>()?.into_iter().max()
}

/// The time of day, with the date where it is another than that of `now`.
fn clock(unix_ns: u64, now: u64) -> String {
    let (time, now) = (units::time_utc(unix_ns), units::time_utc(now));
    match (time.split_once('T'), now.split_once('T')) {
        (Some((day, clock)), Some((today, _))) if day == today => clock.to_owned(),
        _ => time,
    }
}

/// What `thread` does, waits for, or why it did not answer. In a section of its own a lock needs not
/// be named: `name_lock` says whether it stands in one.
pub(super) fn doing(thread: &Thread<'_>, threads: &Threads<'_>, name_lock: bool) -> String {
    let lock = threads.awaited(thread);
    let mut doing = match (thread.kind, lock) {
        (SectionKind::NoAnswer, _) => reason(thread, threads),
        (_, Some(lock)) if name_lock => format!("waits for {}", lock.describe()),
        (SectionKind::Lock, _) => match thread.wait.kind {
            WaitKind::Lock(LockKind::Read | LockKind::ParkingLotRead) => "to read".to_owned(),
            WaitKind::Lock(LockKind::Write | LockKind::ParkingLotWrite) => "to write".to_owned(),
            _ => String::new(),
        },
        _ if thread.role.driver => "drives epoll".to_owned(),
        _ => thread.wait.words(),
    };
    let held: Vec<String> = threads
        .held(thread)
        .map(|lock| format!("lock {}", lock.letter))
        .collect();
    if !held.is_empty() {
        let one_of_two = threads.held(thread).all(|lock| lock.holders.len() > 1);
        let word = if one_of_two { "perhaps" } else { "probably" };
        add(&mut doing, &format!("{word} holds {}", words::list(&held)));
    }
    doing
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
    let mut parts = vec![match threads.awaited(thread) {
        Some(lock) => format!("waits for lock {}", lock.letter),
        None => thread.wait.words(),
    }];
    let state = match thread.stack.state {
        'R' => "on a core or ready for one",
        'S' => "sleeping",
        _ => "",
    };
    parts.push(state.to_owned());
    parts.push(format!("{} CPU", units::nanos(thread.stack.cpu_ns)));
    parts.retain(|part| !part.is_empty());
    format!("{why}; {}", parts.join(", "))
}

/// What programs want to know of a group.
fn facts(
    thread: &Thread<'_>,
    threads: &Threads<'_>,
    since: Option<u64>,
) -> Vec<(&'static str, Cell)> {
    let mut facts = vec![("wait", Cell::text(thread.wait.class()))];
    let role = thread.role.kind.name();
    if !role.is_empty() {
        facts.push(("role", Cell::text(role)));
    }
    if let Some(lock) = threads.awaited(thread) {
        facts.push(("lock", Cell::text(lock.letter.as_str())));
        // Beyond 2^53 not every program keeps a number whole.
        let address = lock.address.map(|address| format!("{address:#x}"));
        facts.extend(address.map(|address| ("lock_address", Cell::text(address))));
    }
    let held: Vec<&str> = threads
        .held(thread)
        .map(|lock| lock.letter.as_str())
        .collect();
    if !held.is_empty() {
        facts.push(("probably_holds", Cell::text(held.join(","))));
    }
    facts.extend(since.map(|since| ("unchanged_since", Cell::Time(since))));
    facts
}
