//! The heap as trees: who calls whom down to what allocates, and who calls one function.

use super::sites::Sites;
use crate::{
    fold::profile::{
        tree::{self, Style},
        walk::Walk,
    },
    model::{
        Cell, Column, Severity, Table, Verdict,
        heap::{View, Wish},
    },
    render::{
        units::{bytes, percent},
        words::sentence,
    },
};

/// From the root down.
pub(super) fn table(sites: &Sites<'_>, wish: &Wish) -> Table {
    let title = "TREE   each function below the one that called it";
    tree::table(&sites.walk, style(sites, title), most(wish))
}

/// From the function that `site` means up to the roots; without lines when no stack has it.
pub(super) fn callers(mut sites: Sites<'_>, site: &str, wish: &Wish) -> (Table, Verdict) {
    let wanted = meant(&sites.walk, site);
    let mut held = 0_u64;
    for stack in &mut sites.walk.stacks {
        let at = stack.functions.iter().position(|it| wanted.contains(it));
        let callers = at.and_then(|at| stack.functions.get(at..));
        let callers = callers.unwrap_or_default().iter().rev().copied();
        stack.functions = callers.collect();
        if stack.functions.is_empty() {
            stack.ns = 0;
        }
        held = held.saturating_add(stack.ns);
    }
    let share = percent(sites.share(held));
    let name = wanted.first().and_then(|it| sites.walk.function(*it));
    let name = name.map_or(site, |function| function.name.as_str());
    let text = match wanted.len() {
        0 => format!("no stack that allocates has {site}"),
        _ => format!("{} ({share}) {} {name}", bytes(held), verb(sites.view)),
    };
    let title = "CALLERS   each function below the one that it called";
    let table = tree::table(&sites.walk, style(&sites, title), most(wish));
    let verdict = Verdict {
        severity: Severity::Ok,
        text: sentence(&text),
    };
    (table, verdict)
}

fn verb(view: View) -> &'static str {
    match view {
        View::Live | View::Leaks => "is held by",
        View::Peak => "was held by",
        View::Allocs => "was allocated by",
        View::Diff => "is the change of",
    }
}

/// The functions that are called `text`: in full, by their last words, or, where none is, by a part.
fn meant(walk: &Walk<'_>, text: &str) -> Vec<u32> {
    let text = text.trim_end_matches("{}");
    let find = |is: &dyn Fn(&str) -> bool| -> Vec<u32> {
        let all = walk.functions.iter().enumerate();
        let found = all.filter(|(_, function)| is(function.name.trim_end_matches("{}")));
        found.filter_map(|(at, _)| u32::try_from(at).ok()).collect()
    };
    let by_end = |name: &str| {
        let rest = name.strip_suffix(text);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with("::"))
    };
    match find(&by_end) {
        found if found.is_empty() => find(&|name| name.contains(text)),
        found => found,
    }
}

fn style(sites: &Sites<'_>, title: &'static str) -> Style<'static> {
    let (key, header) = match sites.view {
        View::Live => ("live_bytes", "live"),
        View::Peak => ("peak_bytes", "at the peak"),
        View::Allocs => ("allocated_bytes", "allocated"),
        View::Diff => ("change_bytes", "change"),
        View::Leaks => ("old_bytes", "old"),
    };
    Style {
        title,
        column: Column::new(key, header),
        amount: &Cell::Bytes,
        raw: (Column::json("bytes"), Cell::Bytes),
        total: sites.walk.ns,
    }
}

fn most(wish: &Wish) -> usize {
    wish.rows.unwrap_or(usize::MAX)
}
