//! Which threads deserve a line of their own, and which share one.

use super::{known::Known, words};
use crate::{
    model::{Cell, Column, Show, Table, order},
    probe::threads::{Futex, State, Thread, Threads, Wait},
};
use serde_json::Value;
use std::collections::BTreeMap;

/// Below this share of a core a thread counts as idle: half a thousandth.
const IDLE_CORES: f64 = 0.0005;
/// Below this wait for a core per second a thread counts as idle: 0.1 ms.
const IDLE_WAIT_NS: f64 = 100_000.0;

/// A line of the table: one thread, or several that do the same nothing.
pub(super) struct Row<'a> {
    threads: Vec<&'a Thread>,
    rank: Rank,
    role: String,
    wait: String,
}

/// What comes first: bad, busy, waiting, idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Bad,
    Busy,
    Waiting,
    Idle,
}

/// The lines, most interesting first; `merge` puts idle threads with the same wait together.
pub(super) fn rows<'a>(threads: &'a Threads, known: &Known, merge: bool) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut idle: BTreeMap<(State, String), Vec<&Thread>> = BTreeMap::new();
    for thread in &threads.list {
        let wait = known.wait(thread);
        match is_busy(thread) || !merge {
            true => rows.push(Row::new(vec![thread], wait, known)),
            false => idle.entry((thread.state, wait)).or_default().push(thread),
        }
    }
    rows.extend(
        idle.into_iter()
            .map(|((_, wait), threads)| Row::new(threads, wait, known)),
    );
    order::sort_by(&mut rows, |a, b| {
        let cores = b.cores().total_cmp(&a.cores());
        let few_first = a.threads.len().cmp(&b.threads.len());
        a.rank
            .cmp(&b.rank)
            .then(cores)
            .then(few_first)
            .then_with(|| b.still().cmp(&a.still()))
    });
    rows
}

fn is_busy(thread: &Thread) -> bool {
    thread.state == State::Running
        || thread.cores.unwrap_or(0.0) >= IDLE_CORES
        || thread.wait_ns_per_s.unwrap_or(0.0) >= IDLE_WAIT_NS
}

fn rank(thread: &Thread, known: &Known, busy: bool) -> Rank {
    match &thread.wait {
        _ if matches!(thread.state, State::Uninterruptible | State::Stopped) => Rank::Bad,
        _ if busy => Rank::Busy,
        _ if known.lock(thread).is_some() => Rank::Bad,
        // What looks like a lock in the kernel is none, says the stack.
        _ if known.get(thread).is_some_and(|brief| brief.idle) => Rank::Idle,
        Wait::Futex(Futex { mutex: true, .. }) => Rank::Bad,
        Wait::Futex(_) | Wait::Events(_) | Wait::Nothing | Wait::Unknown => Rank::Idle,
        _ => Rank::Waiting,
    }
}

impl<'a> Row<'a> {
    fn new(threads: Vec<&'a Thread>, wait: String, known: &Known) -> Self {
        let rank = threads
            .first()
            .map_or(Rank::Idle, |thread| rank(thread, known, is_busy(thread)));
        Self {
            role: role(&threads, known),
            threads,
            rank,
            wait,
        }
    }

    fn cores(&self) -> f64 {
        self.threads.iter().filter_map(|thread| thread.cores).sum()
    }

    fn still(&self) -> Option<u64> {
        self.threads
            .iter()
            .filter_map(|thread| thread.still_ns)
            .max()
    }

    /// The sum of what is known; unknown when nothing is.
    fn sum(&self, figure: impl Fn(&Thread) -> Option<f64>) -> Option<f64> {
        let known: Vec<f64> = self
            .threads
            .iter()
            .filter_map(|thread| figure(thread))
            .collect();
        (!known.is_empty()).then(|| known.iter().sum())
    }

    fn cells(&self) -> Vec<Cell> {
        let single = match self.threads.as_slice() {
            [thread] => Some(*thread),
            _ => None,
        };
        let id = match single {
            Some(thread) => Cell::Id(thread.tid.into()),
            None => Cell::Count(self.threads.len() as u64),
        };
        let state = self
            .threads
            .first()
            .map_or("", |thread| thread.state.name());
        vec![
            id,
            Cell::text(words::names(
                self.threads.iter().map(|thread| thread.name.as_str()),
            )),
            match self.role.is_empty() {
                true => Cell::Empty,
                false => Cell::text(self.role.as_str()),
            },
            Cell::or_unknown(self.sum(|thread| thread.cores), |cores| {
                Cell::Percent(cores * 100.0)
            }),
            Cell::Nanos(self.threads.iter().map(|thread| thread.cpu_ns).sum()),
            Cell::or_unknown(self.sum(|thread| thread.wait_ns_per_s), |ns| {
                Cell::Nanos(ns as u64)
            }),
            Cell::text(state),
            self.still().map_or(Cell::Empty, Cell::Nanos),
            Cell::text(self.wait.as_str()),
        ]
    }
}

/// What these threads are for: of one `worker 2`, of several each kind once.
fn role(threads: &[&Thread], known: &Known) -> String {
    let mut briefs = threads.iter().filter_map(|thread| known.get(thread));
    if let [_] = threads {
        return briefs
            .next()
            .map_or(String::new(), |brief| brief.role.clone());
    }
    let mut kinds: Vec<&str> = Vec::new();
    for brief in briefs {
        if !brief.kind.is_empty() && !kinds.contains(&brief.kind) {
            kinds.push(brief.kind);
        }
    }
    kinds.join(", ")
}

/// The table for people.
pub(super) fn table(rows: &[Row<'_>]) -> Table {
    let columns = [
        Column::new("tid", "tid"),
        Column::new("name", "name"),
        Column::new("role", "role"),
        Column::new("cpu_percent", "cpu %"),
        Column::new("cpu_ns", "cpu total"),
        Column::new("wait_ns_per_s", "wait/s"),
        Column::new("state", "state"),
        Column::new("still_ns", "for"),
        Column::new("wait", "what it waits for"),
    ];
    let mut table = Table::new("threads", columns).show(Show::Text);
    rows.iter().for_each(|row| table.row(row.cells()));
    table
}

/// The table for programs: every thread, whatever the text merges.
pub(super) fn full_table(threads: &Threads, known: &Known) -> Table {
    let columns = [
        "tid",
        "name",
        "role",
        "state",
        "cpu_percent",
        "cpu_ns",
        "wait_ns_per_s",
        "age_ns",
        "still_ns",
        "still_least_ns",
        "still_most_ns",
        "wait",
        "wait_class",
        "lock",
        "wait_fd",
        "futex",
        "voluntary_switches",
        "involuntary_switches",
        "major_faults",
        "blocked_signals",
    ];
    let mut table = Table::new("threads", columns.map(Column::json)).show(Show::Json);
    threads
        .list
        .iter()
        .for_each(|thread| table.row(full_cells(thread, known)));
    table
}

fn full_cells(thread: &Thread, known: &Known) -> Vec<Cell> {
    let count = |value: Option<u64>| Cell::or_unknown(value, Cell::Count);
    let nanos = |value: Option<u64>| Cell::or_unknown(value, Cell::Nanos);
    // Beyond 2^53 not every program keeps a number whole.
    let hex = |value: u64| Cell::Json(Value::from(format!("{value:#x}")));
    let interval = thread.interval;
    let (fd, futex) = match &thread.wait {
        Wait::Descriptor(on) => (Cell::Id(on.fd.into()), Cell::Empty),
        Wait::Futex(futex) => (Cell::Empty, futex.address.map_or(Cell::Empty, hex)),
        _ => (Cell::Empty, Cell::Empty),
    };
    let brief = known.get(thread);
    let text = |text: &str| match text {
        "" => Cell::Empty,
        text => Cell::text(text),
    };
    vec![
        Cell::Id(thread.tid.into()),
        Cell::text(thread.name.as_str()),
        match thread.main {
            true => Cell::text("main"),
            false => text(brief.map_or("", |brief| &brief.role)),
        },
        Cell::text(thread.state.name()),
        Cell::or_unknown(thread.cores, |cores| Cell::Percent(cores * 100.0)),
        Cell::Nanos(thread.cpu_ns),
        Cell::or_unknown(thread.wait_ns_per_s, |ns| Cell::Nanos(ns as u64)),
        nanos(thread.age_ns),
        nanos(thread.still_ns),
        nanos(interval.map(|interval| interval.least_ns)),
        nanos(interval.and_then(|interval| interval.most_ns)),
        match known.wait(thread).as_str() {
            "" => Cell::Empty,
            "-" => Cell::Unknown,
            wait => Cell::text(wait),
        },
        text(brief.map_or("", |brief| brief.class)),
        text(known.lock(thread).unwrap_or("")),
        fd,
        futex,
        count(thread.status.voluntary_switches),
        count(thread.status.involuntary_switches),
        Cell::Count(thread.major_faults),
        thread.status.blocked_signals.map_or(Cell::Unknown, hex),
    ]
}
