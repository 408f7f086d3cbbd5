//! `audit`: who asked what.

use super::{
    Command, Run,
    audit_ring::{Kept, Kind},
    plural,
};
use crate::model::{
    Answer, ArgSpec, ArgType, Args, Block, Cell, Column, Group, Impact, Level, Severity, Spec,
    Table, order,
};
use std::cmp::Reverse;

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "audit",
        group: Group::Console,
        about: "who asked what, newest first; questions never push out changes or refusals",
        args: &[ArgSpec::option(
            "rows",
            ArgType::Int { min: 1, max: 256 },
            "how many at most of each: changes, refusals, questions, strangers",
        )
        .default("40")],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: "nothing: it copies 480 records in memory at most",
        examples: &[],
        see_also: "",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(|ctx, args| Ok(answer(&ctx.state.audit.kept()?, args))),
};

const COLUMNS: [Column; 15] = [
    Column::new("time", "time"),
    Column::new("times", "times"),
    Column::json("first_time"),
    Column::json("kind"),
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

const KINDS: [Kind; 4] = [Kind::Change, Kind::Refusal, Kind::Question, Kind::Stranger];

/// `kept` is in the order of time.
fn answer(kept: &[Kept], args: &Args) -> Answer {
    let rows = usize::try_from(args.int("rows").unwrap_or(40)).unwrap_or(40);
    let mut answer = Answer::about(about(kept));
    let denied = kept.iter().filter(|kept| kept.record.result == "denied");
    let denied = denied.fold(0, |sum: usize, kept| {
        sum.saturating_add(usize::try_from(kept.times).unwrap_or(usize::MAX))
    });
    match denied {
        0 => answer.verdict(Severity::Ok, "Nobody was refused."),
        _ => answer.verdict(
            Severity::Warn,
            format!("{} refused.", plural(denied, "request")),
        ),
    }
    let newest = |kind| of(kept, kind).rev().take(rows);
    let mut shown: Vec<&Kept> = KINDS.into_iter().flat_map(newest).collect();
    order::sort_by_key(&mut shown, |kept| Reverse(kept.record.time_unix_ns));
    let mut table = Table::new("records", COLUMNS);
    shown.into_iter().for_each(|kept| table.row(cells(kept)));
    let hidden = kept.len().saturating_sub(table.rows.len());
    answer.push(Block::Table(table));
    if hidden > 0 {
        answer.note(format!("{hidden} more: audit --rows 256"));
    }
    answer
}

fn of(kept: &[Kept], kind: Kind) -> impl DoubleEndedIterator<Item = &Kept> {
    kept.iter().filter(move |kept| kept.kind == kind)
}

/// `41 records: 2 changes, 3 refusals, 36 questions`.
fn about(kept: &[Kept]) -> String {
    let counts = KINDS.map(|kind| (of(kept, kind).count(), kind));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts
        .map(|(count, kind)| plural(count, kind.name()))
        .collect();
    let all = plural(kept.len(), "record");
    match counts.is_empty() {
        true => all,
        false => format!("{all}: {}", counts.join(", ")),
    }
}

fn cells(kept: &Kept) -> [Cell; 15] {
    let record = &kept.record;
    let repeated = kept.times > 1;
    [
        Cell::Time(record.time_unix_ns),
        if repeated {
            Cell::Count(kept.times)
        } else {
            Cell::Empty
        },
        if repeated {
            Cell::Time(kept.first_unix_ns)
        } else {
            Cell::Empty
        },
        Cell::text(kept.kind.name()),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        command::{AuditLog, Entry, Nobody},
        model::{Caller, Dialect},
        render::text::{TextStyle, shown},
    };

    fn entry(line: &str, changes: bool) -> Entry {
        let caller = Caller {
            uid: 7,
            gid: 7,
            pid: 0,
            level: Level::Control,
            connection: 1,
        };
        Entry {
            caller,
            admitted: true,
            changes,
            client: None,
            dialect: Dialect::Http,
            line: line.to_owned(),
        }
    }

    #[test]
    fn whatever_was_asked_since_changes_and_refusals_are_shown() {
        let log = AuditLog::new(Box::new(Nobody));
        log.add(&entry("gc run", true), "ok", 10, 1);
        log.add(&entry("env", false), "denied", 0, 0);
        log.add(&entry("env", false), "denied", 0, 0);
        for i in 0..300 {
            log.add(&entry(&format!("help {i}"), false), "ok", 0, 0);
        }
        let args = Args::parse(&COMMAND.spec, &["--rows".to_owned(), "2".to_owned()]).unwrap();
        let answer = answer(&log.kept().unwrap(), &args);
        let expected = "258 records: 1 change, 1 refusal, 256 questions";
        assert_eq!(answer.about.as_deref(), Some(expected));
        let text = shown(&answer, TextStyle::default());
        // Without the column of times.
        let lines = text.lines().map(|line| match line.split_once("Z ") {
            Some((_, rest)) => rest,
            None => line,
        });
        let lines: Vec<&str> = lines.collect();
        assert_eq!(
            lines,
            [
                "2 requests refused.",
                "",
                "time                  times  uid  pid  dialect  level    took  bytes  result  command",
                "          7  -    http     control     0      0  ok      help 299",
                "          7  -    http     control     0      0  ok      help 298",
                "     2    7  -    http     control     0      0  denied  env",
                "          7  -    http     control  1 ms     10  ok      gc run",
                "# 254 more: audit --rows 256",
            ]
        );
    }
}
