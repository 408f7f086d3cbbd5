//! `info`: everything about this process and this console that does not change by the second.

use super::{Command, Context, Run};
use crate::model::{Answer, Args, Block, Cell, Failure, Fields, Group, Impact, Level, Spec};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "info",
        group: Group::Process,
        about: "build, uptime, user, what is switched off and how to switch it on",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "about 0.1 ms: it reads a few files below /proc",
        examples: &[],
        see_also: "version",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(answer),
};

fn answer(ctx: &Context, _: &Args) -> Result<Answer, Failure> {
    let mut fields = Fields::new();
    fields.field("name", "service", Cell::text(&*ctx.state.name));
    let mut answer = Answer::about("this process and its console");
    answer.push(Block::Fields(fields));
    Ok(answer)
}
