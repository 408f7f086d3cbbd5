//! From what is asked to the figures and the stacks, with names.

use super::ask::{Ask, Span};
use crate::{
    command::{Context, shown},
    model::{
        Code, Failure,
        heap::{Count, Heap, Report, View, Window},
    },
    names::{self, Wanted},
    probe::{
        heap::{
            PROCESS,
            baselines::{Baselines, Found},
            look::Look,
            snapshot::Snapshot,
        },
        stacks,
    },
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Rates are told of the last tick, if that is not too young.
const TICK: Duration = Duration::from_secs(15);
/// Between two words on how far it is.
const PACE: Duration = Duration::from_millis(500);

/// Looks, compares as `ask` says, and names the stacks. `progress` is told the seconds that passed.
///
/// # Errors
/// `unsupported` when the allocator is not installed; `unknown` for a look that was not kept;
/// `cancelled`; `no-memory`.
pub(super) fn take(
    ask: &Ask,
    ctx: &Context,
    progress: &mut dyn FnMut(f64),
) -> Result<Heap, Failure> {
    let name = ask.wish.view.name();
    let no_memory = |_| Failure::no_memory(name);
    let kept = &ctx.state.heap;
    let before = match &ask.span {
        Span::Next(time) => {
            is_installed(name)?;
            let before = Look::take(&PROCESS).map_err(no_memory)?;
            wait(*time, ctx, progress)?;
            Some(Found {
                look: Arc::new(before),
                from: String::new(),
            })
        }
        Span::Kept { from, .. } => {
            is_installed(name)?;
            Some(find(kept, name, from)?)
        }
        Span::Usual => None,
    };
    let snapshot = Snapshot::take(&PROCESS, ask.wish.min_age_ns).map_err(no_memory)?;
    let mut snapshot = snapshot.ok_or_else(|| not_installed(name))?;
    compare(&mut snapshot, ask, kept, before)?;
    snapshot.report.baselines = kept.words();
    snapshot.report.age_ns = crate::probe::identity::age_ns();
    let chosen = snapshot.choose(&PROCESS, rank(ask.wish.view));
    let (frames, counts, report) = chosen.map_err(no_memory)?;
    named(&frames, counts, report, ctx)
}

fn compare(
    snapshot: &mut Snapshot,
    ask: &Ask,
    kept: &Baselines,
    before: Option<Found>,
) -> Result<(), Failure> {
    let (view, usual) = (ask.wish.view, ask.span == Span::Usual);
    let found = match view {
        View::Live if usual => kept.usual(),
        View::Diff if usual => kept.usual().or_else(|| kept.find("start")),
        View::Leaks => {
            // What is old now has to have had time to come since.
            let least = Duration::from_nanos(ask.wish.min_age_ns) * 3 / 2;
            kept.span(least).map(|(found, middle)| {
                if let Some(middle) = middle {
                    snapshot.between(&middle);
                }
                found
            })
        }
        _ => before,
    };
    if let Some(tick) = kept.last_tick(TICK).filter(|_| view == View::Live) {
        snapshot.since(&tick);
    }
    let Some(found) = found else { return Ok(()) };
    snapshot.compare(&found.look);
    let mut window = Window {
        from_unix_ns: found.look.at_unix_ns,
        to_unix_ns: snapshot.report.taken_unix_ns,
        ns: snapshot.at_ns.saturating_sub(found.look.at_ns),
        from: found.from,
        to: String::new(),
    };
    if let Span::Kept { to: Some(to), .. } = &ask.span {
        let later = find(kept, view.name(), to)?;
        if later.look.at_ns <= found.look.at_ns {
            let text = format!(
                "{}: {} is no later look than the first",
                view.name(),
                shown(to)
            );
            return Err(Failure::new(Code::Usage, text));
        }
        snapshot.put_back(&later.look);
        window.to_unix_ns = later.look.at_unix_ns;
        window.ns = later.look.at_ns.saturating_sub(found.look.at_ns);
        window.to = later.from;
    }
    snapshot.report.window = Some(window);
    Ok(())
}

/// What stacks are chosen by where there are too many.
fn rank(view: View) -> fn(&Count) -> u64 {
    match view {
        View::Live | View::Leaks => |count| count.now.live().bytes,
        View::Peak => |count| count.peak.bytes,
        View::Allocs => |count| {
            let before = count.before.unwrap_or_default();
            count.now.allocated.less(before.allocated).bytes
        },
        View::Diff => |count| {
            let before = count.before.unwrap_or_default();
            count.now.live().bytes.abs_diff(before.live().bytes)
        },
    }
}

/// The look that `text` means.
fn find(kept: &Baselines, name: &str, text: &str) -> Result<Found, Failure> {
    kept.find(text).ok_or_else(|| {
        let text = shown(text);
        let words = kept.words();
        let there_are = match words.is_empty() {
            true => "none is kept yet".to_owned(),
            false => format!("there are: {}", words.join(", ")),
        };
        let text = format!("{name}: no look {text} is kept; {there_are}");
        Failure::new(Code::Unknown, text).hint("heap diff +30s waits; heap save NAME keeps a look")
    })
}

fn wait(time: Duration, ctx: &Context, progress: &mut dyn FnMut(f64)) -> Result<(), Failure> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        ctx.sleep(left.min(PACE))?;
        progress((time - left.min(time)).as_secs_f64());
    }
}

fn named(
    frames: &[Arc<[u64]>],
    counts: Vec<Count>,
    report: Report,
    ctx: &Context,
) -> Result<Heap, Failure> {
    let keep_going = || ctx.check().is_ok();
    let app_crates = ctx.state.stacks.app_crates.clone();
    let mut dump = stacks::of_addresses(frames, app_crates, &keep_going)?;
    dump.taken_unix_ns = report.taken_unix_ns;
    names::name(&mut dump, &names::OnDisk, Wanted::Affordable, &keep_going);
    ctx.check()?;
    Ok(Heap {
        dump,
        counts,
        report,
    })
}

/// Whether there is anything to look at.
///
/// # Errors
/// `unsupported`, with what to do.
pub(super) fn is_installed(name: &str) -> Result<(), Failure> {
    match crate::probe::heap::is_installed() {
        true => Ok(()),
        false => Err(not_installed(name)),
    }
}

fn not_installed(name: &str) -> Failure {
    let text = format!(
        "{name}: the sampling allocator is not installed, so nobody knows who holds the memory"
    );
    Failure::new(Code::Unsupported, text)
        .hint("Add to main.rs and rebuild:")
        .hint("    #[global_allocator] static ALLOC: manhole::Alloc = manhole::Alloc::system();")
        .hint("Until then the process's own allocator tells: memory, memory --deep, gc stats.")
}
