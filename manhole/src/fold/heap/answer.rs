//! The heap as an answer: made by the same code in the process, and in the client that has named the
//! stacks from the binary on its disk.

use super::{
    sites::Sites,
    tables, trees,
    verdict::{self, short},
    words,
};
use crate::{
    model::{
        Answer, Block,
        heap::{Heap, View, Wish},
    },
    names,
};

/// The answer of `heap` and its like. `source` says where names come from, if not from the process
/// itself.
pub fn answer(heap: Heap, wish: Wish, source: Option<&str>) -> Answer {
    let mut answer = Answer::about(words::about(&heap, &wish, source));
    fill(&mut answer, &heap, &wish);
    answer.push(Block::Heap(Box::new((heap, wish))));
    answer
}

fn fill(answer: &mut Answer, heap: &Heap, wish: &Wish) {
    let sites = Sites::of(heap, wish);
    let report = &heap.report;
    if let Some(site) = &wish.site {
        let (table, verdict) = trees::callers(sites, site, wish);
        answer.verdict = Some(verdict);
        answer.push(Block::Table(table));
    } else {
        answer.verdict = Some(verdict::verdict(&sites, report, wish));
        answer.push(Block::Table(match (wish.tree, wish.view) {
            (true, _) => trees::table(&sites, wish),
            (false, View::Live) => tables::live(&sites, report, wish),
            (false, View::Peak) => tables::peak(&sites, wish),
            (false, View::Allocs) => tables::allocs(&sites, report, wish),
            (false, View::Diff) => tables::diff(&sites, wish),
            (false, View::Leaks) => tables::leaks(&sites, wish),
        }));
        answer.next = next(&sites, report.window.is_some());
    }
    if wish.view == View::Live && wish.site.is_none() {
        answer.note(
            "seen: Rust's allocations; not seen: malloc of C libraries, mmap (memory: the rest)",
        );
    }
    if let Some(cut) = words::cut(report) {
        answer.note(cut);
    }
    if matches!(wish.view, View::Diff | View::Leaks) && !report.baselines.is_empty() {
        answer.note(format!("baselines: {}", report.baselines.join(", ")));
    }
    if !heap.dump.threads.is_empty() {
        let advice = names::advice(&heap.dump.names).unwrap_or_default();
        advice.lines().for_each(|line| answer.note(line));
    }
}

/// Commands for this very state.
fn next(sites: &Sites<'_>, compared: bool) -> Vec<String> {
    let mut next = Vec::new();
    match sites.view {
        View::Live => {
            next.push("heap leaks".to_owned());
            next.extend(compared.then(|| "heap diff".to_owned()));
        }
        View::Peak | View::Allocs => next.push("heap".to_owned()),
        View::Diff => next.push("heap leaks".to_owned()),
        View::Leaks => next.push("heap diff".to_owned()),
    }
    let first = sites.rows.first().filter(|row| row.bytes(sites.view) > 0);
    let first = first.and_then(|row| short(sites, row));
    next.extend(first.map(|name| format!("heap {name}")));
    next
}
