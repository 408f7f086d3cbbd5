//! `threads`: who is busy, who waits for a core, and what the others wait for, since when.
//!
//! It looks twice, half a second apart. Threads that did nothing and wait for the same thing share a
//! line; JSON always lists them all. What a thread is for and which lock it wants, its stack tells,
//! for which it is asked once; without that the kernel tells the system call, the descriptor and the
//! futex.

mod known;
mod rows;
mod verdict;
pub(super) mod words;

use super::{Command, Context, Run, plural};
use crate::{
    model::{
        Answer, ArgSpec, Args, Block, Cell, Code, Example, Failure, Fields, Group, Impact, Level,
        Spec,
    },
    probe::{
        cores::Cores,
        threads::{Snapshot, Thread, Threads, Wait},
    },
    render::units,
};
use known::Known;
use std::time::Duration;

/// Between the two looks.
const WINDOW: Duration = Duration::from_millis(500);
/// A thread that uses so much of a core is worth a profile.
const BUSY: f64 = 0.5;

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "threads",
        group: Group::Question,
        about: "who is busy, who waits for a core, what the others wait for",
        args: &[
            ArgSpec::flag("all", "one line for every thread, nothing merged"),
            ArgSpec::flag(
                "no-signal",
                "interrupt nobody: no roles, and waits as the kernel calls them",
            ),
        ],
        level: Level::View,
        impact: Impact::Signals,
        cost: "0.5 s, nearly all of it asleep; about 60 us of reading /proc for each thread; from level inspect \
               on each is also asked for its stack, which interrupts it for about 4 us and takes us 0.1 ms",
        examples: &[
            Example::new("threads", "the busy ones first, idle ones merged"),
            Example::new("threads --json", "every thread, in base units"),
        ],
        see_also: "stacks (what they do), cpu (where in the code), cgroup (throttling), fds (what the descriptors are)",
    },
    triage: true,
    endpoints: &[super::profiles::THREADCREATE],
    run: Run::Answer(answer),
};

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let threads = look(ctx)?;
    let known = Known::look(ctx, !args.flag("no-signal"));
    ctx.check()?;
    let cores = Cores::read().most();
    Ok(report(&threads, &known, cores, args.flag("all")))
}

/// Looks twice, and at what each thread waits for.
fn look(ctx: &Context) -> Result<Threads, Failure> {
    let keep_going = || ctx.check().is_ok();
    let take = || {
        Snapshot::take(&keep_going).ok_or_else(|| {
            let text = "threads: /proc/self/task cannot be read; is /proc mounted?";
            ctx.check()
                .err()
                .unwrap_or_else(|| Failure::new(Code::Unsupported, text))
        })
    };
    let before = take()?;
    ctx.state.vitals.note_threads(&before);
    ctx.sleep(WINDOW)?;
    let after = take()?;
    let vitals = &ctx.state.vitals;
    let mut threads = vitals.still(|still| Threads::between(&before, &after, ctx.state.pid, still));
    threads.look(&keep_going);
    ctx.check()?;
    Ok(threads)
}

fn report(threads: &Threads, known: &Known, cores: Option<f64>, all: bool) -> Answer {
    let count = threads.list.len();
    let own = match threads.own {
        0 => String::new(),
        own => format!(" (and {own} of the console)"),
    };
    let window = units::nanos(threads.window_ns);
    let mut answer = Answer::about(format!(
        "{}{own}, cpu over {window}",
        plural(count, "thread")
    ));
    let (severity, text) = verdict::verdict(threads, known, cores);
    answer.verdict(severity, text);
    let rows = rows::rows(threads, known, !all);
    let merged = rows.len() < count;
    answer.push(Block::Table(rows::table(&rows)));
    answer.push(Block::Table(rows::full_table(threads, known)));
    answer.push(Block::Fields(figures(threads, cores)));
    answer.note(remark(threads, merged));
    match &known.missing {
        Some(why) => answer.note(why.as_str()),
        None if threads.calls_hidden && known.is_empty() => answer.note("waits are kernel functions: the process dropped root and may not read its own system calls"),
        None => {}
    }
    next(&mut answer, threads, known, merged);
    answer
}

/// What the text says in the verdict, as figures for programs.
fn figures(threads: &Threads, cores: Option<f64>) -> Fields {
    let mut fields = Fields::new();
    fields.field("window_ns", "", Cell::Nanos(threads.window_ns));
    fields.field(
        "cores_used",
        "",
        Cell::or_unknown(threads.cores, Cell::Float),
    );
    fields.field("cores_allowed", "", Cell::or_unknown(cores, Cell::Float));
    fields.field("console_threads", "", Cell::Count(threads.own as u64));
    fields
}

fn remark(threads: &Threads, merged: bool) -> String {
    let meaning = "wait/s: ready without a core";
    match merged {
        true => format!(
            "merged: idle, same wait (for: the longest); threads --all lists {}. {meaning}",
            threads.list.len()
        ),
        false => meaning.to_owned(),
    }
}

fn next(answer: &mut Answer, threads: &Threads, known: &Known, merged: bool) {
    if threads
        .list
        .iter()
        .any(|thread| known.lock(thread).is_some())
    {
        answer.next("stacks");
    }
    let busiest = threads
        .list
        .iter()
        .filter_map(|thread| Some((thread.cores?, thread)));
    let busiest = busiest.max_by(|(one, _), (other, _)| one.total_cmp(other));
    if let Some((cores, thread)) = busiest
        && cores >= BUSY
    {
        answer.next(format!("cpu 5 --thread {}", chosen(thread)));
    }
    let waiting: f64 = threads
        .list
        .iter()
        .filter_map(|thread| thread.wait_ns_per_s)
        .sum();
    if waiting >= 0.2e9 {
        answer.next("cgroup");
    }
    if threads
        .list
        .iter()
        .any(|thread| matches!(thread.wait, Wait::Descriptor(_)))
    {
        answer.next("fds");
    }
    if merged {
        answer.next("threads --all");
    }
    answer.next.truncate(3);
}

/// A word that means the thread and those that are called like it.
fn chosen(thread: &Thread) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    match thread.name.chars().all(plain) {
        true => words::family(&thread.name),
        false => thread.tid.to_string(),
    }
}

#[cfg(test)]
mod tests;
