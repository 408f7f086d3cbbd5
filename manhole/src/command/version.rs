//! `version`: what runs here, which protocol the console speaks, and what it can do.

use super::{Command, Context, Run};
use crate::model::{Answer, Args, Block, Cell, Failure, Fields, Group, Impact, Level, Spec};
use serde_json::json;

/// The number of the protocol; it rises when a meaning changes, never for an added field.
pub(crate) const PROTOCOL: u64 = 1;

/// What a client may rely on.
pub(crate) const CAPABILITIES: &[&str] = &[
    "text", "keep", "machine", "http", "cancel", "progress", "verdict",
];

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "version",
        group: Group::Process,
        about: "what runs here, and the protocol it speaks",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "nothing: it reads no file",
        examples: &[],
        see_also: "info (everything about this process)",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(answer),
};

fn answer(ctx: &Context, _: &Args) -> Result<Answer, Failure> {
    let state = &ctx.state;
    let mut fields = Fields::new();
    fields.field("name", "service", Cell::text(&*state.name));
    fields.field(
        "version",
        "version",
        Cell::or_unknown(state.version.clone(), Cell::Text),
    );
    fields.field("pid", "pid", Cell::Id(state.pid.into()));
    fields.field("manhole", "manhole", Cell::text(env!("CARGO_PKG_VERSION")));
    fields.field("protocol", "protocol", Cell::Id(PROTOCOL));
    fields.field("level", "your level", Cell::text(ctx.caller.level.name()));
    fields.field("capabilities", "", Cell::Json(json!(CAPABILITIES)));
    let mut answer = Answer::short();
    answer.push(Block::Fields(fields));
    Ok(answer)
}
