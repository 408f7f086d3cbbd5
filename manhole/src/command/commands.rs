//! `commands`: the whole table for programs, and a list of it for people.

use super::{BUILT_IN, Command, Context, Run, dispatch};
use crate::model::{
    Answer, ArgKind, ArgSpec, ArgType, Block, Cell, Column, Group, Impact, Level, Show, Spec, Table,
};
use serde_json::{Value, json};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "commands",
        group: Group::Console,
        about: "all commands with level and impact; --json has every argument",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "nothing: it prints a table in memory",
        examples: &[],
        see_also: "help COMMAND",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(|ctx, _| Ok(answer(ctx, &dispatch::specs()))),
};

fn answer(ctx: &Context, specs: &[&'static Spec]) -> Answer {
    let columns = [
        Column::new("level", "level"),
        Column::new("impact", "impact"),
        Column::new("name", "command"),
        Column::new("about", "what it answers"),
    ];
    let mut table = Table::new("list", columns).show(Show::Text);
    for spec in specs {
        table.row([
            Cell::text(spec.level.name()),
            Cell::text(spec.impact.name()),
            Cell::text(spec.name),
            Cell::text(spec.about),
        ]);
    }
    let mut answer = Answer::short();
    answer.push(Block::Table(table));
    answer.push(data(ctx, specs));
    answer
}

/// What programs get of these commands: here, and in `help`.
pub(super) fn data(ctx: &Context, specs: &[&'static Spec]) -> Block {
    let all = specs.iter().map(|spec| describe(spec, ctx));
    Block::Data("commands", all.collect())
}

/// A command as JSON: what completion, help and checks of a client are made from.
fn describe(spec: &Spec, ctx: &Context) -> Value {
    let examples = spec
        .examples
        .iter()
        .map(|example| json!({"line": example.line, "what": example.what}));
    json!({
        "name": spec.name,
        "group": group(spec.group),
        "about": spec.about,
        "usage": spec.usage(),
        "level": spec.level.name(),
        "allowed": ctx.may(spec.level),
        "impact": spec.impact.name(),
        "cost": spec.cost,
        "stream": streams(spec),
        "args": spec.args.iter().map(describe_arg).collect::<Vec<_>>(),
        "examples": examples.collect::<Vec<_>>(),
    })
}

/// Whether a command goes on until it is stopped, so that it has no place in a collection of answers.
fn streams(spec: &Spec) -> bool {
    let named = |command: &&&Command| command.spec.name == spec.name;
    let command = BUILT_IN.iter().find(named);
    command.is_some_and(|command| matches!(command.run, Run::Stream(_)))
}

/// The word for a group.
pub(crate) fn group(group: Group) -> &'static str {
    match group {
        Group::Question => "question",
        Group::Process => "process",
        Group::Console => "console",
        Group::Application => "application",
    }
}

fn describe_arg(arg: &ArgSpec) -> Value {
    let mut value = json!({
        "name": arg.name,
        "kind": match arg.kind {
            ArgKind::Positional => "positional",
            ArgKind::Option => "option",
            ArgKind::Flag => "flag",
        },
        "type": arg.ty.name(),
        "default": arg.default,
        "required": arg.required,
        "rest": arg.rest,
        "level": arg.level.map(Level::name),
        "secret": arg.secret,
        "about": arg.about,
        "complete": arg.complete.name(),
    });
    let bounds = match arg.ty {
        ArgType::Int { min, max } => json!({"min": min, "max": max}),
        ArgType::Float { min, max } => json!({"min": min, "max": max}),
        ArgType::Duration { min, max } => json!({"min_ns": min, "max_ns": max}),
        ArgType::Bytes { min, max } => json!({"min_bytes": min, "max_bytes": max}),
        ArgType::Choice(words) => json!({"choices": words}),
        ArgType::Text | ArgType::Bool | ArgType::Glob => json!({}),
    };
    if let (Value::Object(value), Value::Object(bounds)) = (&mut value, bounds) {
        value.extend(bounds);
    }
    value
}
