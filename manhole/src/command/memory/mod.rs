//! `memory`: what the system sees of the process's memory, now and an hour ago, and how far the
//! limit is.
//!
//! Two tiers. The plain answer reads counters and never makes anybody wait. `--deep` walks page
//! tables and the allocator's free lists, and says what it cost: threads that allocate wait
//! meanwhile.

mod deep;
pub(super) mod verdict;

use super::{Command, Context, Run};
use crate::{
    model::{
        Answer, ArgSpec, Args, Block, Cell, Code, Column, Example, Failure, Fields, Group, Impact,
        Level, Show, Spec, Table,
    },
    probe::{
        cgroup::Cgroup,
        memory::{Machine, Usage},
        vitals::{Extra, Sample, Vitals},
    },
    render::units,
    sys::malloc,
};
use deep::Deep;
use std::time::Duration;
use verdict::Trends;

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "memory",
        group: Group::Question,
        about: "how much memory, since when it grows, how far the limit is",
        args: &[ArgSpec::flag(
            "deep",
            "also what the allocator holds free and what is shared; threads that allocate wait meanwhile",
        )],
        level: Level::View,
        impact: Impact::Reads,
        cost: "0.3 ms; --deep measured 0.8 s on a fragmented heap of 4 GiB, a few ms on a small one",
        examples: &[
            Example::new(
                "memory",
                "resident memory, its parts, their growth, the limit",
            ),
            Example::new(
                "memory --deep",
                "splits what the allocator holds from what is in use",
            ),
        ],
        see_also: "gc stats (the allocator's side), cgroup (limits and pressure), maps (mappings by kind)",
    },
    triage: true,
    endpoints: &[super::profiles::HEAP, super::profiles::ALLOCS],
    run: Run::Kernel(answer),
};

/// How far back one looks, the farthest that is known first, with its heading.
const AGES: [(u64, &str); 5] = [
    (3600, "1 h ago"),
    (1800, "30 min ago"),
    (600, "10 min ago"),
    (300, "5 min ago"),
    (60, "1 min ago"),
];

/// Everything that the answer is made of.
#[derive(Clone, Debug, Default)]
struct Facts {
    usage: Usage,
    now: Sample,
    /// What was, and the heading for it.
    before: Option<(Sample, &'static str)>,
    trends: Trends,
    group: Cgroup,
    machine: Machine,
    allocator: Option<String>,
    deep: Option<Deep>,
}

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let vitals = &ctx.state.vitals;
    let usage = Usage::read().ok_or_else(|| {
        let text = "memory: /proc/thread-self/status cannot be read; is /proc mounted?";
        Failure::new(Code::Unsupported, text)
    })?;
    let deep = match args.flag("deep") {
        true => Some(super::pace::paced(ctx, Deep::measure)?),
        false => None,
    };
    let now = vitals.now(known_elsewhere(vitals));
    let facts = Facts {
        usage,
        now,
        before: before(vitals),
        trends: Trends::of(vitals, &now),
        group: Cgroup::read(),
        machine: Machine::read(),
        allocator: allocator(),
        deep,
    };
    ctx.check()?;
    Ok(report(&facts))
}

/// What other layers said at the last tick: this command cannot ask them.
fn known_elsewhere(vitals: &Vitals) -> Extra {
    let last = vitals.last().unwrap_or_default();
    Extra {
        heap: last.heap,
        tasks: last.tasks,
        queue: last.queue,
    }
}

fn before(vitals: &Vitals) -> Option<(Sample, &'static str)> {
    AGES.iter().find_map(|(seconds, heading)| {
        vitals
            .ago(Duration::from_secs(*seconds))
            .map(|sample| (sample, *heading))
    })
}

/// libc's allocator, which C code uses, and Rust too unless the program says otherwise.
fn allocator() -> Option<String> {
    let version = malloc::libc_version()?;
    let provider = malloc::provider().unwrap_or_default();
    let file = provider.rsplit('/').next().unwrap_or("");
    Some(
        match file.starts_with("libc.") || file.starts_with("libc-") || file.is_empty() {
            true => format!("glibc {version}"),
            false => format!("malloc of {file}, with glibc {version}"),
        },
    )
}

fn report(facts: &Facts) -> Answer {
    let mut answer = Answer::about(match &facts.deep {
        None => String::new(),
        Some(deep) => format!(
            "deep, walked page tables and free lists in {}",
            units::nanos(deep.took_ns)
        ),
    });
    let (severity, text) = verdict::verdict(facts);
    answer.verdict(severity, text);
    answer.push(Block::Table(table(facts)));
    answer.push(Block::Fields(fields(facts)));
    answer.push(Block::Fields(figures(facts)));
    if facts.deep.is_none() {
        answer.note("memory --deep asks the allocator what it holds free (threads that allocate wait meanwhile)");
    }
    if facts.before.is_none() {
        answer.note("growth shows from one minute after the start of the console on");
    }
    answer.next("gc stats");
    if facts.group.memory.limit.is_some() {
        answer.next("cgroup");
    }
    if facts.deep.is_none() {
        answer.next("memory --deep");
    }
    answer
}

/// A line of the table: how deep it is indented, key, words, now, then, remark.
struct Line {
    depth: usize,
    key: &'static str,
    words: &'static str,
    now: Option<u64>,
    then: Option<u64>,
    remark: String,
}

fn lines(facts: &Facts) -> Vec<Line> {
    let usage = &facts.usage;
    let then =
        |figure: fn(&Sample) -> Option<u64>| facts.before.and_then(|(sample, _)| figure(&sample));
    let line = |depth, key, words, now, then| Line {
        depth,
        key,
        words,
        now,
        then,
        remark: String::new(),
    };
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
    if let Some(heap) = facts.now.heap {
        lines.push(line(
            2,
            "heap",
            "rust heap, live",
            Some(heap),
            then(|s| s.heap),
        ));
    }
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
    let mut peak = line(0, "peak", "peak resident", usage.peak, None);
    if usage.peak.is_some() && usage.peak <= usage.resident.map(|now| now + now / 100) {
        peak.remark = "now".to_owned();
    }
    lines.push(peak);
    lines
}

fn table(facts: &Facts) -> Table {
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
        table.row([
            Cell::text(format!("{}{}", "  ".repeat(line.depth), line.words)),
            Cell::text(line.key),
            Cell::or_unknown(line.now, Cell::Bytes),
            if past {
                Cell::or_unknown(line.then, Cell::Bytes)
            } else {
                Cell::Empty
            },
            if past {
                Cell::or_unknown(change, Cell::BytesChange)
            } else {
                Cell::Empty
            },
            match line.remark.is_empty() {
                true => Cell::Empty,
                false => Cell::Text(line.remark),
            },
        ]);
    }
    table
}

/// The lines below the table.
fn fields(facts: &Facts) -> Fields {
    let mut fields = Fields {
        show: Show::Text,
        ..Fields::new()
    };
    let memory = &facts.group.memory;
    if let Some(current) = memory.current {
        fields.remarked("", "cgroup", Cell::Bytes(current), group_remark(facts));
    } else if let Some(total) = facts.machine.total {
        let available = facts.machine.available.map_or(String::new(), |bytes| {
            format!("of the machine; {} available", units::bytes(bytes))
        });
        fields.remarked("", "machine", Cell::Bytes(total), available);
    }
    if let Some(allocator) = &facts.allocator {
        fields.remarked(
            "",
            "allocator",
            Cell::text(allocator.as_str()),
            "libc's, and Rust's unless main.rs names another",
        );
    }
    fields
}

fn group_remark(facts: &Facts) -> String {
    let memory = &facts.group.memory;
    let mut parts = vec!["with cached files".to_owned()];
    if let Some(cache) = memory.cache {
        parts = vec![format!("with {} of cached files", units::bytes(cache))];
    }
    parts.push(match memory.limit {
        Some(limit) => format!("max {}", units::bytes(limit)),
        None => "no limit".to_owned(),
    });
    if let Some(group) = &memory.limit_above {
        parts.push(format!("set at {group}"));
    }
    if let Some(kills) = memory.oom_kills {
        parts.push(format!("oom_kill {kills}"));
    }
    if let Some(pressure) = &facts.group.pressure.memory {
        let whose = if facts.group.pressure.of_system {
            "the machine's pressure"
        } else {
            "pressure"
        };
        parts.push(format!(
            "{whose} {} of the last 10 s",
            units::percent(pressure.some.last_10_s)
        ));
    }
    parts.join(", ")
}

/// What programs want besides the table.
fn figures(facts: &Facts) -> Fields {
    let mut fields = Fields::under("limits");
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let memory = &facts.group.memory;
    fields.field("cgroup_current_bytes", "", bytes(memory.current));
    fields.field("cgroup_cache_bytes", "", bytes(memory.cache));
    fields.field("cgroup_limit_bytes", "", bytes(memory.limit));
    fields.field(
        "oom_kills",
        "",
        Cell::or_unknown(memory.oom_kills, Cell::Count),
    );
    fields.field("machine_bytes", "", bytes(facts.machine.total));
    fields.field(
        "machine_available_bytes",
        "",
        bytes(facts.machine.available),
    );
    let growth = facts.trends.resident.map(|trend| trend.per_second);
    fields.field(
        "growth_bytes_per_s",
        "",
        Cell::or_unknown(growth, Cell::BytesRate),
    );
    let before = facts
        .before
        .map(|(sample, _)| facts.now.at_ns.saturating_sub(sample.at_ns));
    fields.field("before_age_ns", "", Cell::or_unknown(before, Cell::Nanos));
    fields.field("virtual_bytes", "", bytes(facts.usage.virtual_size));
    fields.field("page_tables_bytes", "", bytes(facts.usage.page_tables));
    fields.field(
        "deep_took_ns",
        "",
        facts
            .deep
            .as_ref()
            .map_or(Cell::Empty, |deep| Cell::Nanos(deep.took_ns)),
    );
    fields
}

#[cfg(test)]
mod tests;
