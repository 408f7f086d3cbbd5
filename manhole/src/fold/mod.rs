//! Stacks made readable: foreign frames folded, equal stacks merged, waits and roles named. Pure, and
//! used by the console and by the client, with the same results.

mod answer;
mod app;
mod brief;
mod doing;
mod ends;
mod filter;
mod frames;
mod full;
mod groups;
pub(crate) mod heap;
mod hidden;
mod idle;
mod lines;
mod locks;
mod path;
mod pile;
pub(crate) mod profile;
mod roles;
mod rules;
mod runtimes;
mod sections;
mod threads;
mod verdict;
mod waits;
mod words;

pub use answer::answer;
pub(crate) use brief::{Brief, briefs};
pub(crate) use filter::Filter;

use crate::model::stack::{Dump, Folded};
use std::collections::BTreeSet;
use threads::Threads;

/// What to show of a dump.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Of all threads only those that wait for work, but these with their stacks.
    pub idle: bool,
    /// Whole stacks, one by one.
    pub full: bool,
    /// Names with generic arguments and all their segments.
    pub full_names: bool,
    /// Only these threads; the verdict is about all of them.
    pub filter: Option<Filter>,
}

/// Folds `dump`: about 20 us for each thread with a stack of usual depth.
pub(crate) fn fold(dump: &Dump, options: &Options) -> Folded {
    let threads = Threads::of(dump);
    let wanted = threads.matching(options.filter.as_ref());
    let (verdict, next) = verdict::verdict(&threads);
    let answered = wanted.iter().filter(|thread| thread.answered()).count();
    let shown: BTreeSet<u32> = wanted.iter().map(|thread| thread.stack.tid).collect();
    let tids = dump.threads.iter().map(|thread| thread.tid);
    let left_out = tids.filter(|tid| !shown.contains(tid)).collect();
    let mut folded = Folded {
        threads: wanted.len(),
        left_out,
        answered,
        verdict: Some(verdict),
        next,
        ..Folded::default()
    };
    match options.full {
        true => folded.full = full::full(dump, &threads, &wanted, options),
        false => folded.sections = sections::sections(&threads, &wanted, options),
    }
    folded
}

/// Ids of the threads of `dump` that `text` means, a filter as `--thread` takes it.
pub(crate) fn tids(dump: &Dump, text: &str) -> Vec<u32> {
    let threads = Threads::of(dump);
    let matching = threads.matching(Some(&Filter::parse(text)));
    matching.iter().map(|thread| thread.stack.tid).collect()
}

#[cfg(test)]
mod tests;
