//! `cgroup`: what the group may use, how often it was stopped or starved for it, pressure.

mod verdict;

use super::{Command, Context, Run};
use crate::{
    model::{
        Answer, Args, Block, Cell, Code, Column, Example, Failure, Fields, Group, Impact, Level,
        Spec, Table,
    },
    probe::{
        cgroup::{Cgroup, Pressure, Stall},
        clock,
        vitals::Vitals,
    },
    render::units,
};
use std::time::Duration;

/// How far back throttling and kills are called recent.
const WINDOW: Duration = Duration::from_secs(600);

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "cgroup",
        group: Group::Process,
        about: "the cgroup's limits, throttling, out-of-memory kills and pressure",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "0.3 ms: 10 to 25 small files of the cgroup file system",
        examples: &[Example::new(
            "cgroup",
            "throttled? starved? near its limits?",
        )],
        see_also: "memory (the process's own), threads (who waits for a core)",
    },
    triage: true,
    endpoints: &[],
    run: Run::Answer(answer),
};

/// The group now, and what happened lately.
#[derive(Clone, Debug, Default)]
struct Facts {
    group: Cgroup,
    recent: Option<Recent>,
}

/// What happened since an earlier look, as far as the vital signs reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Recent {
    /// How long ago that look was, in nanoseconds.
    span_ns: u64,
    /// Time throttled since, in nanoseconds.
    throttled_ns: Option<u64>,
    /// Kills since.
    kills: Option<u64>,
}

fn answer(ctx: &Context, _: &Args) -> Result<Answer, Failure> {
    let group = Cgroup::read();
    if group.version.is_none() && !group.pressure.any() {
        let text = "cgroup: no cgroup file system is in sight, so nothing is known of its limits";
        return Err(Failure::new(Code::Unsupported, text));
    }
    let recent = recent(&group, &ctx.state.vitals);
    Ok(report(&Facts { group, recent }))
}

fn recent(group: &Cgroup, vitals: &Vitals) -> Option<Recent> {
    // The farthest look within the window; soon after the start that is the first one.
    let then = vitals.ago(WINDOW).or_else(|| vitals.first())?;
    let since = |now: Option<u64>, then: Option<u64>| {
        now.zip(then).map(|(now, then)| now.saturating_sub(then))
    };
    Some(Recent {
        span_ns: clock::monotonic_ns().saturating_sub(then.at_ns),
        throttled_ns: match &group.cpu.limit_above {
            // The tick reads the own group only: another one's figure has no past.
            Some(_) => None,
            None => since(group.cpu.throttled_ns, then.throttled_ns),
        },
        kills: since(group.memory.oom_kills, then.oom_kills),
    })
}

fn report(facts: &Facts) -> Answer {
    let group = &facts.group;
    let path = group.path.as_deref().unwrap_or("-");
    let version = group
        .version
        .map_or("none".to_owned(), |version| format!("version {version}"));
    let mut answer = Answer::about(format!("{version}, {path}"));
    let (severity, text) = verdict::verdict(facts);
    answer.verdict(severity, text);
    answer.push(Block::Fields(fields(facts)));
    answer.push(Block::Table(pressure(group)));
    if group.pressure.of_system {
        answer.note("pressure: of the whole machine, since the group keeps no books of its own");
    }
    answer.next("memory");
    answer.next("threads");
    answer
}

fn fields(facts: &Facts) -> Fields {
    let mut fields = Fields::new();
    cpu(&mut fields, facts);
    memory(&mut fields, facts);
    let pids = &facts.group.pids;
    if pids.current.is_some() || pids.limit.is_some() {
        let remark = pids.limit.map_or("no limit".to_owned(), |limit| {
            format!("of {}", units::count(limit))
        });
        fields.remarked(
            "pids",
            "processes, threads",
            Cell::or_unknown(pids.current, Cell::Count),
            remark,
        );
        fields.field("pids_limit", "", Cell::or_unknown(pids.limit, Cell::Count));
    }
    fields.field(
        "path",
        "",
        Cell::or_unknown(facts.group.path.clone(), Cell::Text),
    );
    let version = facts.group.version.map(u64::from);
    fields.field("version", "", Cell::or_unknown(version, Cell::Id));
    fields
}

fn cpu(fields: &mut Fields, facts: &Facts) {
    let cpu = &facts.group.cpu;
    let above = cpu
        .limit_above
        .as_deref()
        .map_or(String::new(), |group| format!("set at {group}"));
    match cpu.limit_cores {
        Some(cores) => fields.remarked(
            "cpu_limit_cores",
            "cores allowed",
            Cell::Float(cores),
            above,
        ),
        None => fields.field("cpu_limit_cores", "cores allowed", Cell::text("no limit")),
    }
    let count = |value: Option<u64>| Cell::or_unknown(value, Cell::Count);
    fields.field(
        "cpu_usage_ns",
        "cpu time used",
        Cell::or_unknown(cpu.usage_ns, Cell::Nanos),
    );
    fields.field("cpu_periods", "", count(cpu.periods));
    fields.field("cpu_throttled_periods", "", count(cpu.throttled_periods));
    if cpu.limit_cores.is_some() || cpu.throttled_ns.is_some_and(|ns| ns > 0) {
        let mut remark = throttled_periods(facts).unwrap_or_default();
        if let Some((ns, span)) = facts
            .recent
            .and_then(|recent| Some((recent.throttled_ns?, recent.span_ns)))
        {
            remark.push_str(&format!(
                "; {} in the last {}",
                units::nanos(ns),
                units::nanos(span)
            ));
        }
        let remark = remark.trim_start_matches("; ");
        fields.remarked(
            "cpu_throttled_ns",
            "throttled",
            Cell::or_unknown(cpu.throttled_ns, Cell::Nanos),
            remark,
        );
    } else {
        fields.field(
            "cpu_throttled_ns",
            "",
            Cell::or_unknown(cpu.throttled_ns, Cell::Nanos),
        );
    }
}

/// "in 5 of 50 periods of 100 ms".
fn throttled_periods(facts: &Facts) -> Option<String> {
    let cpu = &facts.group.cpu;
    let length = cpu
        .period_ns
        .map_or(String::new(), |ns| format!(" of {}", units::nanos(ns)));
    let (throttled, all) = (
        units::count(cpu.throttled_periods?),
        units::count(cpu.periods?),
    );
    Some(format!("in {throttled} of {all} periods{length}"))
}

fn memory(fields: &mut Fields, facts: &Facts) {
    let memory = &facts.group.memory;
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let mut remark = Vec::new();
    remark.extend(
        memory
            .cache
            .map(|cache| format!("{} of it cached files", units::bytes(cache))),
    );
    remark.push(memory.limit.map_or("no limit".to_owned(), |limit| {
        format!("max {}", units::bytes(limit))
    }));
    remark.extend(
        memory
            .high
            .map(|high| format!("slowed down from {}", units::bytes(high))),
    );
    remark.extend(
        memory
            .limit_above
            .as_deref()
            .map(|group| format!("set at {group}")),
    );
    fields.remarked(
        "memory_bytes",
        "memory",
        bytes(memory.current),
        remark.join(", "),
    );
    fields.field("memory_limit_bytes", "", bytes(memory.limit));
    fields.field("memory_high_bytes", "", bytes(memory.high));
    fields.field("memory_cache_bytes", "", bytes(memory.cache));
    fields.field(
        "memory_peak_bytes",
        "memory, peak",
        bytes(memory.peak).or_empty(),
    );
    fields.field("swap_bytes", "swap", bytes(memory.swap).or_empty());
    fields.field("swap_limit_bytes", "", bytes(memory.swap_limit));
    let mut remark = Vec::new();
    remark.extend(
        memory
            .limit_events
            .map(|count| format!("limit hit {} times", units::count(count))),
    );
    remark.extend(
        memory
            .high_events
            .filter(|count| *count > 0)
            .map(|count| format!("slowed down {} times", units::count(count))),
    );
    let kills = Cell::or_unknown(memory.oom_kills, Cell::Count).or_empty();
    fields.remarked("oom_kills", "killed for memory", kills, remark.join(", "));
    fields.field(
        "memory_limit_events",
        "",
        Cell::or_unknown(memory.limit_events, Cell::Count),
    );
    fields.field(
        "memory_high_events",
        "",
        Cell::or_unknown(memory.high_events, Cell::Count),
    );
}

trait OrEmpty {
    fn or_empty(self) -> Self;
}

impl OrEmpty for Cell {
    /// Nothing instead of a dash, where the kernel or the version has no such figure at all.
    fn or_empty(self) -> Self {
        match self {
            Cell::Unknown => Cell::Empty,
            cell => cell,
        }
    }
}

fn pressure(group: &Cgroup) -> Table {
    let columns = [
        Column::new("resource", "time lost waiting for"),
        Column::new("who", "by"),
        Column::new("last_10_s_percent", "10 s %"),
        Column::new("last_60_s_percent", "60 s %"),
        Column::new("last_300_s_percent", "5 min %"),
        Column::new("total_ns", "in all"),
    ];
    let mut table = Table::new("pressure", columns);
    let all: [(&str, Option<Pressure>); 3] = [
        ("cpu", group.pressure.cpu),
        ("memory", group.pressure.memory),
        ("io", group.pressure.io),
    ];
    for (name, pressure) in all {
        let Some(pressure) = pressure else { continue };
        table.row(stall(name, "some threads", &pressure.some));
        // For the processor "all threads" is always 0 where it is kept for the whole machine.
        if let Some(full) = pressure.full.filter(|_| name != "cpu") {
            table.row(stall(name, "all threads", &full));
        }
    }
    table
}

fn stall(resource: &str, who: &str, stall: &Stall) -> Vec<Cell> {
    vec![
        Cell::text(resource),
        Cell::text(who),
        Cell::Percent(stall.last_10_s),
        Cell::Percent(stall.last_60_s),
        Cell::Percent(stall.last_300_s),
        Cell::Nanos(stall.total_ns),
    ]
}

#[cfg(test)]
mod tests;
