//! The tables of the heap's views, each a line for a place.

use super::{
    sites::{Row, Sites, error_of_allocated, signed},
    verdict::grows,
    words,
};
use crate::model::{
    Cell, Column, Table,
    heap::{Report, View, Wish},
    order,
};
use std::cmp::Reverse;

/// An error below this share of its value, in percent, is not worth a word.
const WORTH_SAYING: f64 = 5.0;
/// So many standard deviations may be chance.
const CHANCE: f64 = 2.0;

const SITE: &str = "site (first frame of the application)";

/// Who holds what is live.
pub(super) fn live(sites: &Sites<'_>, report: &Report, wish: &Wish) -> Table {
    let window = report.window.as_ref().map_or(0, |window| window.ns);
    let columns = [
        Column::new("live_bytes", "live"),
        Column::new("error_percent", "err"),
        Column::new("percent", "%"),
        Column::new("objects", "objects"),
        Column::new("change_bytes", words::in_time(window)),
        Column::new("allocated_bytes_per_s", "alloc/s"),
        Column::json("error_bytes"),
        Column::new("site", SITE),
        Column::new("place", ""),
    ];
    let cells = |row: &Row| {
        let bytes = row.now.live().bytes;
        let change = (window > 0 && !row.unknown).then(|| row.change());
        vec![
            Cell::Bytes(bytes),
            error(row.error(), bytes),
            Cell::Percent(sites.share(bytes)),
            Cell::Count(row.now.live().count()),
            Cell::or_unknown(change, Cell::BytesChange),
            Cell::or_unknown(rate(row, report), Cell::BytesRate),
            Cell::Bytes(row.error() as u64),
        ]
    };
    let shown = |row: &&Row| row.now.live().bytes > 0;
    let rows: Vec<&Row> = sites.rows.iter().filter(shown).collect();
    filled(Table::new("sites", columns), sites, &rows, wish, &cells)
}

fn rate(row: &Row, report: &Report) -> Option<f64> {
    let seconds = report.recent_ns as f64 / 1e9;
    row.recent
        .filter(|_| seconds > 0.0)
        .map(|bytes| bytes as f64 / seconds)
}

/// Who held what was live when most was.
pub(super) fn peak(sites: &Sites<'_>, wish: &Wish) -> Table {
    let columns = [
        Column::new("peak_bytes", "at the peak"),
        Column::new("percent", "%"),
        Column::new("objects", "objects"),
        Column::new("live_bytes", "live now"),
        Column::new("site", SITE),
        Column::new("place", ""),
    ];
    let cells = |row: &Row| {
        vec![
            Cell::Bytes(row.peak.bytes),
            Cell::Percent(sites.share(row.peak.bytes)),
            Cell::Count(row.peak.count()),
            Cell::Bytes(row.now.live().bytes),
        ]
    };
    let rows: Vec<&Row> = sites.rows.iter().filter(|row| row.peak.bytes > 0).collect();
    filled(Table::new("sites", columns), sites, &rows, wish, &cells)
}

/// Who allocates.
pub(super) fn allocs(sites: &Sites<'_>, report: &Report, wish: &Wish) -> Table {
    let ns = match &report.window {
        Some(window) => Some(window.ns),
        None => report.age_ns,
    };
    let seconds = ns.map(|ns| ns as f64 / 1e9).filter(|time| *time > 0.0);
    let columns = [
        Column::new("allocated_bytes", "allocated"),
        Column::new("error_percent", "err"),
        Column::new("percent", "%"),
        Column::new("objects", "objects"),
        Column::new("allocated_bytes_per_s", "alloc/s"),
        Column::new("change_bytes", "stayed"),
        Column::json("error_bytes"),
        Column::new("site", SITE),
        Column::new("place", ""),
    ];
    let cells = |row: &Row| {
        let allocated = row.now.allocated.less(row.before.allocated);
        let samples = row.now.samples.saturating_sub(row.before.samples);
        let off = error_of_allocated(allocated, samples);
        let stayed = signed(row.now.live().bytes) - signed(row.before.live().bytes);
        let rate = seconds.map(|time| allocated.bytes as f64 / time);
        vec![
            Cell::Bytes(allocated.bytes),
            error(off, allocated.bytes),
            Cell::Percent(sites.share(allocated.bytes)),
            Cell::Count(allocated.count()),
            Cell::or_unknown(rate, Cell::BytesRate),
            Cell::BytesChange(stayed),
            Cell::Bytes(off as u64),
        ]
    };
    let shown = |row: &&Row| row.bytes(View::Allocs) > 0;
    let rows: Vec<&Row> = sites.rows.iter().filter(shown).collect();
    filled(Table::new("sites", columns), sites, &rows, wish, &cells)
}

/// What changed between two looks. What changed less than chance may have it is one line.
pub(super) fn diff(sites: &Sites<'_>, wish: &Wish) -> Table {
    let columns = [
        Column::new("change_bytes", "change"),
        Column::new("live_bytes", "live"),
        Column::new("objects_change", "objects"),
        Column::new("freed_percent", "freed again"),
        Column::json("error_bytes"),
        Column::new("site", "site"),
        Column::new("place", ""),
    ];
    let cells = |row: &Row| {
        vec![
            Cell::BytesChange(row.change()),
            Cell::Bytes(row.known.live().bytes),
            Cell::CountChange(row.change_of_objects()),
            Cell::or_unknown(row.freed_again(), Cell::Percent),
            Cell::Bytes(row.error_of_change() as u64),
        ]
    };
    let changed = sites.rows.iter().filter(|row| row.change() != 0);
    let (rows, small): (Vec<&Row>, Vec<&Row>) = match wish.rows {
        Some(_) => changed.partition(|row| is_sure(row)),
        None => (changed.collect(), Vec::new()),
    };
    let mut table = filled(Table::new("sites", columns), sites, &rows, wish, &cells);
    if !small.is_empty() {
        let changes = small.iter().map(|row| row.change());
        let sum = changes.fold(0, i64::saturating_add);
        table.row([
            Cell::BytesChange(sum),
            Cell::Unknown,
            Cell::Unknown,
            Cell::Unknown,
            Cell::Empty,
            Cell::Text(match small.len() {
                1 => "1 site changed less than its sampling error".to_owned(),
                count => format!("{count} sites changed less than their sampling error"),
            }),
            Cell::text("--rows all"),
        ]);
    }
    table
}

/// Whether a change is more than chance.
pub(super) fn is_sure(row: &Row) -> bool {
    row.change().unsigned_abs() as f64 > CHANCE * row.error_of_change()
}

/// What is old: first what grows, then what is most.
pub(super) fn leaks(sites: &Sites<'_>, wish: &Wish) -> Table {
    let columns = [
        Column::new("old_bytes", "old"),
        Column::new("error_percent", "err"),
        Column::new("percent", "%"),
        Column::new("objects", "objects"),
        Column::new("grown_bytes", "grew"),
        Column::new("grows", "goes on"),
        Column::new("freed_percent", "freed again"),
        Column::only_text("ages", "by age"),
        Column::json("ages_bytes"),
        Column::new("site", SITE),
        Column::new("place", ""),
    ];
    let cells = |row: &Row| {
        let growth = grows(sites, row);
        vec![
            Cell::Bytes(row.old.bytes),
            error(row.old_variance.max(0.0).sqrt(), row.old.bytes),
            Cell::Percent(sites.share(row.old.bytes)),
            Cell::Count(row.old.count()),
            Cell::or_unknown(growth.map(|growth| growth.bytes), Cell::BytesChange),
            Cell::or_unknown(growth.map(|growth| growth.sure), Cell::Bool),
            Cell::or_unknown(
                row.freed_again().filter(|_| growth.is_some()),
                Cell::Percent,
            ),
            Cell::Text(words::bars(&row.ages)),
            Cell::Json(row.ages.to_vec().into()),
        ]
    };
    let mut rows: Vec<&Row> = sites.rows.iter().filter(|row| row.old.bytes > 0).collect();
    order::sort_by_key(&mut rows, |row| {
        let grown = grows(sites, row).filter(|growth| growth.sure);
        Reverse((grown.map_or(0, |growth| growth.bytes), row.old.bytes))
    });
    filled(Table::new("sites", columns), sites, &rows, wish, &cells)
}

/// An error in percent of `of`, where it is worth a word.
fn error(off: f64, of: u64) -> Cell {
    match off * 100.0 / of.max(1) as f64 {
        share if share >= WORTH_SAYING => Cell::Percent(share),
        _ => Cell::Empty,
    }
}

/// The rows that are asked for, and a line for those that are not. `cells` makes all but the place.
fn filled(
    mut table: Table,
    sites: &Sites<'_>,
    rows: &[&Row],
    wish: &Wish,
    cells: &dyn Fn(&Row) -> Vec<Cell>,
) -> Table {
    let most = wish.rows.unwrap_or(usize::MAX);
    for row in rows.iter().take(most) {
        let (site, place) = sites.names(row);
        let mut cells = cells(row);
        cells.push(Cell::Text(site));
        cells.push(match place.is_empty() {
            true => Cell::Empty,
            false => Cell::Text(place),
        });
        table.row(cells);
    }
    let others = rows.get(most.min(rows.len())..).unwrap_or_default();
    if let [first, more @ ..] = others {
        let mut sum = (*first).clone();
        more.iter().for_each(|row| sum.merge(row));
        let mut cells = cells(&sum);
        cells.push(Cell::Text(match others.len() {
            1 => "1 smaller site".to_owned(),
            count => format!("{count} smaller sites"),
        }));
        cells.push(Cell::text(format!("{} --rows all", wish.view.name())));
        table.row(cells);
    }
    table
}
