//! `memory`: what the system sees of the process's memory, now and an hour ago, and how far the
//! limit is.
//!
//! Two tiers. The plain answer reads counters and never makes anybody wait. `--deep` walks page
//! tables and the allocator's free lists, and says what it cost: threads that allocate wait
//! meanwhile.

mod deep;
mod table;
pub(super) mod verdict;

use super::{
    Command, Context, Run,
    gc::{
        UNKNOWN,
        advice::{advice, rest},
        behind,
    },
};
use crate::{
    app::reclaim::{self, LastRun},
    model::{
        Answer, ArgSpec, Args, Block, Cell, Code, Example, Failure, Fields, Group, Impact, Level,
        Show, Spec,
    },
    probe::{
        allocator::{Held, Known, Look},
        cgroup::Cgroup,
        heap_sums::{self, Totals},
        memory::{Machine, Usage},
        vitals::{Extra, Sample, Vitals},
    },
    render::units,
    sys::unix_now_ns,
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
        cost: "0.3 ms; --deep measured 0.8 s on a fragmented heap of 4 GiB under glibc, a few ms on a small one",
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
    endpoints: &[],
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
    look: Look,
    totals: Option<Totals>,
    last_run: Option<LastRun>,
    unix_ns: u64,
    deep: Option<Deep>,
}

impl Facts {
    /// What the allocators hold that nobody uses.
    fn held(&self) -> Option<Held> {
        let live = self.totals.map(|totals| totals.live_bytes);
        self.look.held(self.usage.anonymous, live)
    }

    /// What is anonymous, in memory or swapped out, and not live in Rust.
    fn rest(&self) -> Option<u64> {
        rest(
            self.usage.anonymous,
            self.usage.swap,
            self.totals.map(|totals| totals.live_bytes),
        )
    }
}

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let vitals = &ctx.state.vitals;
    let usage = Usage::read().ok_or_else(|| {
        let text = "memory: /proc/thread-self/status cannot be read; is /proc mounted?";
        Failure::new(Code::Unsupported, text)
    })?;
    let (look, deep) = match args.flag("deep") {
        true => super::pace::paced(ctx, Deep::measure).map(|(look, deep)| (look, Some(deep)))?,
        false => (Look::take(false), None),
    };
    let now = vitals.now(known_elsewhere(vitals));
    let facts = Facts {
        usage,
        now,
        before: before(vitals),
        trends: Trends::of(vitals, &now),
        group: Cgroup::read(),
        machine: Machine::read(),
        look,
        totals: heap_sums::totals().map(Totals::with_error),
        last_run: reclaim::last_run(),
        unix_ns: unix_now_ns(),
        deep,
    };
    ctx.check()?;
    Ok(report(&facts))
}

/// What other layers said at the last tick: this command cannot ask them.
fn known_elsewhere(vitals: &Vitals) -> Extra {
    let last = vitals.last().unwrap_or_default();
    Extra {
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
    answer.push(Block::Table(table::table(facts)));
    answer.push(Block::Fields(fields(facts)));
    answer.push(Block::Fields(figures(facts)));
    answer.push(Block::Fields(heap(facts)));
    if let Some(price) = price(facts) {
        answer.note(format!(
            "memory --deep asks the allocator what it holds free ({price})"
        ));
    }
    if facts.before.is_none() {
        answer.note("growth shows from one minute after the start of the console on");
    }
    next(facts)
        .into_iter()
        .take(3)
        .for_each(|command| answer.next(command));
    answer
}

/// What to ask next, the best first.
fn next(facts: &Facts) -> Vec<&'static str> {
    let resident = facts.usage.resident;
    let worth = advice(facts.held(), resident, facts.last_run, facts.unix_ns).is_some();
    let sampled = facts.totals.is_some();
    let an_hour = facts
        .before
        .is_some_and(|(_, heading)| heading == "1 h ago");
    let commands = [
        (worth, "gc run"),
        (sampled, "heap"),
        (sampled && an_hour, "heap diff 1h"),
        (!worth, "gc stats"),
        (facts.group.memory.limit.is_some(), "cgroup"),
        (facts.deep.is_none(), "memory --deep"),
    ];
    let apt = commands.into_iter().filter(|(apt, _)| *apt);
    apt.map(|(_, command)| command).collect()
}

/// What being told more would cost; `None` when that was paid, and when there is no more.
fn price(facts: &Facts) -> Option<&'static str> {
    let known = facts.look.rust.as_ref().or(facts.look.c.as_ref());
    known.and_then(|known| known.price)
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
    allocators(&mut fields, facts);
    fields
}

/// Who allocates, Rust's and C code's where these are two.
fn allocators(fields: &mut Fields, facts: &Facts) {
    let (rust, c) = (&facts.look.rust, &facts.look.c);
    let behind = behind(facts.totals.as_ref());
    match rust {
        Some(known) => fields.remarked("", "allocator", Cell::text(&*known.name), behind),
        None => fields.remarked("", "allocator", Cell::Unknown, UNKNOWN),
    }
    if let Some(known) = c {
        fields.field("", "of C code", Cell::text(&*known.name));
    }
}

fn group_remark(facts: &Facts) -> String {
    let memory = &facts.group.memory;
    let mut parts = vec!["with cached files".to_owned()];
    if let Some(cache) = memory.cache {
        parts = vec![format!("with {} of cached files", units::bytes(cache))];
    }
    parts.push(match memory.limit {
        Some(limit) => format!(
            "max {}, {} left",
            units::bytes(limit),
            units::bytes(left(facts, limit))
        ),
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

/// How far the limit is: what can be had beyond what cannot simply be taken back.
fn left(facts: &Facts, limit: u64) -> u64 {
    let held = facts.group.memory.held().unwrap_or(0);
    limit.saturating_sub(held.max(facts.usage.resident.unwrap_or(0)))
}

/// What programs want besides the table.
fn figures(facts: &Facts) -> Fields {
    let mut fields = Fields::under("limits");
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let memory = &facts.group.memory;
    fields.field("cgroup_current_bytes", "", bytes(memory.current));
    fields.field("cgroup_cache_bytes", "", bytes(memory.cache));
    fields.field("cgroup_limit_bytes", "", bytes(memory.limit));
    let left = memory.limit.map(|limit| left(facts, limit));
    fields.field("cgroup_left_bytes", "", bytes(left));
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

/// The heap for programs: here what is not known has its place, too.
fn heap(facts: &Facts) -> Fields {
    let mut fields = Fields::under("heap");
    let bytes = |value: Option<u64>| Cell::or_unknown(value, Cell::Bytes);
    let name =
        |known: Option<&Known>| Cell::or_unknown(known.map(|known| known.name.clone()), Cell::Text);
    let (rust, c) = (facts.look.rust.as_ref(), facts.look.c.as_ref());
    let figures = rust.map(|known| known.figures).unwrap_or_default();
    let totals = facts.totals;
    fields.field(
        "live_bytes",
        "",
        bytes(totals.map(|totals| totals.live_bytes)),
    );
    let error = totals.and_then(|totals| totals.error_percent());
    fields.field(
        "live_error_percent",
        "",
        Cell::or_unknown(error, Cell::Percent),
    );
    fields.field("rest_bytes", "", bytes(facts.rest()));
    fields.field("allocator", "", name(rust));
    fields.field("c_allocator", "", name(c));
    fields.field("used_bytes", "", bytes(figures.used));
    fields.field("held_bytes", "", bytes(figures.resident));
    let held = facts.held();
    fields.field("free_bytes", "", bytes(held.map(|held| held.free)));
    fields.field(
        "purgeable_bytes",
        "",
        bytes(held.and_then(|held| held.purgeable)),
    );
    fields
}

#[cfg(test)]
mod tests;
