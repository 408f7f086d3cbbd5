//! A stack in a few lines: the application's functions, and what lies between them counted.

use super::{
    ends::{behind_wait, without_start},
    frames::{Code, Item, Name},
    hidden::{THREAD, hidden},
    path,
    roles::RoleKind,
    threads::Thread,
    waits::WaitKind,
};
use crate::{
    model::stack::{End, Function, Line},
    names,
};

/// Most lines of one stack; of more the middle is counted.
pub(super) const MOST: usize = 20;
/// How many of them stay at the root's side.
const AT_ROOT: usize = 6;
/// Functions of others that are shown where the application has none.
const FOREIGN: usize = 3;
/// Crates that are named of a folded run.
const CRATES: usize = 5;
/// Functions that are named of a folded run at the leaf.
const TOP: usize = 3;

/// The lines of `thread`, leaf first.
pub(super) fn lines(thread: &Thread<'_>, full_names: bool) -> Vec<Line> {
    let items = behind_wait(thread);
    let mut lines = match thread.app().next() {
        Some(_) => with_app(without_start(items), thread, full_names),
        None => without_app(items, thread, full_names),
    };
    let end = end(thread);
    if !end.is_empty() {
        lines.push(Line::Remark(end.to_owned()));
    }
    lines
}

/// Why the stack ends before the thread's root; empty when it does not.
pub(super) fn end(thread: &Thread<'_>) -> &'static str {
    match thread.stack.end {
        _ if !thread.answered() || thread.items.is_empty() => "",
        End::Root => "",
        End::Cut => "(deeper than what is copied: callers are missing)",
        End::Lost => "(no way further: callers are missing)",
    }
}

fn with_app(items: &[Item<'_>], thread: &Thread<'_>, full_names: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for run in items.chunk_by(|a, b| a.is_app() == b.is_app()) {
        let at_leaf = lines.is_empty() && thread.wait.kind == WaitKind::Nothing;
        let at_root = items
            .last()
            .zip(run.last())
            .is_some_and(|(a, b)| std::ptr::eq(a, b));
        let between = !at_leaf && !at_root;
        match run {
            [item, ..] if item.is_app() => app_run(run, &mut lines, full_names),
            run if between && run.iter().all(|item| item.name.rules.plumbing) => {}
            [item] if between => lines.push(frame(item, full_names, "")),
            run => lines.push(folded(run, at_leaf, at_root.then_some(thread.role.kind))),
        }
    }
    shorten(lines)
}

/// Whether a function is only how the language calls another: closures, iterators, boxes, derived
/// traits. Between two functions of the application it needs no line.
pub(super) fn is_plumbing(name: &Name) -> bool {
    name.code == Code::Derived || matches!(name.of.as_str(), "core" | "alloc")
}

/// Functions of the application; of direct recursion the first, and a count.
fn app_run(run: &[Item<'_>], lines: &mut Vec<Line>, full_names: bool) {
    for same in run.chunk_by(|a, b| a.name == b.name) {
        match same {
            [first, rest @ ..] if rest.len() > 1 => {
                lines.push(frame(first, full_names, ""));
                lines.push(counted(rest.len(), vec![first.name.of.clone()]));
            }
            few => lines.extend(few.iter().map(|item| frame(item, full_names, ""))),
        }
    }
}

/// Counts the middle of a stack that has too many lines.
fn shorten(mut lines: Vec<Line>) -> Vec<Line> {
    if lines.len() <= MOST {
        return lines;
    }
    let (from, to) = (MOST - AT_ROOT, lines.len() - AT_ROOT);
    let (mut count, mut crates) = (0, Vec::new());
    for line in lines.drain(from..to) {
        match line {
            Line::Frame { name, .. } => {
                count += 1;
                note(&mut crates, name.split("::").next().unwrap_or_default());
            }
            Line::Folded {
                count: more, of, ..
            } => {
                count += more;
                of.iter().for_each(|of| note(&mut crates, of));
            }
            Line::Remark(_) => {}
        }
    }
    lines.insert(from, counted(count, crates));
    lines
}

fn counted(count: usize, of: Vec<String>) -> Line {
    Line::Folded {
        count,
        of,
        role: None,
        top: Vec::new(),
    }
}

/// A stack in which the application has no function to show.
fn without_app(items: &[Item<'_>], thread: &Thread<'_>, full_names: bool) -> Vec<Line> {
    let role = thread.role.kind;
    let runs = thread.wait.kind == WaitKind::Nothing;
    let mut lines = Vec::new();
    let rest = match hidden(thread, items) {
        Some((at, remark)) => {
            let (before, rest) = items.split_at(at);
            lines.extend((!before.is_empty()).then(|| folded(before, true, None)));
            lines.extend(rest.first().map(|item| match remark {
                THREAD => Line::Remark(THREAD.to_owned()),
                remark => frame(item, full_names, remark),
            }));
            rest.get(1..).unwrap_or_default()
        }
        // The names of what runs stand beside the count; a runtime at rest has nothing to tell.
        None if runs || role.root().is_some() => items,
        None => {
            let items = without_start(items);
            let telling = |item: &Item<'_>| !item.name.rules.plumbing && item.name.last() != "{}";
            let mut places = items.iter().enumerate().filter(|(_, item)| telling(item));
            let shown = places.by_ref().take(FOREIGN).map(|(at, item)| {
                lines.push(frame(item, full_names, ""));
                at + 1
            });
            let behind = shown.last().unwrap_or(0);
            items.get(behind..).unwrap_or_default()
        }
    };
    let rest = without_start(rest);
    if !rest.is_empty() {
        lines.push(folded(rest, runs && lines.is_empty(), Some(role)));
    }
    lines
}

/// A run of functions as one line; at the leaf the first of them are named.
fn folded(run: &[Item<'_>], at_leaf: bool, root_of: Option<RoleKind>) -> Line {
    let says_little = |name: &Name| match name.of.as_str() {
        _ if name.code == Code::Derived => true,
        "core" => true,
        of => !at_leaf && matches!(of, "alloc" | "std"),
    };
    let mut crates = Vec::new();
    let telling = run.iter().filter(|item| !says_little(&item.name));
    telling.for_each(|item| note(&mut crates, &item.name.of));
    if crates.is_empty() {
        run.iter().for_each(|item| note(&mut crates, &item.name.of));
    }
    if crates.len() > CRATES {
        crates.truncate(CRATES);
        crates.push("and others".to_owned());
    }
    Line::Folded {
        count: run.len(),
        of: crates,
        role: root_of.and_then(RoleKind::root).map(str::to_owned),
        top: if at_leaf { top(run) } else { Vec::new() },
    }
}

/// The first functions of a run by their last words.
fn top(run: &[Item<'_>]) -> Vec<String> {
    let mut top: Vec<String> = Vec::new();
    let named = run
        .iter()
        .filter(|item| item.name.code != Code::Nameless && !item.name.path.ends_with("::{}"));
    for name in named.map(|item| path::c_name(item.name.last())) {
        if top.len() < TOP {
            note(&mut top, name);
        }
    }
    top
}

/// Adds `name` if it is not there.
fn note(names: &mut Vec<String>, name: &str) {
    if !name.is_empty() && !names.iter().any(|known| known == name) {
        names.push(name.to_owned());
    }
}

fn frame(item: &Item<'_>, full_names: bool, remark: &str) -> Line {
    let place = place(item);
    let remark = if place.is_empty() { remark } else { "" };
    Line::Frame {
        name: printed(item, full_names),
        remark: remark.to_owned(),
        place,
        app: item.is_app(),
        uncertain: item.frame.uncertain,
    }
}

/// The name as it is shown.
pub(super) fn printed(item: &Item<'_>, full_names: bool) -> String {
    let name = item.function.map_or("", |function| function.name.as_str());
    match names::crate_of(name) {
        "" if full_names && !name.is_empty() => name.to_owned(),
        // Of C, bare, or without a name at all.
        "" => item.name.path.clone(),
        _ if full_names => name.to_owned(),
        _ => names::short(name, item.is_app()),
    }
}

/// `src/cache.rs:41`; empty when unknown.
pub(super) fn place(item: &Item<'_>) -> String {
    item.function.map_or(String::new(), place_of)
}

/// The same of a function.
pub(super) fn place_of(function: &Function) -> String {
    let line = function.line.filter(|line| *line > 0);
    let file = function.file.as_deref();
    file.map_or(String::new(), |file| names::place(file, line))
}
