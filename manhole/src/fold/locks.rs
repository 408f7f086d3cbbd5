//! Which threads wait for the same lock, and who probably holds it.
//!
//! Threads that wait on one futex wait for one lock. Who holds it no futex tells: std keeps no owner.
//! A thread that is in the very function in which others wait for the lock, and does not wait for it
//! itself, probably got it there; likewise the only thread in another method of the same type. That is
//! a guess, and always called one.

use super::{frames::Item, path, threads::Thread, waits::LockKind, words};
use crate::model::{order, stack::SectionKind};
use std::{cmp::Reverse, collections::BTreeMap};

/// Most threads that are named as those that may hold a lock; more would name nobody.
const MOST_HOLDERS: usize = 2;

/// A lock that threads wait for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lock {
    /// `A`, `B`, ...
    pub letter: String,
    pub kind: LockKind,
    /// Where it lies; `None` for locks that park each thread on a futex of its own.
    pub address: Option<u64>,
    /// Where it is taken, if it has no address; empty when that is not known either.
    pub place: String,
    /// Ids of the threads that wait for it, ascending.
    pub waiters: Vec<u32>,
    /// Ids of those that probably hold it: none, one, or one of two.
    pub holders: Vec<u32>,
}

impl Lock {
    /// `lock A (std Mutex at 0x7f9b5686d9fa)`.
    pub(super) fn describe(&self) -> String {
        let kind = self.kind.name();
        let what = match self.address {
            Some(address) => format!("{kind} at {address:#x}"),
            // It has no address by which it could be told from others of its kind.
            None if self.place.is_empty() => format!("{kind}; perhaps several"),
            None => format!("{kind}; one as far as the place tells"),
        };
        format!("lock {} ({what})", self.letter)
    }
}

/// What tells one lock from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Address(u64),
    /// The kind, and where in the application it is taken.
    Place(&'static str, String),
}

/// The locks that `threads` wait for, most waiters first.
pub(super) fn find(threads: &[Thread<'_>]) -> Vec<Lock> {
    let mut queues: BTreeMap<Key, Vec<&Thread<'_>>> = BTreeMap::new();
    let waiting = threads
        .iter()
        .filter(|thread| thread.kind == SectionKind::Lock);
    for thread in waiting {
        if let Some(key) = key(thread) {
            queues.entry(key).or_default().push(thread);
        }
    }
    let mut queues: Vec<_> = queues.into_iter().collect();
    order::sort_by_key(&mut queues, |(_, queue)| Reverse(queue.len()));
    let numbered = queues.iter().enumerate();
    numbered
        .map(|(number, (key, queue))| lock(number, key, queue, threads))
        .collect()
}

fn key(thread: &Thread<'_>) -> Option<Key> {
    let kind = thread.wait.lock()?;
    Some(match thread.wait.address {
        Some(address) => Key::Address(address),
        None => Key::Place(kind.name(), place(thread)),
    })
}

/// Where a lock without an address is taken: the application's function, else the first that waits
/// for nothing by itself.
fn place(thread: &Thread<'_>) -> String {
    let outside = |item: &&Item<'_>| !item.name.rules.may_wait;
    let site = site(thread).or_else(|| thread.items.iter().find(outside));
    site.map_or(String::new(), |item| match item.name.path.ends_with("{}") {
        // Closures of one function, or only of one file, have the same name.
        true => format!("{} {}", item.name.path, super::lines::place(item)),
        false => item.name.path.clone(),
    })
}

fn lock(number: usize, key: &Key, queue: &[&Thread<'_>], threads: &[Thread<'_>]) -> Lock {
    let mut waiters: Vec<u32> = queue.iter().map(|thread| thread.stack.tid).collect();
    order::sort_by_key(&mut waiters, |tid| *tid);
    let (address, place) = match key {
        Key::Address(address) => (Some(*address), String::new()),
        Key::Place(_, place) => (None, place.clone()),
    };
    let kinds = queue.iter().filter_map(|thread| thread.wait.lock());
    Lock {
        letter: words::letters(number),
        kind: kinds.min().unwrap_or(LockKind::Probably),
        address,
        place,
        holders: holders(&waiters, queue, threads),
        waiters,
    }
}

/// Ids of the threads that probably hold the lock that `queue` waits for.
fn holders(waiters: &[u32], queue: &[&Thread<'_>], threads: &[Thread<'_>]) -> Vec<u32> {
    let sites: Vec<&Item<'_>> = queue
        .iter()
        .filter_map(|thread| lock_site(thread))
        .collect();
    let others = threads.iter().filter(|thread| {
        let elsewhere = matches!(thread.kind, SectionKind::Idle | SectionKind::NoAnswer);
        !elsewhere && !waiters.contains(&thread.stack.tid)
    });
    let others: Vec<&Thread<'_>> = others.collect();
    let those = |holds: &dyn Fn(&Item<'_>, &Item<'_>) -> bool| -> Vec<u32> {
        let found = others.iter().filter(|thread| {
            let mut items = thread.app();
            items.any(|item| sites.iter().any(|site| holds(item, site)))
        });
        found.map(|thread| thread.stack.tid).collect()
    };
    let in_function = those(&is_behind);
    if !in_function.is_empty() {
        return Some(in_function)
            .filter(|found| found.len() <= MOST_HOLDERS)
            .unwrap_or_default();
    }
    let in_type = those(&has_type_of);
    Some(in_type)
        .filter(|found| found.len() == 1)
        .unwrap_or_default()
}

/// The application's function that takes the lock which `thread` waits for.
fn lock_site<'t, 'a>(thread: &'t Thread<'a>) -> Option<&'t Item<'a>> {
    match thread.wait.lock() {
        // Anything in the application may call malloc or load a library.
        Some(LockKind::Malloc | LockKind::Loader) => None,
        _ => site(thread),
    }
}

fn site<'t, 'a>(thread: &'t Thread<'a>) -> Option<&'t Item<'a>> {
    thread.app().next()
}

/// Whether `item` is in the function of `site`, and not before it.
fn is_behind(item: &Item<'_>, site: &Item<'_>) -> bool {
    let (Some(own), Some(theirs)) = (item.function, site.function) else {
        return false;
    };
    let same = item.name.path == site.name.path && own.file == theirs.file;
    // Closures of one function, or only of one file, have the same name.
    if site.name.path.ends_with("{}") {
        return same && own.line == theirs.line;
    }
    let before = own
        .line
        .zip(theirs.line)
        .is_some_and(|(own, theirs)| own < theirs);
    same && !before
}

fn has_type_of(item: &Item<'_>, site: &Item<'_>) -> bool {
    let of = path::type_of(&site.name.path);
    of.is_some() && path::type_of(&item.name.path) == of
}
