//! `memory`: what the system sees of the process's memory, now and an hour ago, and how far the
//! limit is.
//!
//! Two tiers. The plain answer reads counters and never makes anybody wait. `--deep` walks page
//! tables and the allocator's free lists, and says what it cost: threads that allocate wait
//! meanwhile.

mod deep;
mod fields;
mod table;
pub(super) mod verdict;

use super::{
    Command, Context, Run,
    gc::advice::{advice, rest},
};
use crate::{
    app::reclaim::{self, LastRun},
    model::{Answer, ArgSpec, Args, Block, Code, Example, Failure, Group, Impact, Level, Spec},
    probe::{
        allocator::{Held, Look},
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
    answer.push(Block::Fields(fields::shown(facts)));
    answer.push(Block::Fields(fields::figures(facts)));
    answer.push(Block::Fields(fields::heap(facts)));
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

#[cfg(test)]
mod tests;
