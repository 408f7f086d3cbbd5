//! The commands: say what is looked at, look, answer in the form that was asked for.

use super::{
    ask::{Ask, Span},
    files, look,
};
use crate::{
    command::{Context, Reply, shown},
    fold,
    model::{
        Answer, Args, Block, Code, Failure,
        heap::{View, Wish},
    },
};

/// The answer of the command of `view`.
///
/// # Errors
/// As [`look::take`]; `unknown` when nothing that allocates has the function that is asked for.
pub(super) fn answer(view: View, ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let ask = Ask::of_args(view, args)?;
    let heap = look::take(&ask, ctx, &mut |_| {})?;
    known(fold::heap::answer(heap, ask.wish.clone(), None), &ask)
}

/// The answer, if what was asked for by its name is in it.
fn known(answer: Answer, ask: &Ask) -> Result<Answer, Failure> {
    match (&ask.wish.site, answer.blocks.first()) {
        (Some(site), Some(Block::Table(table))) if table.rows.is_empty() => {
            Err(unknown(&ask.wish, site))
        }
        _ => Ok(answer),
    }
}

fn unknown(wish: &Wish, site: &str) -> Failure {
    let name = wish.view.name();
    let text = format!("{name}: no stack that holds memory has {}", shown(site));
    Failure::new(Code::Unknown, text).hint("heap --rows all lists the places")
}

/// Runs it.
///
/// # Errors
/// As [`answer`]; `unsupported` where a person would see raw bytes.
pub(super) fn stream(
    view: View,
    ctx: &Context,
    args: &Args,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    let mut ask = Ask::of_args(view, args)?;
    let format = args.text("format").unwrap_or("top");
    match format {
        "pprof" if !reply.json() => reply.takes_files(files::NAME)?,
        "json" => reply.want_json(),
        _ => {}
    }
    let is_file = !reply.json() && matches!(format, "pprof" | "collapsed");
    let total = match ask.span {
        Span::Next(time) => time.as_secs_f64(),
        _ => 0.0,
    };
    if is_file {
        let heap = look::take(&ask, ctx, &mut |done| tell(reply, done, total))?;
        return match format {
            "pprof" => files::pprof(&fold::heap::profile(&heap, &ask.wish), reply),
            _ => files::collapsed(&heap, &ask.wish, reply),
        };
    }
    let rows = ask.wish.rows;
    if reply.json() && !args.given("rows") {
        ask.wish.rows = None;
    }
    let heap = look::take(&ask, ctx, &mut |done| tell(reply, done, total))?;
    let mut answer = fold::heap::answer(heap, ask.wish.clone(), None);
    if !reply.json() {
        answer = known(answer, &ask)?;
    }
    // Programs get all rows; who makes a text of it, as many as people would; and it may know names that
    // nobody knows here.
    if let Some(Block::Heap(found)) = answer.blocks.last_mut() {
        found.1.rows = rows;
    }
    reply.answer(answer)
}

fn tell(reply: &mut Reply<'_>, done: f64, total: f64) {
    // Whoever is gone has cancelled.
    let _ = reply.progress(done.min(total), total, "s");
}
