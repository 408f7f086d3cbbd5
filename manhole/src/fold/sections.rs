//! Groups under headings, in the order bad, busy, waiting, no answer, idle.

use super::{
    Options,
    groups::groups,
    roles::RoleKind,
    threads::{Thread, Threads},
    words,
};
use crate::{
    model::stack::{Section, SectionKind},
    render::words::plural,
};

/// Locks that get a section of their own; the rest share one.
const LOCKS: usize = 8;

/// The sections that `wanted` make.
pub(super) fn sections(
    threads: &Threads<'_>,
    wanted: &[&Thread<'_>],
    options: &Options,
) -> Vec<Section> {
    let of = |kind: SectionKind| -> Vec<&Thread<'_>> {
        let those = wanted.iter().filter(|thread| thread.kind == kind);
        those.copied().collect()
    };
    if options.idle {
        return idle(&of(SectionKind::Idle), threads, options)
            .into_iter()
            .collect();
    }
    let mut sections = locks(&of(SectionKind::Lock), threads, options);
    let kinds = [
        (SectionKind::Run, "RUN"),
        (SectionKind::Wait, "WAIT IN THE APPLICATION"),
        (SectionKind::NoAnswer, "NO ANSWER"),
    ];
    for (kind, title) in kinds {
        sections.extend(section(
            kind,
            title,
            String::new(),
            &of(kind),
            threads,
            options,
        ));
    }
    sections.extend(idle(&of(SectionKind::Idle), threads, options));
    sections
}

fn section(
    kind: SectionKind,
    title: &str,
    remark: String,
    members: &[&Thread<'_>],
    threads: &Threads<'_>,
    options: &Options,
) -> Option<Section> {
    (!members.is_empty()).then(|| Section {
        kind,
        title: title.to_owned(),
        remark,
        threads: members.len(),
        groups: groups(
            members,
            threads,
            options.full_names,
            kind != SectionKind::Lock,
        ),
        summary: String::new(),
    })
}

/// A section for each of the locks that most threads wait for, and one for the rest.
fn locks(members: &[&Thread<'_>], threads: &Threads<'_>, options: &Options) -> Vec<Section> {
    const TITLE: &str = "WAIT FOR A LOCK";
    let waits = |thread: &&&Thread<'_>, letter: &str| {
        threads
            .awaited(thread)
            .is_some_and(|lock| lock.letter == letter)
    };
    let mut sections = Vec::new();
    for lock in threads.locks.iter().take(LOCKS) {
        let queue: Vec<_> = members
            .iter()
            .filter(|thread| waits(thread, &lock.letter))
            .copied()
            .collect();
        sections.extend(section(
            SectionKind::Lock,
            TITLE,
            lock.describe(),
            &queue,
            threads,
            options,
        ));
    }
    let more = threads.locks.get(LOCKS..).unwrap_or_default();
    let rest: Vec<_> = members
        .iter()
        .filter(|thread| more.iter().any(|lock| waits(thread, &lock.letter)))
        .copied()
        .collect();
    if !rest.is_empty() {
        sections.push(Section {
            kind: SectionKind::Lock,
            title: TITLE.to_owned(),
            remark: plural(more.len(), "more lock"),
            threads: rest.len(),
            groups: groups(&rest, threads, options.full_names, true),
            summary: String::new(),
        });
    }
    sections
}

fn idle(members: &[&Thread<'_>], threads: &Threads<'_>, options: &Options) -> Option<Section> {
    let mut section = section(
        SectionKind::Idle,
        "IDLE",
        String::new(),
        members,
        threads,
        options,
    )?;
    match options.idle {
        true => {}
        false => {
            section.groups = Vec::new();
            section.summary = summary(members, threads);
        }
    }
    Some(section)
}

/// `37 blocking, 2 worker (one drives epoll), main, rdk:broker1`.
fn summary(members: &[&Thread<'_>], threads: &Threads<'_>) -> String {
    let names = members.iter().map(|thread| match thread.role.kind {
        RoleKind::IdleBlocking => RoleKind::Blocking.name(),
        _ => words::called(thread, threads),
    });
    let mut parts = words::families(names, true);
    let drivers = members.iter().filter(|thread| thread.role.driver).count();
    let worker = parts
        .iter_mut()
        .find(|part| part.split(' ').next_back() == Some("worker"));
    if let Some(worker) = worker {
        let only = *worker == "worker";
        match drivers {
            0 => {}
            1 if only => worker.push_str(" (drives epoll)"),
            1 => worker.push_str(" (one drives epoll)"),
            more => worker.push_str(&format!(" ({more} drive epoll)")),
        }
    }
    parts.join(", ")
}
