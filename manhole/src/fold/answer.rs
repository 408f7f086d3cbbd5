//! A dump as an answer: made by the same code in the process, and in the client that has named it from
//! the binary on its disk.

use super::{Filter, Options, fold};
use crate::{
    model::{
        Answer, Block,
        stack::{Answered, Asked, Dump, Folded, Lines, Names, Stacks, Symbols},
    },
    names,
    render::{units, words::plural},
};

impl Options {
    /// What the caller of `stacks` asked for.
    pub(crate) fn of(asked: &Asked) -> Self {
        Self {
            idle: asked.idle,
            full: asked.full,
            full_names: asked.full_names,
            filter: asked.thread.as_deref().map(Filter::parse),
        }
    }
}

/// The answer of `stacks`. `source` says where names come from, if not from the process itself.
pub fn answer(dump: Dump, asked: Asked, source: Option<&str>) -> Answer {
    let folded = fold(&dump, &Options::of(&asked));
    let mut answer = Answer::about(about(&dump, &folded, source));
    answer.verdict.clone_from(&folded.verdict);
    answer.next.clone_from(&folded.next);
    if !asked_nobody(&dump) {
        let advice = names::advice(&dump.names).unwrap_or_default();
        answer.notes = advice.lines().map(str::to_owned).collect();
    }
    if folded.threads > 0 && folded.sections.is_empty() && folded.full.is_empty() {
        answer.note("none of these threads waits for work");
    }
    answer.push(Block::Stacks(Box::new(Stacks {
        asked,
        dump,
        folded,
    })));
    answer
}

/// `60 threads in 3 ms, 59 answered; names with lines`.
fn about(dump: &Dump, folded: &Folded, source: Option<&str>) -> String {
    let all = dump.threads.len();
    let mut about = match folded.threads == all {
        true => plural(all, "thread"),
        false => format!("{} of {}", folded.threads, plural(all, "thread")),
    };
    if asked_nobody(dump) {
        return about + ", none asked: what /proc knows";
    }
    about.push_str(&format!(" in {}", units::nanos(dump.took_ns)));
    match folded.answered == folded.threads {
        true => about.push_str(", all answered"),
        false => about.push_str(&format!(", {} answered", folded.answered)),
    }
    about.push_str("; ");
    about.push_str(quality(&dump.names));
    if let Some(source) = source {
        about.push_str(&format!(", {source}"));
    }
    about
}

fn asked_nobody(dump: &Dump) -> bool {
    let mut threads = dump.threads.iter();
    threads.all(|thread| thread.answer == Answered::NotAsked)
}

/// How good the names are.
fn quality(names: &Names) -> &'static str {
    match (names.lines, names.symbols) {
        (Lines::Known, _) => "names with lines",
        (Lines::Some, _) => "names, some with lines",
        (_, Symbols::Known) => "no inlined names",
        (_, Symbols::Stripped) => "no names, the binary is stripped",
        (_, Symbols::Gone) => "no names, the binary's file is gone",
        (_, Symbols::NotRead) => "no names",
    }
}
