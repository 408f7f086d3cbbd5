//! Who calls whom, from the root: stacks with a common beginning are one branch. Small branches are
//! cut, and functions of others that only lead on are counted, or nobody could read it.

use super::walk::{Stack, Walk};
use crate::{
    model::{Cell, Column, Table, order},
    render::units,
};
use std::cmp::Reverse;

/// Branches below this share are cut.
const LEAST_PERCENT: f64 = 0.5;
/// Functions beyond this depth belong to the one that is this deep.
const DEEPEST: usize = 256;
/// A function of others leads on when so much of its time, in percent, is in one that it calls.
const LEADS_ON: u64 = 95;
/// Crates that are named of functions that lead on.
const CRATES: usize = 4;

/// A function in the place where it was called.
struct Node {
    number: u32,
    ns: u64,
    /// Most time first.
    calls: Vec<Node>,
}

/// A line of the table.
struct Line {
    depth: usize,
    ns: u64,
    text: String,
    place: String,
}

/// How the numbers of a tree are written.
pub(in crate::fold) struct Style<'s> {
    /// What stands above the headings.
    pub title: &'static str,
    /// The column that says how much.
    pub column: Column,
    /// Its cell.
    pub amount: &'s dyn Fn(u64) -> Cell,
    /// The column that says the same to programs, and its cell.
    pub raw: (Column, fn(u64) -> Cell),
    /// All there is.
    pub total: u64,
}

impl Style<'_> {
    fn share(&self, ns: u64) -> f64 {
        match self.total {
            0 => 0.0,
            total => ns as f64 * 100.0 / total as f64,
        }
    }
}

/// The tree in at most `most` lines.
pub(in crate::fold) fn table(walk: &Walk<'_>, style: Style<'_>, most: usize) -> Table {
    let mut paths: Vec<&Stack> = walk.busy().collect();
    order::sort_by(&mut paths, |a, b| {
        a.functions.iter().rev().cmp(b.functions.iter().rev())
    });
    let least = (style.total as f64 * LEAST_PERCENT / 100.0) as u64;
    let mut has_cut = false;
    let roots = grow(&paths, 0, least.max(1), &mut has_cut);
    let mut lines = shown(&roots, walk, 0);
    let mut cut = LEAST_PERCENT;
    if lines.len() > most {
        // A function takes no more than its caller: what stays is a tree.
        let mut sizes: Vec<u64> = lines.iter().map(|line| line.ns).collect();
        order::sort_by_key(&mut sizes, |ns| Reverse(*ns));
        let bound = sizes.get(most).map_or(0, |ns| ns.saturating_add(1));
        (cut, has_cut) = (style.share(bound), true);
        lines = shown(&roots, walk, bound);
    }
    let (raw, raw_cell) = style.raw.clone();
    let columns = [
        style.column.clone(),
        Column::new("percent", "%"),
        raw,
        Column::json("depth"),
        Column::new("function", "function"),
        Column::new("place", ""),
    ];
    let mut table = Table::new("tree", columns).titled(style.title);
    for line in lines {
        table.row([
            (style.amount)(line.ns),
            Cell::Percent(style.share(line.ns)),
            raw_cell(line.ns),
            Cell::Id(line.depth as u64),
            Cell::Text(format!("{:1$}{2}", "", 2 * line.depth, line.text)),
            match line.place.is_empty() {
                true => Cell::Empty,
                false => Cell::Text(line.place),
            },
        ]);
    }
    if has_cut {
        let cut = units::percent(cut);
        table.more = format!("... branches below {cut} are left out: --rows");
    }
    table
}

/// The branches of `paths`, which are in order and alike in their first `depth` functions.
fn grow(paths: &[&Stack], depth: usize, least: u64, has_cut: &mut bool) -> Vec<Node> {
    let at = |stack: &&Stack| stack.functions.iter().nth_back(depth).copied();
    let mut nodes = Vec::new();
    for branch in paths.chunk_by(|a, b| at(a) == at(b)) {
        let times = branch.iter().map(|stack| stack.ns);
        let ns = times.fold(0, u64::saturating_add);
        let Some(number) = branch.first().and_then(at) else {
            continue;
        };
        if ns < least {
            *has_cut = true;
            continue;
        }
        nodes.push(Node {
            number,
            ns,
            calls: match depth < DEEPEST {
                true => grow(branch, depth + 1, least, has_cut),
                false => Vec::new(),
            },
        });
    }
    order::sort_by_key(&mut nodes, |node| Reverse(node.ns));
    nodes
}

fn shown(roots: &[Node], walk: &Walk<'_>, least: u64) -> Vec<Line> {
    let mut lines = Vec::new();
    for node in roots.iter().filter(|node| node.ns >= least) {
        show(node, 0, walk, least, &mut lines);
    }
    lines
}

fn show(node: &Node, depth: usize, walk: &Walk<'_>, least: u64, lines: &mut Vec<Line>) {
    let mut run = Vec::new();
    let mut end = node;
    while let Some(next) = leads_on(end, walk) {
        run.push(end);
        end = next;
    }
    let mut depth = depth;
    match run.as_slice() {
        [] => {}
        [one] => {
            lines.push(line(one, depth, walk));
            depth += 1;
        }
        run => {
            lines.push(Line {
                depth,
                ns: node.ns,
                text: counted(run, walk),
                place: String::new(),
            });
            depth += 1;
        }
    }
    lines.push(line(end, depth, walk));
    for call in end.calls.iter().filter(|call| call.ns >= least) {
        show(call, depth + 1, walk, least, lines);
    }
}

/// The only function that matters of those that `node`, which is of others, calls.
fn leads_on<'n>(node: &'n Node, walk: &Walk<'_>) -> Option<&'n Node> {
    let first = node.calls.first()?;
    let of_others = walk
        .function(node.number)
        .is_some_and(|function| !function.app);
    let all = first.ns.saturating_mul(100) >= node.ns.saturating_mul(LEADS_ON);
    (of_others && all).then_some(first)
}

fn line(node: &Node, depth: usize, walk: &Walk<'_>) -> Line {
    let function = walk.function(node.number);
    let app = function.filter(|function| function.app);
    Line {
        depth,
        ns: node.ns,
        text: function.map_or(String::new(), |function| function.name.clone()),
        place: app.map_or(String::new(), super::walk::Function::place),
    }
}

/// `… 27 of axum, tower, hyper`.
fn counted(run: &[&Node], walk: &Walk<'_>) -> String {
    let mut of: Vec<&str> = Vec::new();
    let functions = run.iter().filter_map(|node| walk.function(node.number));
    for function in functions.filter(|function| !function.of.is_empty()) {
        if !of.contains(&&*function.of) {
            of.push(&function.of);
        }
    }
    // Rust's own crates are everywhere, and say little.
    let telling = |of: &&str| !matches!(*of, "core" | "alloc" | "std");
    if of.iter().any(telling) {
        of.retain(telling);
    }
    let more = of.len() > CRATES;
    of.truncate(CRATES);
    let count = units::count(run.len() as u64);
    match (of.is_empty(), more) {
        (true, _) => format!("… {count}"),
        (false, false) => format!("… {count} of {}", of.join(", ")),
        (false, true) => format!("… {count} of {} and others", of.join(", ")),
    }
}
