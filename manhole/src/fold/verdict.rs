//! The one sentence about all stacks, and what to look at next.

use super::{
    pile, runtimes,
    threads::{Thread, Threads},
    waits::WaitKind,
    words,
};
use crate::{
    model::{Severity, Verdict, stack::SectionKind},
    render::{
        units,
        words::{plural, sentence},
    },
};
use runtimes::Part;

/// Verdict and next commands.
pub(super) fn verdict(threads: &Threads<'_>) -> (Verdict, Vec<String>) {
    let found = [
        runtimes::blocked(threads),
        pile::pile(threads),
        runtimes::slow(threads),
        runtimes::deaf(threads),
        unreachable(threads),
    ];
    let parts: Vec<Part> = found.into_iter().flatten().collect();
    let severity = parts.iter().map(|(severity, _)| *severity).max();
    let mut texts: Vec<String> = parts.into_iter().map(|(_, text)| text).collect();
    if texts.is_empty() {
        texts.push(at_ease(threads));
    }
    let verdict = Verdict {
        severity: severity.unwrap_or(Severity::Ok),
        text: sentence(&texts.join("; ")),
    };
    (verdict, next(threads))
}

/// Threads that no signal reaches because the kernel does not let them go.
fn unreachable(threads: &Threads<'_>) -> Option<Part> {
    let is_stuck =
        |thread: &&Thread<'_>| thread.kind == SectionKind::NoAnswer && thread.stack.state == 'D';
    let count = threads.all.iter().filter(is_stuck).count();
    let (those, are) = (plural(count, "thread"), words::verb(count, "is", "are"));
    let text = format!("{those} {are} in uninterruptible sleep");
    (count > 0).then_some((Severity::Warn, text))
}

/// What to say when there is nothing to say.
fn at_ease(threads: &Threads<'_>) -> String {
    let in_application = "in the application";
    let kinds = [
        (SectionKind::Run, ["runs", "run"], ""),
        (SectionKind::Wait, ["waits", "wait"], in_application),
        (SectionKind::NoAnswer, ["did not answer"; 2], ""),
        (SectionKind::Idle, ["is idle", "are idle"], ""),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (kind, [one, several], place) in kinds {
        let count = threads
            .all
            .iter()
            .filter(|thread| thread.kind == kind)
            .count();
        let who = match parts.is_empty() {
            true => plural(count, "thread"),
            false => units::count(count as u64),
        };
        let does = words::verb(count, one, several);
        if count > 0 {
            parts.push(format!("{who} {does} {place}").trim_end().to_owned());
        }
    }
    match parts.is_empty() {
        true => "there are no threads to look at".to_owned(),
        false => format!("nothing waits for a lock; {}", words::list(&parts)),
    }
}

/// Commands for this very state.
fn next(threads: &Threads<'_>) -> Vec<String> {
    let lock = threads.locks.first();
    let in_pile = lock.and_then(|lock| lock.holders.first().or(lock.waiters.first()));
    let is_blocked = |thread: &&Thread<'_>| thread.is_worker() && runtimes::is_blocked(thread);
    let blocked = threads.all.iter().find(is_blocked);
    let closer = in_pile.copied().or(blocked.map(|thread| thread.stack.tid));
    let has_idle = threads
        .all
        .iter()
        .any(|thread| thread.kind == SectionKind::Idle);
    let on_descriptor = threads.all.iter().any(|thread| {
        thread.kind == SectionKind::Wait && matches!(thread.wait.kind, WaitKind::Descriptor(_))
    });
    let mut next = Vec::new();
    next.extend(closer.map(|tid| format!("stacks --thread {tid} --full")));
    next.extend(has_idle.then(|| "stacks --idle".to_owned()));
    next.push("threads".to_owned());
    next.extend(on_descriptor.then(|| "fds".to_owned()));
    next.truncate(3);
    next
}
