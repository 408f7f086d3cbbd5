//! `gc run`: asks the application and the allocator to give memory back, and says what that did.

use super::{Command, Context, Run, UNKNOWN};
use crate::{
    app::{
        reclaim::{self, LastRun, Reclaimer, WAIT},
        threads::Outcome,
    },
    model::{
        Answer, Args, Block, Cell, Column, Example, Failure, Group, Impact, Level, Spec, Table,
    },
    probe::{
        allocator::{Allocator, Allocators},
        heap_sums,
        memory::Usage,
    },
    render::units,
    sys::unix_now_ns,
};
use std::time::{Duration, Instant};

/// Between two looks whether anybody still waits.
const LOOK: Duration = Duration::from_millis(100);

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: "gc run",
        group: Group::Question,
        about: "give memory back: the application's reclaimers, then what the allocators hold free",
        args: &[],
        level: Level::Control,
        impact: Impact::Changes,
        cost: "about 1 s for each GiB that glibc or jemalloc give back from a fragmented heap, threads that allocate wait; plus what the reclaimers take",
        examples: &[Example::new(
            "gc run",
            "each step with its time and what it freed",
        )],
        see_also: "gc stats, memory",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(run),
};

/// One line of the answer.
struct Step {
    what: String,
    took: Option<Duration>,
    /// What it says it freed.
    freed: Option<u64>,
    /// Resident memory behind it.
    resident: Option<u64>,
    /// Why it did not do its work.
    problem: Option<String>,
}

fn run(ctx: &Context, _: &Args) -> Result<Answer, Failure> {
    let started = Instant::now();
    let before = resident();
    let mut steps = vec![Step {
        what: "before".to_owned(),
        took: None,
        freed: None,
        resident: before,
        problem: None,
    }];
    for reclaimer in reclaim::all() {
        ctx.check()?;
        steps.push(reclaim(ctx, reclaimer)?);
    }
    let allocators = Allocators::find();
    for allocator in allocators.all() {
        ctx.check()?;
        steps.push(purge(allocator));
    }
    if allocators.rust.is_none() {
        steps.push(Step {
            what: "Rust's allocator".to_owned(),
            took: None,
            freed: None,
            resident: resident(),
            problem: Some(UNKNOWN.to_owned()),
        });
    }
    let after = resident();
    steps.push(Step {
        what: "after".to_owned(),
        took: Some(started.elapsed()),
        freed: None,
        resident: after,
        problem: None,
    });
    let change = change(before, after);
    reclaim::note_run(LastRun {
        at_unix_ns: unix_now_ns(),
        change,
    });
    let live = heap_sums::totals().map(|totals| totals.live_bytes);
    Ok(answer(&steps, change, live))
}

fn resident() -> Option<u64> {
    Usage::read().and_then(|usage| usage.resident)
}

fn change(before: Option<u64>, after: Option<u64>) -> Option<i64> {
    i64::try_from(i128::from(after?) - i128::from(before?)).ok()
}

/// Calls one reclaimer and waits for it as long as somebody waits for us, at most [`WAIT`].
fn reclaim(ctx: &Context, reclaimer: &'static Reclaimer) -> Result<Step, Failure> {
    let started = Instant::now();
    let outcome = match reclaimer.start() {
        Err(outcome) => outcome,
        Ok(call) => loop {
            if let Some(outcome) = call.wait(LOOK) {
                break outcome;
            }
            ctx.check()?;
            if started.elapsed() > WAIT {
                break call.busy();
            }
        },
    };
    let (freed, problem) = match outcome {
        Outcome::Done(freed) => (Some(freed), None),
        Outcome::Panicked(message) => (None, Some(format!("it panicked: {message}"))),
        Outcome::Busy(since) => (
            None,
            Some(format!("it has not returned for {} s", since.as_secs())),
        ),
        Outcome::Refused(why) => (None, Some(why.to_string())),
    };
    Ok(Step {
        what: format!("reclaimer {:?}", reclaimer.name()),
        took: Some(started.elapsed()),
        freed,
        resident: resident(),
        problem,
    })
}

/// Has one allocator give back what it holds free.
fn purge(allocator: &Allocator) -> Step {
    let before = resident();
    let started = Instant::now();
    let purged = allocator.purge();
    let took = started.elapsed();
    let after = resident();
    // None of them says how much it was.
    let freed = change(before, after).map(|change| u64::try_from(-change).unwrap_or(0));
    let what = allocator.purge_name().map(str::to_owned);
    Step {
        what: what.unwrap_or_else(|| allocator.name()),
        took: purged.then_some(took),
        freed: freed.filter(|_| purged),
        resident: after,
        problem: (!purged).then(|| "it offers no way to give memory back".to_owned()),
    }
}

fn answer(steps: &[Step], change: Option<i64>, live: Option<u64>) -> Answer {
    let columns = [
        Column::new("step", "step"),
        Column::new("took_ns", "took"),
        Column::new("freed_bytes", "says it freed"),
        Column::new("resident_bytes", "resident"),
        Column::only_text("remark", ""),
        Column::json("problem"),
    ];
    let mut table = Table::new("steps", columns);
    let last = steps.len().saturating_sub(1);
    for (at, step) in steps.iter().enumerate() {
        let whole = at == 0 || at == last;
        let remark = match (change, &step.problem) {
            (Some(change), _) if at == last => format!("({})", units::bytes_change(change)),
            (_, Some(problem)) => format!("({problem})"),
            _ => String::new(),
        };
        table.row([
            Cell::text(&*step.what),
            step.took.map_or(Cell::Empty, |took| {
                Cell::Nanos(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
            }),
            if whole {
                Cell::Empty
            } else {
                Cell::or_unknown(step.freed, Cell::Bytes)
            },
            Cell::or_unknown(step.resident, Cell::Bytes),
            if remark.is_empty() {
                Cell::Empty
            } else {
                Cell::Text(remark)
            },
            step.problem.clone().map_or(Cell::Empty, Cell::Text),
        ]);
    }
    let mut answer = Answer::short();
    answer.push(Block::Table(table));
    let change = change.map_or(serde_json::Value::Null, Into::into);
    answer.push(Block::Data("change_bytes", change));
    answer.push(Block::Data(
        "live_bytes",
        live.map_or(serde_json::Value::Null, Into::into),
    ));
    if let Some(live) = live {
        let left = format!(
            "{} of what is left is live: heap shows who holds it.",
            units::bytes(live)
        );
        answer.push(Block::Lines(vec![left]));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::text::{TextStyle, shown};

    fn step(what: &str, micros: Option<u64>, freed: Option<u64>, resident: u64) -> Step {
        Step {
            what: what.to_owned(),
            took: micros.map(Duration::from_micros),
            freed,
            resident: Some(resident),
            problem: None,
        }
    }

    #[test]
    fn each_step_says_what_it_took_and_freed() {
        let mib = |n: u64| n << 20;
        let mut hung = step("reclaimer \"rules\"", Some(30_000_000), None, mib(2970));
        hung.problem = Some("it has not returned for 30 s".to_owned());
        let steps = [
            step("before", None, None, mib(2980)),
            step(
                "reclaimer \"page cache\"",
                Some(800),
                Some(mib(184)),
                mib(2970),
            ),
            hung,
            step(
                "glibc malloc_trim",
                Some(412_000),
                Some(mib(371)),
                mib(2601),
            ),
            step("after", Some(30_413_000), None, mib(2601)),
        ];
        let text = shown(
            &answer(&steps, Some(-(379 << 20)), Some(2181 << 20)),
            TextStyle::default(),
        );
        assert_eq!(
            text,
            "\
step                      took  says it freed  resident
before                                         2.91 GiB
reclaimer \"page cache\"  0.8 ms        184 MiB  2.90 GiB
reclaimer \"rules\"         30 s              -  2.90 GiB  (it has not returned for 30 s)
glibc malloc_trim       412 ms        371 MiB  2.54 GiB
after                     30 s                 2.54 GiB  (-379 MiB)

2.13 GiB of what is left is live: heap shows who holds it.
"
        );
    }

    #[test]
    fn the_allocator_gives_back_what_was_freed() {
        let blocks: Vec<Vec<u8>> = (0..20_000).map(|i| vec![i as u8; 4000]).collect();
        drop(std::hint::black_box(blocks));
        for allocator in Allocators::find().all() {
            let step = purge(allocator);
            assert!(step.problem.is_some() || step.freed.is_some());
        }
    }
}
