//! `audit`: who asked what.

use super::{Command, Record, Run, plural};
use crate::model::{
    Answer, ArgSpec, ArgType, Args, Block, Cell, Column, Group, Impact, Level, Severity, Spec,
    Table,
};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "audit",
        group: Group::Console,
        about: "who asked what: the last 256 commands, newest first",
        args: &[ArgSpec::option(
            "rows",
            ArgType::Int { min: 1, max: 256 },
            "how many records",
        )
        .default("40")],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: "nothing: it copies a ring in memory",
        examples: &[],
        see_also: "",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(|ctx, args| Ok(answer(&ctx.state.audit.records(), args))),
};

const COLUMNS: [Column; 12] = [
    Column::new("time", "time"),
    Column::new("uid", "uid"),
    Column::json("gid"),
    Column::new("pid", "pid"),
    Column::json("connection"),
    Column::new("dialect", "dialect"),
    Column::new("level", "level"),
    Column::new("elapsed_ns", "took"),
    Column::new("bytes", "bytes"),
    Column::new("result", "result"),
    Column::new("client", "client"),
    Column::new("line", "command"),
];

fn answer(records: &[Record], args: &Args) -> Answer {
    let rows = usize::try_from(args.int("rows").unwrap_or(40)).unwrap_or(40);
    let denied = records
        .iter()
        .filter(|record| record.result == "denied")
        .count();
    let mut answer = Answer::about(format!("{} kept", plural(records.len(), "record")));
    match denied {
        0 => answer.verdict(Severity::Ok, "Nobody was refused."),
        _ => answer.verdict(
            Severity::Warn,
            format!("{} refused.", plural(denied, "request")),
        ),
    }
    let mut table = Table::new("records", COLUMNS);
    for record in records.iter().rev().take(rows) {
        table.row(cells(record));
    }
    answer.push(Block::Table(table));
    if records.len() > rows {
        answer.note(format!("{} more: audit --rows 256", records.len() - rows));
    }
    answer
}

fn cells(record: &Record) -> [Cell; 12] {
    [
        Cell::Time(record.time_unix_ns),
        Cell::Id(record.uid.into()),
        Cell::Id(record.gid.into()),
        // 0 is how the kernel says that the peer lies outside our pid namespace.
        Cell::or_unknown(
            u64::try_from(record.pid).ok().filter(|pid| *pid != 0),
            Cell::Id,
        ),
        Cell::Id(record.connection),
        Cell::text(record.dialect),
        Cell::or_unknown(record.level, |level| Cell::text(level.name())),
        Cell::Nanos(record.elapsed_ms.saturating_mul(1_000_000)),
        Cell::Count(record.bytes),
        Cell::text(record.result),
        record.client.clone().map_or(Cell::Empty, Cell::Text),
        Cell::text(&*record.line),
    ]
}
