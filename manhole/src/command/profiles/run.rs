//! The commands: say what is looked at, sample, answer in the form that was asked for.

use super::{ask::Ask, file};
use crate::{
    command::{Context, Reply},
    fold,
    model::{Args, Block, Failure, samples::Report, wish::Kind},
};
use std::cell::RefCell;

/// Runs the command of `kind`.
pub(super) fn run(
    kind: Kind,
    ctx: &Context,
    args: &Args,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    let mut ask = Ask::of_args(kind, args)?;
    let format = args.text("format").unwrap_or("top");
    ask.find_threads(ctx)?;
    match format {
        "pprof" if !reply.json() => reply.takes_files(file::name(kind))?,
        "collapsed" => {}
        "json" => reply.want_json(),
        _ => reply.begin(&about(&ask))?,
    }
    let samples = {
        let total = ask.window.as_secs_f64();
        let reply = RefCell::new(&mut *reply);
        let progress = |ns: u64| {
            let done = (ns as f64 / 1e9).min(total);
            // Whoever is gone has cancelled.
            let _ = reply.borrow_mut().progress(done, total, "s");
        };
        ask.take(ctx, &progress)?
    };
    match format {
        _ if reply.json() => {}
        "pprof" => return file::pprof(&fold::profile::profile(&samples, &ask.wish), kind, reply),
        "collapsed" => return file::collapsed(&samples, &ask.wish, reply),
        _ => {}
    }
    let rows = ask.wish.rows;
    if reply.json() && !args.given("rows") {
        ask.wish.rows = None;
    }
    let mut answer = fold::profile::answer(samples, ask.wish, None);
    // Programs get all rows; who makes a text of it, as many as people would.
    if let Some(Block::Samples(found)) = answer.blocks.last_mut() {
        found.1.rows = rows;
    }
    reply.answer(answer)
}

/// What is known before it begins.
fn about(ask: &Ask) -> String {
    let report = Report {
        window_ns: u64::try_from(ask.window.as_nanos()).unwrap_or(u64::MAX),
        asked_hz: ask.hz,
        ..Report::default()
    };
    let mut about = fold::profile::about(&report, ask.wish.kind);
    if let Some(thread) = &ask.wish.thread {
        about.push_str(&format!(", threads {thread}"));
    }
    about
}
