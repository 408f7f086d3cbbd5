//! `heap save`: keeps a look under a name, to compare with later.

use super::look::is_installed;
use crate::{
    command::{Command, Context, Run, shown},
    model::{
        Answer, ArgSpec, ArgType, Args, Block, Code, Example, Failure, Group, Impact, Level, Spec,
        parse_duration,
    },
    probe::heap::PROCESS,
};

const NAME: &str = "heap save";
/// The longest name.
const LONGEST: usize = 64;

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: NAME,
        group: Group::Question,
        about: "keep a look at the heap under a name, for heap diff NAME",
        args: &[ArgSpec::positional(
            "name",
            ArgType::Text,
            "letters, digits, and . _ -; one that is there is replaced",
        )
        .required()],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: "at most 56 KiB of memory; of nine looks with names the oldest goes",
        examples: &[Example::new(
            "heap save before-deploy",
            "then: heap diff before-deploy",
        )],
        see_also: "heap diff",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(run),
};

fn run(ctx: &Context, args: &Args) -> Result<Answer, Failure> {
    let name = args.text("name").unwrap_or_default();
    if let Some(why) = objection(name) {
        let text = format!("{NAME}: NAME is {}, {why}", shown(name));
        return Err(Failure::new(Code::Usage, text));
    }
    is_installed(NAME)?;
    let gone = ctx.state.heap.save(name, &PROCESS);
    let gone = gone.map_err(|_| Failure::no_memory(NAME))?;
    let mut lines = vec![format!("kept as {name}; compare with: heap diff {name}")];
    lines.extend(gone.map(|gone| format!("{gone}, the oldest, made room for it")));
    let mut answer = Answer::short();
    answer.push(Block::Lines(lines));
    answer.push(Block::Data("name", name.into()));
    Ok(answer)
}

/// Why `name` cannot be one.
fn objection(name: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name {
        "start" | "now" => Some("which means something else already"),
        name if parse_duration(name).is_some() => Some("which is a time"),
        name if name.is_empty() || name.len() > LONGEST => Some("1 to 64 characters are wanted"),
        name if name.starts_with('-') || !name.chars().all(plain) => {
            Some("letters, digits, and . _ - are wanted")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_no_times() {
        let check = |name: &str, good: bool| assert_eq!(objection(name).is_none(), good, "{name}");
        check("before-deploy", true);
        check("v2.4.1", true);
        check("10m", false);
        check("start", false);
        check("", false);
        check("a b", false);
        check("../x", false);
        check(&"x".repeat(65), false);
    }
}
