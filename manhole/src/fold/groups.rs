//! Threads with equal stacks, merged: equal is what looks equal to the reader.

use super::{
    doing,
    lines::lines,
    threads::{Thread, Threads},
    words,
};
use crate::{
    model::{
        Cell, order,
        stack::{Group, Line, SectionKind},
    },
    render::units,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// From this age on it is said that a stack has not changed, in nanoseconds.
const LONG_NS: u64 = 10_000_000_000;
/// The same of threads that wait for a lock.
const LONG_FOR_A_LOCK_NS: u64 = 1_000_000_000;

/// Threads that do the same in the same functions.
struct Merged<'t, 'a> {
    /// What they do, but for descriptors and the like.
    doing: String,
    lines: Vec<Line>,
    threads: Vec<&'t Thread<'a>>,
}

/// The groups that `members` make, most threads first. `name_lock`: a lock has no section of its own.
pub(super) fn groups(
    members: &[&Thread<'_>],
    threads: &Threads<'_>,
    full_names: bool,
    name_lock: bool,
) -> Vec<Group> {
    let mut merged: Vec<Merged<'_, '_>> = Vec::new();
    for mut alike in alike(members, threads, name_lock) {
        let Some(first) = alike.threads.first().copied() else {
            continue;
        };
        alike.lines = lines(first, full_names);
        let kind = |merged: &Merged<'_, '_>| merged.threads.first().map(|thread| thread.role.kind);
        let equal = merged.iter_mut().find(|other| {
            kind(other) == kind(&alike) && other.doing == alike.doing && other.lines == alike.lines
        });
        match equal {
            Some(equal) => equal.threads.append(&mut alike.threads),
            None => merged.push(alike),
        }
    }
    // Who probably holds a lock explains the others.
    let holds = |merged: &Merged<'_, '_>| {
        let mut members = merged.threads.iter();
        members.any(|thread| threads.held(thread).next().is_some())
    };
    order::sort_by_key(&mut merged, |merged| {
        (Reverse(holds(merged)), Reverse(merged.threads.len()))
    });
    let groups = merged.into_iter();
    groups
        .map(|merged| group(merged, threads, name_lock))
        .collect()
}

/// Threads that are in the very same functions together: most are, and their lines need be made only
/// once. In the order of their first members.
fn alike<'t, 'a>(
    members: &[&'t Thread<'a>],
    threads: &Threads<'_>,
    name_lock: bool,
) -> Vec<Merged<'t, 'a>> {
    let mut all: Vec<Merged<'t, 'a>> = Vec::new();
    let mut places: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for thread in members {
        let doing = doing::in_common(thread, threads, name_lock);
        let places = places.entry(thread.print).or_default();
        let place = places.iter().copied().find(|place| {
            all.get(*place).is_some_and(|other: &Merged<'_, '_>| {
                let first = other.threads.first();
                other.doing == doing && first.is_some_and(|first| first.is_like(thread))
            })
        });
        match place.and_then(|place| all.get_mut(place)) {
            Some(same) => same.threads.push(thread),
            None => {
                places.push(all.len());
                all.push(Merged {
                    doing,
                    lines: Vec::new(),
                    threads: vec![thread],
                });
            }
        }
    }
    all
}

fn group(merged: Merged<'_, '_>, threads: &Threads<'_>, name_lock: bool) -> Group {
    let (mut members, lines) = (merged.threads, merged.lines);
    order::sort_by_key(&mut members, |thread| thread.stack.tid);
    let since = unchanged(&members);
    let mut doing = doing::of_all(&members, threads, name_lock);
    let long = match members.first().map(|thread| thread.kind) {
        Some(SectionKind::Lock) => LONG_FOR_A_LOCK_NS,
        Some(SectionKind::Wait) => LONG_NS,
        _ => u64::MAX,
    };
    let is_long = |since: &u64| threads.taken_unix_ns.saturating_sub(*since) >= long;
    if let Some(since) = since.filter(is_long) {
        let gap = if doing.is_empty() { "" } else { "; " };
        let clock = clock(since, threads.taken_unix_ns);
        doing.push_str(&format!("{gap}unchanged since {clock}"));
    }
    let first = members.first();
    Group {
        tids: members.iter().map(|thread| thread.stack.tid).collect(),
        names: words::who(&members, threads),
        doing,
        facts: first.map_or(Vec::new(), |thread| facts(thread, threads, since)),
        lines,
    }
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
