//! The table of `memory`: each part now, then, and what changed.

use super::{Deep, Facts, rest};
use crate::{
    model::{Cell, Column, Table},
    probe::{allocator::Known, heap_sums::Totals, vitals::Sample},
    render::units,
};

/// A line of the table: how deep it is indented, key, words, now, then, remark.
pub(super) struct Line {
    pub depth: usize,
    pub key: &'static str,
    pub words: &'static str,
    pub now: Option<u64>,
    pub then: Option<u64>,
    pub remark: String,
}

impl Line {
    fn new(
        depth: usize,
        key: &'static str,
        words: &'static str,
        now: Option<u64>,
        then: Option<u64>,
    ) -> Self {
        Self {
            depth,
            key,
            words,
            now,
            then,
            remark: String::new(),
        }
    }

    fn remarked(mut self, remark: impl Into<String>) -> Self {
        self.remark = remark.into();
        self
    }
}

fn lines(facts: &Facts) -> Vec<Line> {
    let usage = &facts.usage;
    let then =
        |figure: fn(&Sample) -> Option<u64>| facts.before.and_then(|(sample, _)| figure(&sample));
    let line = Line::new;
    let mut lines = vec![
        line(0, "resident", "resident", usage.resident, then(|s| s.rss)),
        line(
            1,
            "anonymous",
            "anonymous",
            usage.anonymous,
            then(|s| s.anonymous),
        ),
    ];
    lines.extend(heap(facts));
    lines.extend(books(facts));
    lines.extend(facts.deep.iter().flat_map(Deep::lines));
    lines.extend([
        line(
            1,
            "files",
            "files (binary, libraries)",
            usage.files,
            then(|s| s.files),
        ),
        line(1, "shared", "shared", usage.shared, then(|s| s.shared)),
        line(0, "swap", "swap", usage.swap, then(|s| s.swap)),
    ]);
    let peak = line(0, "peak", "peak resident", usage.peak, None);
    let at_peak = usage.peak.is_some() && usage.peak <= usage.resident.map(|now| now + now / 100);
    lines.push(peak.remarked(if at_peak { "now" } else { "" }));
    lines
}

/// What is live in Rust's heap, and the rest of what is anonymous; nothing without the counts.
fn heap(facts: &Facts) -> Vec<Line> {
    let Some(totals) = &facts.totals else {
        return Vec::new();
    };
    let before = facts.before.map(|(sample, _)| sample);
    let live = Line::new(
        2,
        "heap",
        "rust heap, live",
        Some(totals.live_bytes),
        before.and_then(|s| s.heap),
    );
    let error = totals.error_percent().map(units::percent);
    let error = error.map_or("sampled".to_owned(), |error| format!("sampled, +-{error}"));
    let then = before.and_then(|s| rest(s.anonymous, s.swap, s.heap));
    let now = facts.rest();
    let left = Line::new(2, "rest", "the rest", now, then).remarked(match now {
        Some(_) => "free in the allocator, C code, stacks",
        None if is_within_error(facts, totals) => "less than the sampling error",
        None => "much of what is live was never touched",
    });
    vec![live.remarked(error), left]
}

/// Whether what is live may well fit into what is anonymous, by three standard errors.
fn is_within_error(facts: &Facts, totals: &Totals) -> bool {
    let error = totals.error_bytes.unwrap_or(0.0) * 3.0;
    let least = (totals.live_bytes as f64 - error).max(0.0) as u64;
    rest(facts.usage.anonymous, facts.usage.swap, Some(least)).is_some()
}

/// What the allocators' books say, where they were read.
fn books(facts: &Facts) -> Vec<Line> {
    let mut lines = Vec::new();
    let look = &facts.look;
    let used = |known: &Option<Known>| known.as_ref().and_then(|known| known.figures.used);
    if let Some(bytes) = used(&look.rust) {
        let line = Line::new(2, "allocator_used", "allocator, in use", Some(bytes), None);
        lines.push(line.remarked("by its books, swapped out or not"));
    }
    if let Some(bytes) = used(&look.c) {
        let line = Line::new(2, "c_allocator_used", "C code's, in use", Some(bytes), None);
        lines.push(line.remarked("by its books, swapped out or not"));
    }
    if let Some(held) = facts.held() {
        let line = Line::new(
            2,
            "allocator_free",
            "allocator, free but held",
            Some(held.free),
            None,
        );
        lines.push(line.remarked(match held.purgeable {
            Some(purgeable) => format!("gc run gives back {}", units::bytes(purgeable)),
            None => "gc run gives back what it can".to_owned(),
        }));
    }
    lines
}

/// The table, with columns for the past if there is one.
pub(super) fn table(facts: &Facts) -> Table {
    let heading = facts.before.map_or("", |(_, heading)| heading);
    let columns = [
        Column::only_text("words", ""),
        Column::json("name"),
        Column::new("now_bytes", "now"),
        Column::new("before_bytes", heading),
        Column::new("change_bytes", "change"),
        Column::only_text("remark", ""),
    ];
    let mut table = Table::new("memory", columns);
    for line in lines(facts) {
        let change = line
            .now
            .zip(line.then)
            .map(|(now, then)| now as i64 - then as i64);
        // Without any past the columns are left out rather than filled with dashes.
        let past = facts.before.is_some() && line.then.is_some();
        let when_past = |cell: Cell| if past { cell } else { Cell::Empty };
        table.row([
            Cell::text(format!("{}{}", "  ".repeat(line.depth), line.words)),
            Cell::text(line.key),
            Cell::or_unknown(line.now, Cell::Bytes),
            when_past(Cell::or_unknown(line.then, Cell::Bytes)),
            when_past(Cell::or_unknown(change, Cell::BytesChange)),
            match line.remark.is_empty() {
                true => Cell::Empty,
                false => Cell::Text(line.remark),
            },
        ]);
    }
    table
}
