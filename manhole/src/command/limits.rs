//! `limits`: what the process may use, what it uses, and which limit is near.

use super::{Command, Context, Run};
use crate::{
    model::{
        Answer, Args, Block, Cell, Code, Column, Example, Failure, Group, Impact, Level, Severity,
        Show, Spec, Table, order,
    },
    probe::limits::{self, Limit, Unit},
    render::units,
};

/// From this share on a limit is near, in percent.
const WARN_PERCENT: f64 = 80.0;
const BAD_PERCENT: f64 = 95.0;

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "limits",
        group: Group::Process,
        about: "resource limits, what is used of them, which one is near",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "50 us, and the count of descriptors (5 us each before Linux 6.2)",
        examples: &[Example::new("limits", "the nearest one first")],
        see_also: "fds (what holds the descriptors), cgroup (the limits of the group)",
    },
    triage: true,
    endpoints: &[],
    run: Run::Answer(answer),
};

fn answer(_: &Context, _: &Args) -> Result<Answer, Failure> {
    let limits = limits::read().ok_or_else(|| {
        let text = "limits: /proc/self/limits cannot be read; is /proc mounted?";
        Failure::new(Code::Unsupported, text)
    })?;
    Ok(report(limits))
}

fn report(mut limits: Vec<Limit>) -> Answer {
    // Nearest first; a stable sort keeps the order of importance among those without a figure.
    order::sort_by(&mut limits, |a, b| {
        let share = |limit: &Limit| limit.percent().unwrap_or(-1.0);
        share(b)
            .total_cmp(&share(a))
            .then(a.soft.is_none().cmp(&b.soft.is_none()))
    });
    let mut answer = Answer::about("soft limits, and how far the process may raise them");
    let (severity, text) = verdict(&limits);
    answer.verdict(severity, text);
    let (bounded, unlimited): (Vec<&Limit>, Vec<&Limit>) =
        limits.iter().partition(|limit| limit.soft.is_some());
    answer.push(Block::Table(table(&bounded).show(Show::Text)));
    answer.push(Block::Table(
        table(&limits.iter().collect::<Vec<_>>()).show(Show::Json),
    ));
    if !unlimited.is_empty() {
        let names: Vec<&str> = unlimited.iter().map(|limit| limit.name).collect();
        answer.push(Block::Lines(vec![format!(
            "unlimited: {}",
            names.join(", ")
        )]));
    }
    if limits.first().is_some_and(|limit| limit.name == "nofile") {
        answer.next("fds");
    }
    answer.next("cgroup");
    answer
}

fn verdict(limits: &[Limit]) -> (Severity, String) {
    let nearest = limits
        .iter()
        .find_map(|limit| Some((limit, limit.percent()?)));
    let Some((limit, percent)) = nearest else {
        return (Severity::Ok, "No limit is known to be near.".to_owned());
    };
    let used = format!(
        "{} ({}): {} of {}, {}",
        limit.name,
        limit.about,
        shown(limit, limit.used),
        shown(limit, limit.soft),
        units::percent(percent)
    );
    let severity = match percent {
        // CPU time used up and a full stack are no matter of degree: the kernel ends the process.
        BAD_PERCENT.. => Severity::Bad,
        WARN_PERCENT.. => Severity::Warn,
        _ => {
            return (
                Severity::Ok,
                format!("No limit is near; the nearest is {used}."),
            );
        }
    };
    let raise = match limit.hard {
        hard if hard == limit.soft => String::new(),
        hard => format!("; the process may raise it to {}", shown(limit, hard)),
    };
    (severity, format!("Near its limit: {used}{raise}."))
}

fn shown(limit: &Limit, value: Option<u64>) -> String {
    match (value, limit.unit) {
        (None, _) => "unlimited".to_owned(),
        (Some(value), Unit::Bytes) => units::bytes(value),
        (Some(value), Unit::Seconds) => units::nanos(value.saturating_mul(1_000_000_000)),
        (Some(value), Unit::Micros) => units::nanos(value.saturating_mul(1000)),
        (Some(value), Unit::Count) => units::count(value),
    }
}

fn table(limits: &[&Limit]) -> Table {
    let columns = [
        Column::only_text("used_text", "used"),
        Column::only_text("limit_text", "limit"),
        Column::new("used_percent", "%"),
        Column::only_text("hard_text", "may be raised to"),
        Column::json("used"),
        Column::json("limit"),
        Column::json("hard_limit"),
        Column::json("unit"),
        Column::new("name", "name"),
        Column::new("about", ""),
    ];
    let mut table = Table::new("limits", columns);
    for limit in limits {
        table.row(cells(limit));
    }
    table
}

fn cells(limit: &Limit) -> Vec<Cell> {
    // Programs get base units, and null for "unlimited".
    let number = |value: Option<u64>| Cell::or_unknown(value, Cell::Count);
    let unit = match limit.unit {
        Unit::Bytes => "bytes",
        Unit::Seconds => "seconds",
        Unit::Micros => "microseconds",
        Unit::Count => "count",
    };
    vec![
        human(limit, limit.used, Cell::Unknown),
        human(limit, limit.soft, Cell::text("unlimited")),
        limit.percent().map_or(Cell::Empty, Cell::Percent),
        match limit.hard == limit.soft {
            true => Cell::Empty,
            false => human(limit, limit.hard, Cell::text("unlimited")),
        },
        number(limit.used),
        number(limit.soft),
        number(limit.hard),
        Cell::text(unit),
        Cell::text(limit.name),
        Cell::text(limit.about),
    ]
}

fn human(limit: &Limit, value: Option<u64>, none: Cell) -> Cell {
    match (value, limit.unit) {
        (None, _) => none,
        (Some(value), Unit::Bytes) => Cell::Bytes(value),
        (Some(value), Unit::Seconds) => Cell::Nanos(value.saturating_mul(1_000_000_000)),
        (Some(value), Unit::Micros) => Cell::Nanos(value.saturating_mul(1000)),
        (Some(value), Unit::Count) => Cell::Count(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::lines;

    fn limit(name: &'static str, unit: Unit, used: Option<u64>, soft: Option<u64>) -> Limit {
        Limit {
            name,
            about: "what it bounds",
            unit,
            soft,
            hard: soft,
            used,
        }
    }

    fn check(limits: Vec<Limit>, severity: Severity, expected: &str) {
        let verdict = report(limits).verdict.unwrap();
        assert_eq!(
            (verdict.severity, verdict.text.as_str()),
            (severity, expected)
        );
    }

    #[test]
    fn the_nearest_limit_is_named() {
        let stack = limit("stack", Unit::Bytes, Some(132 << 10), Some(8 << 20));
        let mut files = limit("nofile", Unit::Count, Some(9812), Some(10_240));
        files.hard = Some(1_048_576);
        check(
            vec![stack.clone()],
            Severity::Ok,
            "No limit is near; the nearest is stack (what it bounds): 132 KiB of 8.00 MiB, 1.6 %.",
        );
        check(
            vec![stack, files],
            Severity::Bad,
            "Near its limit: nofile (what it bounds): 9,812 of 10,240, 96 %; the process may raise it to 1,048,576.",
        );
        let cpu = limit("cpu", Unit::Seconds, Some(50), Some(60));
        check(
            vec![cpu],
            Severity::Warn,
            "Near its limit: cpu (what it bounds): 50 s of 1m 00s, 83 %.",
        );
        check(
            vec![limit("as", Unit::Bytes, Some(1), None)],
            Severity::Ok,
            "No limit is known to be near.",
        );
    }

    #[test]
    fn the_table_has_units_and_unlimited() {
        let mut files = limit("nofile", Unit::Count, Some(1204), Some(20_000));
        files.hard = None;
        let limits = vec![limit("as", Unit::Bytes, None, None), files];
        assert_eq!(
            lines("limits", &report(limits)).get(3..).unwrap(),
            [
                " used   limit    %  may be raised to  name",
                "1,204  20,000  6.0  unlimited         nofile  what it bounds",
                "",
                "unlimited: as",
                "# next: fds; cgroup",
            ]
        );
    }
}
