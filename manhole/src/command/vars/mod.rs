//! `vars`: the service's own numbers, texts and settings.
//!
//! Data, so the text has no provenance and no verdict. Numbers are for everybody, texts and what
//! closures return need level inspect; a closure that hangs costs 100 ms once and nothing
//! afterwards.

pub(super) mod export;
pub(super) mod get;
pub(super) mod set;
mod show;
pub(super) mod watch;

use super::{Command, Context, Endpoint, Run, plural, suggest};
use crate::{
    app::vars::{self, Reading},
    model::{
        Answer, ArgSpec, ArgType, Block, Complete, Example, Failure, Group, Impact, Level, Spec,
        glob,
    },
};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "vars",
        group: Group::Question,
        about: "the service's own numbers, texts and settings",
        args: &[
            ArgSpec::positional("glob", ArgType::Glob, "which ones, as http.*")
                .default("*")
                .complete(Complete::Variables),
        ],
        level: Level::View,
        impact: Impact::Reads,
        cost: "some 10 us; 100 ms once for each closure that hangs, on a thread of the application",
        examples: &[
            Example::new("vars http.*", "all whose name begins with http."),
            Example::new("vars --json", "in base units, with the rates"),
        ],
        see_also: "vars get (one bare value), vars set, vars watch",
    },
    triage: false,
    endpoints: &[
        Endpoint {
            path: "/debug/vars",
            level: Level::View,
            about: "the variables, in expvar's shape (numbers only below level inspect)",
            run: export::expvar,
        },
        Endpoint {
            path: "/metrics",
            level: Level::View,
            about: "the variables as OpenMetrics text",
            run: export::metrics,
        },
    ],
    run: Run::Answer(|ctx, args| {
        let pattern = args.text("glob").unwrap_or("*");
        let (readings, hidden) = look(ctx, pattern)?;
        ctx.check()?;
        Ok(answer(readings, hidden, pattern))
    }),
};

/// What the caller may see of what matches, and how many more there are.
///
/// # Errors
/// `no-memory`.
fn look(ctx: &Context, pattern: &str) -> Result<(Vec<Reading>, usize), Failure> {
    let wanted = |name: &str| glob::matches(pattern, name);
    if ctx.may(Level::Inspect) {
        // A client that went away is not worth the patience that closures get.
        let waits = |name: &str| wanted(name) && ctx.check().is_ok();
        return Ok((gathered(vars::read_all(waits))?, 0));
    }
    let readings = gathered(vars::numbers(wanted))?;
    let all = vars::names().filter(|name| wanted(name)).count();
    let hidden = all.saturating_sub(readings.len());
    Ok((readings, hidden))
}

fn gathered(readings: impl Iterator<Item = Reading>) -> Result<Vec<Reading>, Failure> {
    let mut all = Vec::new();
    for reading in readings {
        all.try_reserve(1)
            .map_err(|_| Failure::no_memory("the list of the variables"))?;
        all.push(reading);
    }
    Ok(all)
}

fn answer(readings: Vec<Reading>, hidden: usize, pattern: &str) -> Answer {
    let mut answer = Answer::short();
    let none = readings.is_empty();
    answer.push(Block::Table(show::table(readings)));
    if hidden > 0 {
        let more = plural(hidden, "text and published value");
        answer.note(format!("{more} more with level inspect").replace("text and", "text or"));
    } else if none {
        answer.note(nothing(pattern));
    }
    answer
}

fn nothing(pattern: &str) -> String {
    let names: Vec<_> = vars::names().collect();
    if names.is_empty() {
        let declare =
            "static REQUESTS: manhole::vars::Counter = manhole::vars::Counter::new(\"requests\");";
        return format!("the application has declared none; one line makes one: {declare}");
    }
    let pattern = super::shown(pattern);
    match suggest::nearest(&pattern, names.iter().map(|name| &**name)) {
        Some(name) => format!("no variable matches {pattern}; did you mean {name}?"),
        None => format!(
            "no variable matches {pattern}; vars lists all {}",
            names.len()
        ),
    }
}

/// What to say about a name that is none.
fn unknown(command: &str, name: &str) -> Failure {
    let names: Vec<_> = vars::names().collect();
    let nearest = suggest::nearest(name, names.iter().map(|name| &**name));
    let remedy = nearest.map_or_else(
        || "vars lists them".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    let name = super::shown(name);
    Failure::new(
        crate::model::Code::Unknown,
        format!("{command}: no variable is called {name}; {remedy}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_or_missing_is_said() {
        let notes = |hidden, pattern: &str| answer(Vec::new(), hidden, pattern).notes;
        assert_eq!(
            notes(1, "*"),
            ["1 text or published value more with level inspect"]
        );
        assert_eq!(
            notes(3, "*"),
            ["3 text or published values more with level inspect"]
        );
        static REQUESTS: vars::Counter = vars::Counter::new("test.command.requests");
        REQUESTS.add(1);
        assert_eq!(
            notes(0, "test.comand.requests"),
            ["no variable matches test.comand.requests; did you mean test.command.requests?"]
        );
        let failure = unknown("vars get", "test.command.request");
        assert_eq!(
            failure.text,
            "vars get: no variable is called test.command.request; did you mean test.command.requests?"
        );
    }
}
