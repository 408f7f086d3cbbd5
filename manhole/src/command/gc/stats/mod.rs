//! `gc stats`: what lives in the heap, what the allocator holds, how far the limit is.

mod rows;

use super::{
    super::pace::paced,
    Command, Context, Run,
    advice::{advice, question, rest},
    install,
};
use crate::{
    app::reclaim::{self, LastRun},
    model::{Answer, ArgSpec, Args, Block, Example, Failure, Group, Impact, Level, Severity, Spec},
    probe::{
        allocator::{Held, Look},
        cgroup::Cgroup,
        heap_sums::{self, Rates, Totals},
        memory::Usage,
    },
    sys::unix_now_ns,
};

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: "gc stats",
        group: Group::Question,
        about: "what the allocator holds; what could give memory back",
        args: &[ArgSpec::flag(
            "deep",
            "ask the allocator what is free in it: costs, see below",
        )],
        level: Level::View,
        impact: Impact::Reads,
        cost: "0.3 ms; --deep: up to 0.7 s on a fragmented heap of 4 GiB under glibc, threads that allocate wait",
        examples: &[Example::new(
            "gc stats --deep",
            "with what is free but held",
        )],
        see_also: "memory (what the kernel counts), gc run",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(run),
};

/// Everything that the answer is made of.
#[derive(Default)]
struct Facts {
    look: Look,
    usage: Usage,
    group: Cgroup,
    totals: Option<Totals>,
    rates: Option<Rates>,
    up_ns: u64,
    reclaimers: Vec<&'static str>,
    last: Option<LastRun>,
    now_ns: u64,
}

impl Facts {
    fn live(&self) -> Option<u64> {
        self.totals.map(|totals| totals.live_bytes)
    }

    fn held(&self) -> Option<Held> {
        self.look.held(self.usage.anonymous, self.live())
    }

    /// What only `--deep` could answer.
    fn question(&self) -> Option<String> {
        let priced = self
            .look
            .rust
            .as_ref()
            .is_some_and(|known| known.price.is_some());
        let rest = rest(self.usage.anonymous, self.usage.swap, self.live());
        let asked = question(rest, self.usage.resident, "gc stats --deep");
        asked.filter(|_| priced && self.held().is_none())
    }
}

fn run(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let look = match args.flag("deep") {
        true => paced(ctx, || Look::take(true))?,
        false => Look::take(false),
    };
    let totals = heap_sums::totals().map(Totals::with_error);
    let facts = Facts {
        look,
        usage: Usage::read().unwrap_or_default(),
        group: Cgroup::read(),
        totals,
        rates: totals.and_then(|totals| ctx.state.vitals.heap_rates(&totals)),
        up_ns: u64::try_from(ctx.state.uptime().as_nanos()).unwrap_or(u64::MAX),
        reclaimers: reclaim::all()
            .into_iter()
            .map(reclaim::Reclaimer::name)
            .collect(),
        last: reclaim::last_run(),
        now_ns: unix_now_ns(),
    };
    Ok(answer(&facts))
}

fn answer(facts: &Facts) -> Answer {
    let mut answer = Answer::short();
    let (severity, text) = verdict(facts);
    answer.verdict(severity, text);
    answer.push(Block::Fields(rows::fields(facts)));
    answer.push(Block::Data(
        "reclaimer_names",
        facts.reclaimers.as_slice().into(),
    ));
    if facts.totals.is_none() {
        answer.note(format!("to know what is live: {}", install(&facts.look)));
    }
    answer.next("gc run");
    if facts.totals.is_some() {
        answer.next("heap");
    }
    answer
}

fn verdict(facts: &Facts) -> (Severity, String) {
    let rust = "Rust has no garbage collector: memory returns when its owner drops it.";
    let resident = facts.usage.resident;
    if let Some((severity, text)) = advice(facts.held(), resident, facts.last, facts.now_ns) {
        return (severity, format!("{rust} But {text}."));
    }
    let text = match facts.question() {
        Some(text) => format!("{rust} But {text}."),
        None => format!("{rust} This is the allocator's side."),
    };
    (Severity::Ok, text)
}

#[cfg(test)]
mod tests;
