//! What the stacks say about the lock that most threads wait for.

use super::{
    locks::Lock,
    runtimes::{Part, Runtime, STUCK_NS, runtimes, site, still},
    threads::{Thread, Threads},
    waits::WaitKind,
    words,
};
use crate::{
    model::{Severity, stack::SectionKind},
    render::words::plural,
};

/// So many that wait for one lock, and have for a while, are worth waking somebody up for.
const MANY: usize = 3;
/// From here on even a single thread waits too long for a lock, in nanoseconds.
const HOPELESS_NS: u64 = 10_000_000_000;

/// `6 of 8 tokio workers wait for one std Mutex, lock A; 4766 probably holds it, asleep in
/// flush::write_page`.
pub(super) fn pile(threads: &Threads<'_>) -> Option<Part> {
    let lock = threads.locks.first()?;
    let runtimes = runtimes(threads);
    let worst = worst(&runtimes, lock);
    let (count, who) = match worst {
        Some((count, runtime)) => (count, runtime.share(count)),
        None => (lock.waiters.len(), plural(lock.waiters.len(), "thread")),
    };
    let waits = words::verb(count, "waits", "wait");
    let article = words::verb(lock.waiters.len(), "a", "one");
    let mut text = format!(
        "{who} {waits} for {article} {}, lock {}",
        lock.kind.name(),
        lock.letter
    );
    if worst.is_some_and(|(count, runtime)| runtime.is_all(count)) {
        text.push_str(
            " and runs no task"
                .replace("runs", words::verb(count, "runs", "run"))
                .as_str(),
        );
    }
    text.push_str(&holder(lock, threads));
    text.push_str(&others(threads));
    let most = worst.is_some_and(|(count, runtime)| count * 2 > runtime.workers.len());
    Some((severity(lock, most, threads), text))
}

/// The runtime most of whose workers wait for `lock`, and how many they are.
fn worst<'r, 't, 'a>(
    runtimes: &'r [Runtime<'t, 'a>],
    lock: &Lock,
) -> Option<(usize, &'r Runtime<'t, 'a>)> {
    let waits = |thread: &&&Thread<'_>| lock.waiters.contains(&thread.stack.tid);
    let counted = runtimes
        .iter()
        .map(|runtime| (runtime.workers.iter().filter(waits).count(), runtime));
    counted
        .filter(|(count, _)| *count > 0)
        .max_by_key(|(count, _)| *count)
}

fn severity(lock: &Lock, most_workers: bool, threads: &Threads<'_>) -> Severity {
    let by_tid = |tids: &[u32]| -> Vec<&Thread<'_>> {
        tids.iter().filter_map(|tid| threads.by_tid(*tid)).collect()
    };
    let still = still(by_tid(&lock.waiters).into_iter(), threads.taken_unix_ns);
    let holders = by_tid(&lock.holders);
    let moves = !holders.is_empty() && holders.iter().all(|thread| thread.kind == SectionKind::Run);
    match lock.waiters.len() {
        // A busy lock whose holder runs is contended; nobody is stuck yet.
        _ if moves && still < STUCK_NS => Severity::Warn,
        1 if still < HOPELESS_NS && !most_workers => Severity::Ok,
        1 if still < STUCK_NS => Severity::Warn,
        _ if most_workers => Severity::Bad,
        count if count >= MANY && still >= STUCK_NS => Severity::Bad,
        _ => Severity::Warn,
    }
}

/// `; 4766 probably holds it, asleep in flush::write_page`.
fn holder(lock: &Lock, threads: &Threads<'_>) -> String {
    let [tid] = lock.holders.as_slice() else {
        let holders: Vec<String> = lock.holders.iter().map(u32::to_string).collect();
        return match holders.is_empty() {
            true => String::new(),
            false => format!("; {} probably holds it", holders.join(" or ")),
        };
    };
    let thread = threads.by_tid(*tid);
    let busy = thread.map_or(String::new(), |thread| busy(thread, threads));
    format!("; {tid} probably holds it{busy}")
}

/// What the holder of a lock is busy with: `, asleep in flush::write_page`.
fn busy(thread: &Thread<'_>, threads: &Threads<'_>) -> String {
    let does = match (threads.awaited(thread), thread.wait.kind) {
        (Some(lock), _) => format!("itself waiting for lock {}", lock.letter),
        (None, WaitKind::Sleep) => "asleep".to_owned(),
        (None, WaitKind::Nothing) => "running".to_owned(),
        (None, _) => format!("and {}", thread.wait.words()),
    };
    let site = site(thread).map_or(String::new(), |site| format!(" in {site}"));
    format!(", {does}{site}")
}

/// `; 8 more wait for 4 other locks`.
fn others(threads: &Threads<'_>) -> String {
    let more = threads.locks.get(1..).unwrap_or_default();
    let count: usize = more.iter().map(|lock| lock.waiters.len()).sum();
    if count == 0 {
        return String::new();
    }
    let wait = words::verb(count, "waits", "wait");
    format!(
        "; {count} more {wait} for {}",
        plural(more.len(), "other lock")
    )
}
