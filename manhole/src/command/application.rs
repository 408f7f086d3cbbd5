//! Runs a command of the application: its code stays on the application's own threads.

use super::{Context, Reply};
use crate::{
    app::commands::{Registered, Said, Who},
    model::{Args, Failure},
};
use std::time::Duration;

/// How often it is looked whether anybody still waits.
const LOOK: Duration = Duration::from_millis(100);

/// Hands the call over, passes on what it says while it runs, and writes what it returned.
pub(super) fn run(
    command: &Registered,
    ctx: &Context,
    args: &Args,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    let who = Who {
        uid: ctx.caller.uid,
        pid: ctx.caller.pid,
        level: ctx.caller.level,
    };
    let running = command.start(args.clone(), who, ctx.deadline)?;
    loop {
        // At every turn: one that talks without a pause must hear of a cancel too.
        ctx.check()?;
        match running.next(LOOK) {
            None => {}
            Some(Said::Line(line)) => reply.line(&line)?,
            Some(Said::Progress { done, total, unit }) => reply.progress(done, total, unit)?,
            Some(Said::End(result)) => return reply.answer(result?.into_answer()),
        }
    }
}
