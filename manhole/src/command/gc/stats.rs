//! `gc stats`: what the allocator holds, as far as it can be known cheaply.

use super::{super::pace::paced, Command, Context, Run, allocator, is_glibc};
use crate::{
    app::reclaim,
    model::{
        Answer, ArgSpec, Args, Block, Cell, Example, Failure, Fields, Group, Impact, Level,
        Severity, Spec,
    },
    probe::memory::Usage,
    sys::malloc::{self, Info},
};
use std::time::{Duration, Instant};

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
        cost: "10 us; --deep: up to 0.7 s on a fragmented heap of 4 GiB, threads that allocate wait",
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

/// What the allocator said, and how long it took to say it.
struct Deep {
    info: Option<Info>,
    took: Duration,
}

fn run(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let deep = match args.flag("deep") {
        true => Some(paced(ctx, walk)?),
        false => None,
    };
    let names: Vec<&str> = reclaim::all()
        .into_iter()
        .map(reclaim::Reclaimer::name)
        .collect();
    let resident = Usage::read().and_then(|usage| usage.resident);
    Ok(answer(
        allocator(),
        resident,
        deep.as_ref(),
        &names,
        reclaim::last_run(),
    ))
}

fn walk() -> Deep {
    let started = Instant::now();
    // Another allocator in libc's place would have us count a heap that nobody uses.
    let info = is_glibc().then(malloc::info).flatten();
    Deep {
        info,
        took: started.elapsed(),
    }
}

fn answer(
    allocator: Option<String>,
    resident: Option<u64>,
    deep: Option<&Deep>,
    reclaimers: &[&str],
    last: Option<reclaim::LastRun>,
) -> Answer {
    let mut answer = Answer::short();
    answer.verdict(
        Severity::Ok,
        "Rust has no garbage collector: memory returns when its owner drops it. This is the allocator's side.",
    );
    let mut fields = Fields::new();
    let seen = "a #[global_allocator] above it is not seen from here";
    fields.remarked(
        "allocator",
        "allocator",
        Cell::or_unknown(allocator, Cell::Text),
        seen,
    );
    fields.field(
        "resident_bytes",
        "resident",
        Cell::or_unknown(resident, Cell::Bytes),
    );
    fields.remarked(
        "live_bytes",
        "live",
        Cell::Unknown,
        "nothing counts allocations in this process",
    );
    fields.field("allocated_bytes_per_s", "allocated", Cell::Unknown);
    fields.field("freed_bytes_per_s", "freed", Cell::Unknown);
    match deep {
        None => fields.remarked(
            "free_bytes",
            "free but held",
            Cell::Unknown,
            "gc stats --deep measures it (about 0.7 s; threads that allocate wait)",
        ),
        Some(deep) => measured(&mut fields, deep),
    }
    let names = match reclaimers {
        [] => "the application has none (manhole::on_reclaim)".to_owned(),
        names => format!("{}    (the application's on_reclaim)", names.join(", ")),
    };
    fields.remarked(
        "reclaimers",
        "reclaimers",
        Cell::Count(reclaimers.len() as u64),
        names,
    );
    last_run(&mut fields, last);
    answer.push(Block::Fields(fields));
    answer.push(Block::Data("reclaimer_names", reclaimers.into()));
    answer.next("gc run");
    answer
}

fn measured(fields: &mut Fields, deep: &Deep) {
    let nanos = u64::try_from(deep.took.as_nanos()).unwrap_or(u64::MAX);
    let Some(info) = deep.info else {
        let why = "only glibc 2.33 and newer can tell, and only of its own malloc";
        return fields.remarked("free_bytes", "free but held", Cell::Unknown, why);
    };
    fields.remarked(
        "free_bytes",
        "free but held",
        Cell::Bytes(info.free),
        "in malloc's arenas, fragmented or kept for reuse",
    );
    fields.remarked("trimmable_bytes", "", Cell::Bytes(info.trimmable), "");
    fields.remarked(
        "used_bytes",
        "handed out",
        Cell::Bytes(info.used),
        "by malloc's arenas, its own overhead included",
    );
    fields.remarked(
        "mapped_bytes",
        "mapped apart",
        Cell::Bytes(info.mapped),
        "blocks so large that each has a mapping of its own",
    );
    fields.remarked("arena_bytes", "", Cell::Bytes(info.arenas), "");
    fields.field("measured_ns", "measured in", Cell::Nanos(nanos));
}

fn last_run(fields: &mut Fields, last: Option<reclaim::LastRun>) {
    match last {
        None => fields.remarked("last_run_at", "last gc run", Cell::text("never"), ""),
        Some(run) => {
            let change = run.change.map(crate::render::units::bytes_change);
            let remark = change.map_or_else(String::new, |change| format!("resident {change}"));
            fields.remarked(
                "last_run_at",
                "last gc run",
                Cell::Time(run.at_unix_ns),
                remark,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::text::{TextStyle, shown};

    #[test]
    fn what_is_not_known_is_said_to_be_unknown() {
        let allocator = Some("glibc 2.36 malloc".to_owned());
        let answer = answer(
            allocator,
            Some(3 << 30),
            None,
            &["page cache", "rules"],
            None,
        );
        assert_eq!(
            shown(&answer, TextStyle { next: true }),
            "\
Rust has no garbage collector: memory returns when its owner drops it. This is the allocator's side.

allocator      glibc 2.36 malloc  a #[global_allocator] above it is not seen from here
resident       3.00 GiB
live           -                  nothing counts allocations in this process
allocated      -
freed          -
free but held  -                  gc stats --deep measures it (about 0.7 s; threads that allocate wait)
reclaimers     2                  page cache, rules    (the application's on_reclaim)
last gc run    never
# next: gc run
"
        );
    }

    #[test]
    fn deep_tells_what_is_free_or_why_that_is_not_known() {
        let info = Info {
            arenas: 9 << 20,
            mapped: 4 << 20,
            used: 3 << 20,
            free: 6 << 20,
            trimmable: 1 << 20,
        };
        let took = Duration::from_millis(12);
        let shown = |info| {
            let deep = Deep { info, took };
            shown(
                &answer(None, None, Some(&deep), &[], None),
                TextStyle::default(),
            )
        };
        let text = shown(Some(info));
        for line in [
            "free but held  6.00 MiB",
            "handed out     3.00 MiB",
            "measured in    12 ms",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let text = shown(None);
        assert!(
            text.contains("only glibc 2.33 and newer can tell"),
            "{text}"
        );
        assert!(
            text.contains("the application has none (manhole::on_reclaim)"),
            "{text}"
        );
    }
}
