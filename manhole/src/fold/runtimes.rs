//! What the stacks say about tokio's runtimes: workers that are blocked run no tasks.

use super::{
    path,
    roles::RoleKind,
    threads::{Thread, Threads},
    words,
};
use crate::model::{Severity, stack::SectionKind};
use std::collections::BTreeMap;

/// A stack that is unchanged for so long is stuck, in nanoseconds.
pub(super) const STUCK_NS: u64 = 1_000_000_000;

/// A part of the sentence.
pub(super) type Part = (Severity, String);

/// A tokio runtime, as far as the names of its threads tell runtimes apart.
pub(super) struct Runtime<'t, 'a> {
    pub workers: Vec<&'t Thread<'a>>,
}

/// The runtimes that `threads` work for.
pub(super) fn runtimes<'t, 'a>(threads: &'t Threads<'a>) -> Vec<Runtime<'t, 'a>> {
    let mut runtimes: BTreeMap<(&str, u32), Vec<&Thread<'a>>> = BTreeMap::new();
    for thread in threads.all.iter().filter(|thread| thread.is_worker()) {
        // A single-threaded runtime is one of its own.
        let own = match thread.role.kind {
            RoleKind::CurrentThread => thread.stack.tid,
            _ => 0,
        };
        let runtime = runtimes.entry((thread.stack.name.as_str(), own));
        runtime.or_default().push(thread);
    }
    let runtimes = runtimes.into_values();
    runtimes.map(|workers| Runtime { workers }).collect()
}

impl<'t, 'a> Runtime<'t, 'a> {
    /// `6 of 8 tokio workers`, `all 4 tokio workers`.
    pub(super) fn share(&self, count: usize) -> String {
        let all = self.workers.len();
        let is_single = |thread: &&&Thread<'_>| thread.role.kind == RoleKind::CurrentThread;
        match self.workers.iter().find(is_single) {
            Some(thread) if thread.stack.main => "the current_thread runtime of main".to_owned(),
            Some(thread) => format!("the current_thread runtime of {}", thread.stack.name),
            None if count < all => format!("{count} of {all} tokio workers"),
            None if all == 1 => "the only tokio worker".to_owned(),
            None => format!("all {all} tokio workers"),
        }
    }

    /// Whether `count` workers are all there are.
    pub(super) fn is_all(&self, count: usize) -> bool {
        count > 0 && count == self.workers.len()
    }

    fn blocked(&self) -> Vec<&'t Thread<'a>> {
        let workers = self.workers.iter().filter(|thread| is_blocked(thread));
        workers.copied().collect()
    }
}

/// Whether a worker can run no task because of what it waits for.
pub(super) fn is_blocked(thread: &Thread<'_>) -> bool {
    match thread.kind {
        SectionKind::Lock | SectionKind::Wait => true,
        SectionKind::NoAnswer => thread.stack.state == 'D',
        SectionKind::Run | SectionKind::Idle => false,
    }
}

/// Since when none of `members` has moved, in nanoseconds before the dump; 0 when that is not known.
pub(super) fn still<'t, 'a: 't>(
    members: impl Iterator<Item = &'t Thread<'a>>,
    taken_unix_ns: u64,
) -> u64 {
    let since = members.map(|thread| thread.stack.unchanged_since_unix_ns);
    let since = since.collect::<Option<Vec<u64>>>();
    let last = since.and_then(|since| since.into_iter().max());
    last.map_or(0, |last| taken_unix_ns.saturating_sub(last))
}

/// A runtime none of whose workers can run a task, for more reasons than one lock.
pub(super) fn blocked(threads: &Threads<'_>) -> Option<Part> {
    let runtimes = runtimes(threads);
    let stuck = runtimes.iter().find(|runtime| {
        runtime.is_all(runtime.blocked().len()) && !is_one_queue(runtime, threads)
    })?;
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for thread in &stuck.workers {
        *reasons.entry(reason(thread, threads)).or_default() += 1;
    }
    let all = stuck.workers.len();
    let reasons = reasons
        .into_iter()
        .map(|(reason, count)| format!("{count} {reason}"));
    let mut reasons: Vec<String> = reasons.collect();
    if let [only] = stuck.workers.as_slice() {
        reasons = vec![format!("it {}", does(only, threads))];
    }
    let text = format!(
        "{} {} blocked and {} no task: {}",
        stuck.share(all),
        words::verb(all, "is", "are"),
        words::verb(all, "runs", "run"),
        words::list(&reasons),
    );
    Some((Severity::Bad, text))
}

/// Whether all workers wait for the lock that most threads wait for: then that is said of the lock.
fn is_one_queue(runtime: &Runtime<'_, '_>, threads: &Threads<'_>) -> bool {
    let largest = threads.locks.first();
    let mut workers = runtime.workers.iter();
    largest.is_some() && workers.all(|thread| threads.awaited(thread) == largest)
}

/// Why workers are blocked, behind their count: `in rates::reload (sleeps)`.
fn reason(thread: &Thread<'_>, threads: &Threads<'_>) -> String {
    match (threads.awaited(thread), site(thread)) {
        (Some(lock), _) => format!("for lock {}", lock.letter),
        (None, Some(site)) => format!("in {site} ({})", thread.wait.words()),
        (None, None) => format!("({})", thread.wait.words()),
    }
}

/// What a blocked thread does: `sleeps in rates::reload`.
fn does(thread: &Thread<'_>, threads: &Threads<'_>) -> String {
    let words = match threads.awaited(thread) {
        Some(lock) => format!("waits for lock {}", lock.letter),
        None => thread.wait.words(),
    };
    match site(thread) {
        Some(site) => format!("{words} in {site}"),
        None => words,
    }
}

/// The first function of the application, in two words.
pub(super) fn site(thread: &Thread<'_>) -> Option<String> {
    let item = thread.app().next()?;
    let site = path::tail(&item.name.path).trim_end_matches("{}");
    (!site.is_empty()).then(|| site.to_owned())
}

/// Workers that are blocked by something else than a lock: others have to run their tasks.
pub(super) fn slow(threads: &Threads<'_>) -> Option<Part> {
    let parts = runtimes(threads).into_iter().filter_map(|runtime| {
        if runtime.is_all(runtime.blocked().len()) {
            return None;
        }
        let workers = runtime.workers.iter();
        let waiting = workers.filter(|thread| thread.kind == SectionKind::Wait);
        let waiting: Vec<_> = waiting.collect();
        let first = waiting.first()?;
        let does = does(first, threads);
        let (is, who) = match waiting.len() {
            1 => ("is", "it"),
            _ => ("are", "one"),
        };
        let share = runtime.share(waiting.len());
        Some(format!("{share} {is} blocked: {who} {does}"))
    });
    let text = parts.collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then_some((Severity::Warn, text))
}

/// A runtime with idle workers of which none waits for I/O, while others are blocked.
///
/// One of those had waited in epoll last, and went on to run a task without waking a successor. Until
/// one of the blocked workers goes on, no descriptor and no timer is noticed.
pub(super) fn deaf(threads: &Threads<'_>) -> Option<Part> {
    let runtimes = runtimes(threads);
    let deaf = runtimes.iter().find(|runtime| {
        let has = |kind| runtime.workers.iter().any(|thread| thread.kind == kind);
        let driven = runtime.workers.iter().any(|thread| thread.role.driver);
        let idle = has(SectionKind::Idle) && !has(SectionKind::Run) && !has(SectionKind::NoAnswer);
        idle && !driven && !runtime.blocked().is_empty()
    })?;
    let blocked = deaf.blocked();
    let still = still(blocked.iter().copied(), threads.taken_unix_ns);
    let severity = match still >= STUCK_NS {
        true => Severity::Bad,
        false => Severity::Warn,
    };
    let text = "none of the idle workers waits in epoll, so that I/O and timers go unnoticed";
    Some((severity, text.to_owned()))
}
