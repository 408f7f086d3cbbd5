//! `help [COMMAND]`: the table in groups, or one command with its arguments, cost and examples.

use super::{Command, Context, Run, dispatch, sentence, suggest};
use crate::model::{
    Answer, ArgSpec, ArgType, Args, Block, Code, Complete, Failure, Group, Impact, Level, Spec,
};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "help",
        group: Group::Console,
        about: "this list, or one command with its options, cost and examples; also ?",
        args: &[ArgSpec::positional(
            "command",
            ArgType::Text,
            "a command, or the first word of several",
        )
        .rest()
        .complete(Complete::Commands)],
        level: Level::View,
        impact: Impact::Reads,
        cost: "nothing: it prints a table in memory",
        examples: &[],
        see_also: "commands (one line each, with level and impact)",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(answer),
};

fn answer(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let specs = dispatch::specs();
    let mut answer = Answer::short();
    let (lines, told) = match args.joined("command") {
        None => (overview(ctx, &specs), specs),
        Some(name) => match specs.iter().find(|spec| spec.name == name) {
            Some(spec) => (one(spec), vec![*spec]),
            None => several(&name, &specs)?,
        },
    };
    answer.push(Block::Lines(lines));
    answer.push(super::commands::data(ctx, &told));
    Ok(answer)
}

/// The groups of LOOK: questions first, each with what it answers.
fn overview(ctx: &Context, specs: &[&Spec]) -> Vec<String> {
    let mut lines = vec!["Ask a question:".to_owned()];
    let questions = specs.iter().filter(|spec| spec.group == Group::Question);
    for spec in questions.filter(|spec| spec.impact != Impact::Changes) {
        lines.push(format!("  {:<16}  {}", spec.name, spec.about));
    }
    for (group, title) in [
        (Group::Process, "The process:"),
        (Group::Console, "This console:"),
    ] {
        lines.push(format!(
            "{title:<14}  {}",
            names(specs, |spec| spec.group == group)
        ));
    }
    if specs.iter().any(|spec| spec.group == Group::Application) {
        lines.push(format!("{}:", ctx.state.name));
        for spec in specs.iter().filter(|spec| spec.group == Group::Application) {
            lines.push(format!("  {:<16}  {}", spec.name, spec.about));
        }
    }
    lines.push(String::new());
    lines.extend(permissions(ctx, specs));
    lines
}

/// Names wrapped in one line each, joined by two spaces.
fn names(specs: &[&Spec], pick: impl Fn(&Spec) -> bool) -> String {
    let names: Vec<&str> = specs
        .iter()
        .filter(|spec| pick(spec))
        .map(|spec| spec.name)
        .collect();
    names.join("  ")
}

fn permissions(ctx: &Context, specs: &[&Spec]) -> Vec<String> {
    let changes = |spec: &Spec| spec.impact == Impact::Changes;
    let denied = names(specs, |spec| !ctx.may(spec.level));
    let level = ctx.caller.level;
    if denied.is_empty() {
        let mut lines = Vec::new();
        if specs.iter().any(|spec| changes(spec)) {
            lines.push(format!("Change something:  {}", names(specs, changes)));
        }
        lines.push(format!(
            "You have level {level}, so all of them work. help COMMAND shows options, defaults, cost and an example."
        ));
        return lines;
    }
    let owner = ctx.state.euid.load(std::sync::atomic::Ordering::Relaxed);
    vec![
        format!("Not for you (level {level}):  {denied}"),
        format!(
            "Level control: {}. help COMMAND shows options, defaults, cost and an example.",
            ctx.state.access_now().who_has(Level::Control, owner)
        ),
    ]
}

/// Everything about one command.
fn one(spec: &Spec) -> Vec<String> {
    let mut lines = vec![spec.usage(), sentence(spec.about), String::new()];
    let titles = spec.args.iter().map(|arg| arg.title().len());
    let width = titles.max().unwrap_or(0).max(12);
    for arg in spec.args {
        lines.push(argument(arg, width));
    }
    lines.push(format!(
        "  {:<width$}  {:<12}  one line of JSON, in base units",
        "--json", ""
    ));
    lines.push(format!("level    {}", spec.level));
    lines.push(format!("impact   {}: {}", spec.impact.name(), spec.cost));
    if !spec.examples.is_empty() {
        lines.push(String::new());
    }
    let width = spec
        .examples
        .iter()
        .map(|example| example.line.len())
        .max()
        .unwrap_or(0);
    for example in spec.examples {
        lines.push(format!("  {:<width$}  {}", example.line, example.what));
    }
    if !spec.see_also.is_empty() {
        lines.push(format!("see also: {}", spec.see_also));
    }
    lines
}

fn argument(arg: &ArgSpec, width: usize) -> String {
    let default = match (arg.default, arg.required) {
        (Some(default), _) => default,
        (None, true) => "required",
        (None, false) => "",
    };
    let mut about = arg.about.to_owned();
    if let Some(bounds) = bounds(&arg.ty) {
        about.push_str(&format!(" ({bounds})"));
    }
    if let Some(level) = arg.level {
        about.push_str(&format!("; needs level {level}"));
    }
    format!("  {:<width$}  {default:<12}  {about}", arg.title())
}

/// The bounds of a type in words, from the same data that the parser checks.
fn bounds(ty: &ArgType) -> Option<String> {
    use crate::render::units;
    match ty {
        ArgType::Int { min, max } => Some(format!("{min}..{max}")),
        ArgType::Float { min, max } => Some(format!("{min}..{max}")),
        ArgType::Duration { min, max } => {
            Some(format!("{}..{}", units::nanos(*min), units::nanos(*max)))
        }
        ArgType::Bytes { min, max } => {
            Some(format!("{}..{}", units::bytes(*min), units::bytes(*max)))
        }
        ArgType::Choice(words) => Some(words.join(", ")),
        ArgType::Text | ArgType::Bool | ArgType::Glob => None,
    }
}

/// The commands that begin with `name`, with a line each.
fn several(
    name: &str,
    specs: &[&'static Spec],
) -> Result<(Vec<String>, Vec<&'static Spec>), Failure> {
    let prefix = format!("{name} ");
    let begins = specs.iter().filter(|spec| spec.name.starts_with(&prefix));
    let found: Vec<&Spec> = begins.copied().collect();
    if found.is_empty() {
        let remedy = suggest::remedy(name, specs.iter().map(|spec| spec.name));
        let text = format!("help: {}: {remedy}", super::shown(name));
        return Err(Failure::new(Code::Unknown, text));
    }
    let line = |spec: &&Spec| format!("  {:<16}  {}", spec.name, spec.about);
    Ok((found.iter().map(line).collect(), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_is_explained_from_its_data() {
        const SPEC: Spec = Spec {
            name: "cpu",
            group: Group::Question,
            about: "where the processor time goes",
            args: &[
                ArgSpec::positional("n", ArgType::seconds(1, 300), "how long").default("5s"),
                ArgSpec::flag("reveal", "show it").level(Level::Control),
            ],
            level: Level::Inspect,
            impact: Impact::Signals,
            cost: "2 us a sample",
            examples: &[],
            see_also: "wall",
        };
        let text = one(&SPEC).join("\n");
        assert!(
            text.starts_with("cpu [N] [--reveal]\nWhere the processor time goes.\n"),
            "{text}"
        );
        assert!(
            text.contains("  N             5s            how long (1 s..5m 00s)"),
            "{text}"
        );
        assert!(text.contains("show it; needs level control"), "{text}");
        assert!(
            text.contains("impact   signals threads: 2 us a sample"),
            "{text}"
        );
    }
}
