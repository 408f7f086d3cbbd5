//! By the application's code: the first of its functions in each stack.

use super::{
    doing::Class,
    entries::is_of_waits,
    tables::{Scale, more},
    walk::{Site, Walk},
};
use crate::{
    fold::words,
    model::{Cell, Column, Table, order, wish::Kind},
};
use std::{cmp::Reverse, collections::BTreeMap};

/// A place in the application, and what was met there.
pub(super) struct Row {
    pub site: Site,
    pub doing: &'static str,
    pub class: Class,
    pub ns: u64,
    pub samples: u64,
    waits: u64,
    tids: BTreeMap<u32, u64>,
}

/// The places, most time first; those of threads that wait for work are left out.
pub(super) fn rows(walk: &Walk<'_>) -> Vec<Row> {
    let mut rows: BTreeMap<(Site, &str), Row> = BTreeMap::new();
    for stack in walk.busy() {
        let row = rows.entry((stack.site, stack.doing)).or_insert(Row {
            site: stack.site,
            doing: stack.doing,
            class: stack.class,
            ns: 0,
            samples: 0,
            waits: 0,
            tids: BTreeMap::new(),
        });
        row.ns = row.ns.saturating_add(stack.ns);
        row.samples = row.samples.saturating_add(stack.samples);
        row.waits = row.waits.saturating_add(stack.waits);
        *row.tids.entry(stack.tid).or_default() += stack.ns;
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    order::sort_by_key(&mut rows, |row| (Reverse(row.ns), Reverse(row.samples)));
    rows
}

impl Row {
    /// The function, and its place or a remark in its stead.
    pub(super) fn names(&self, walk: &Walk<'_>) -> (String, String) {
        let function = |number| walk.function(number);
        match self.site {
            Site::Function(number) => function(number).map_or_else(Default::default, |function| {
                (function.name.clone(), function.place())
            }),
            Site::Hidden(number, remark) => {
                let name = function(number).map_or(String::new(), |function| function.name.clone());
                (name, remark.to_owned())
            }
            Site::Elsewhere => ("no frame of yours".to_owned(), String::new()),
        }
    }

    /// The threads, most time first: `image-worker-0..3, main`.
    pub(super) fn threads(&self, walk: &Walk<'_>) -> String {
        let mut by_name: BTreeMap<&str, u64> = BTreeMap::new();
        for (tid, ns) in &self.tids {
            *by_name.entry(walk.called(*tid)).or_default() += ns;
        }
        let mut names: Vec<_> = by_name.into_iter().collect();
        order::sort_by_key(&mut names, |(_, ns)| Reverse(*ns));
        words::ranges(names.into_iter().map(|(name, _)| name))
    }
}

/// `rows` as a table of at most `most` lines.
pub(super) fn table(walk: &Walk<'_>, rows: &[Row], scale: &Scale, most: usize) -> Table {
    let (doing, title) = match scale.kind {
        Kind::Cpu => (
            None,
            "BY YOUR CODE   first frame of the application in each stack",
        ),
        Kind::Wall => (
            Some(Column::new("doing", "does")),
            "BY YOUR CODE   first frame of the application in each stack, without idle threads",
        ),
        Kind::Block | Kind::Mutex => (
            Some(Column::new("doing", "waits for")),
            "BY YOUR CODE   where it waits, how often as far as seen, and how long",
        ),
    };
    let mut columns = vec![scale.column(), Column::new("percent", "%")];
    columns.push(match is_of_waits(scale.kind) {
        true => Column::new("contentions", "waits"),
        false => Column::json("contentions"),
    });
    columns.push(Column::json("samples"));
    columns.push(Column::json("ns"));
    columns.extend(doing.clone());
    columns.extend([
        Column::new("function", "function"),
        Column::new("place", ""),
        Column::new("threads", "threads"),
    ]);
    let mut table = Table::new("by_code", columns).titled(title);
    for row in rows.iter().take(most) {
        let (function, place) = row.names(walk);
        let mut cells = vec![
            scale.amount(row.ns),
            Cell::Percent(scale.share(row.ns)),
            match scale.kind {
                Kind::Cpu => Cell::Empty,
                _ => Cell::Count(row.waits),
            },
            Cell::Count(row.samples),
            Cell::Nanos(row.ns),
        ];
        cells.extend(doing.is_some().then(|| Cell::text(row.doing)));
        cells.extend([
            Cell::Text(function),
            match place.is_empty() {
                true => Cell::Empty,
                false => Cell::Text(place),
            },
            Cell::Text(row.threads(walk)),
        ]);
        table.row(cells);
    }
    table.more = more(rows.len(), most);
    table
}
