//! What the tables of a profile share: how much is written as cores, threads or time; and what threads
//! do, class by class.

use super::{doing::Class, tree::Style, walk::Walk};
use crate::{
    model::{Cell, Column, Table, wish::Kind},
    render::units,
};
use std::collections::BTreeMap;

/// What a profile measures, and how it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub kind: Kind,
    /// Length of the window, in nanoseconds.
    pub window_ns: u64,
    /// All that was met, in nanoseconds.
    pub total_ns: u64,
}

impl Scale {
    /// The column that says how much: as so many cores or threads all the time, or as time.
    pub(super) fn column(&self) -> Column {
        match self.kind {
            Kind::Cpu => Column::new("cores", "cores"),
            Kind::Wall => Column::new("threads_mean", "threads"),
            Kind::Block | Kind::Mutex => Column::new("delay_ns", "delay"),
        }
    }

    /// Its cell for `ns`.
    pub(super) fn amount(&self, ns: u64) -> Cell {
        match self.kind {
            Kind::Cpu | Kind::Wall => Cell::Hundredths(self.mean(ns)),
            Kind::Block | Kind::Mutex => Cell::Seconds(ns),
        }
    }

    /// How many cores or threads `ns` are all the time.
    pub(super) fn mean(&self, ns: u64) -> f64 {
        match self.window_ns {
            0 => 0.0,
            window => ns as f64 / window as f64,
        }
    }

    /// The share of `ns` in all, 0 to 100.
    pub(super) fn share(&self, ns: u64) -> f64 {
        match self.total_ns {
            0 => 0.0,
            total => ns as f64 * 100.0 / total as f64,
        }
    }
}

/// How a tree of times is written.
pub(super) fn tree<'s>(scale: &Scale, amount: &'s dyn Fn(u64) -> Cell) -> Style<'s> {
    Style {
        title: match scale.kind {
            Kind::Wall => "TREE   each function below the one that called it; without idle threads",
            _ => "TREE   each function below the one that called it",
        },
        column: scale.column(),
        amount,
        raw: (Column::json("ns"), Cell::Nanos),
        total: scale.total_ns,
    }
}

/// The line below a table that has `all` rows of which it shows `shown`.
pub(in crate::fold) fn more(all: usize, shown: usize) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        more => format!("... {} more: --rows all", units::count(more as u64)),
    }
}

/// What threads do on average, most first; `None` when nothing was seen.
pub(super) fn classes(walk: &Walk<'_>, scale: &Scale) -> Option<Table> {
    let mut sums: BTreeMap<Class, u64> = BTreeMap::new();
    for stack in &walk.stacks {
        *sums.entry(stack.class).or_default() += stack.ns;
    }
    let columns = [
        scale.column(),
        Column::new("percent", "%"),
        Column::json("ns"),
        Column::new("doing", ""),
    ];
    let title = "WHAT THREADS DO   on average, all threads that were asked for";
    let mut table = Table::new("classes", columns).titled(title);
    // In the order of interest, work that is waited for last.
    for (class, ns) in sums {
        table.row([
            scale.amount(ns),
            Cell::Percent(scale.share(ns)),
            Cell::Nanos(ns),
            Cell::text(class.word()),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}
