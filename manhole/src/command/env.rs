//! `env`: the environment that the program was started with, secrets masked.
//!
//! The program's own changes are not seen: see [`crate::probe::env`]. `--reveal NAME` shows one value
//! as it is; that takes control, stands in the audit like every command, and is never in a dump.

use super::{Command, Context, Run, plural, shown};
use crate::{
    model::{
        Answer, ArgSpec, ArgType, Args, Block, Cell, Code, Column, Complete, Example, Failure,
        Group, Impact, Level, Spec, Table,
    },
    probe::env::Environment,
    render::mask,
};

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: "env",
        group: Group::Process,
        about: "the environment as of the program's start, secrets masked",
        args: &[
            ArgSpec::option("reveal", ArgType::Text, "one variable's value as it is")
                .level(Level::Control)
                .complete(Complete::Environment),
        ],
        level: Level::Inspect,
        impact: Impact::Reads,
        cost: "20 us; it takes the kernel's mmap_lock for a moment",
        examples: &[
            Example::new("env", "names and masked values"),
            Example::new("env --reveal DATABASE_URL", "the bare value, for scripts"),
        ],
        see_also: "info (program and command line)",
    },
    triage: false,
    endpoints: &[],
    run: Run::Kernel(answer),
};

fn answer(_: &Context, args: &Args) -> Result<Answer, Failure> {
    let environment = Environment::read().ok_or_else(|| {
        let text =
            "env: /proc/self/environ cannot be read: it is root's once a process has dropped root";
        Failure::new(Code::Unsupported, text)
    })?;
    match args.text("reveal") {
        Some(name) => reveal(&environment, name),
        None => Ok(list(&environment)),
    }
}

fn reveal(environment: &Environment, name: &str) -> Result<Answer, Failure> {
    let value = environment.get(name).ok_or_else(|| {
        let text = format!(
            "env: {} was not set when the program was started; env lists what was",
            shown(name)
        );
        Failure::new(Code::Unknown, text)
    })?;
    let mut answer = Answer::short();
    answer.push(Block::Value(Cell::text(value)));
    Ok(answer)
}

fn list(environment: &Environment) -> Answer {
    let mut table = Table::new(
        "environment",
        [
            Column::new("name", ""),
            Column::new("value", ""),
            Column::json("masked"),
        ],
    );
    let mut masked = 0;
    for variable in &environment.variables {
        let value = mask::named(&variable.name, &variable.value);
        let hidden = value != variable.value;
        masked += usize::from(hidden);
        table.row([
            Cell::text(variable.name.as_str()),
            Cell::text(value.into_owned()),
            Cell::Bool(hidden),
        ]);
    }
    let count = plural(environment.variables.len(), "variable");
    let mut answer = Answer::about(format!(
        "{count} as of the program's start, {masked} masked"
    ));
    answer.push(Block::Table(table.unheaded()));
    answer.note("what the program set or removed since then (set_var) is not seen here");
    if environment.overwritten {
        answer.note("the program wrote over part of it (a process title): what is left is shown");
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVIRON: &[u8] =
        b"PATH=/bin\0DB_PASSWORD=hunter2\0DATABASE_URL=postgres://u:hunter2@db/x\0EMPTY_TOKEN=\0";

    #[test]
    fn secrets_are_masked_by_name_and_by_shape() {
        let answer = list(&Environment::parse(ENVIRON));
        assert_eq!(
            answer.about.as_deref(),
            Some("4 variables as of the program's start, 2 masked")
        );
        let Block::Table(table) = &answer.blocks[0] else {
            panic!("no table");
        };
        let rows: Vec<_> = table
            .rows
            .iter()
            .map(|row| (row[0].clone(), row[1].clone()))
            .collect();
        let row = |name: &str, value: &str| (Cell::text(name), Cell::text(value));
        assert_eq!(
            rows,
            [
                row("DATABASE_URL", "postgres://u:***@db/x"),
                row("DB_PASSWORD", "***"),
                row("EMPTY_TOKEN", ""),
                row("PATH", "/bin"),
            ]
        );
        assert!(!format!("{answer:?}").contains("hunter2"));
    }

    #[test]
    fn reveal_gives_the_bare_value_or_says_that_there_is_none() {
        let environment = Environment::parse(ENVIRON);
        let answer = reveal(&environment, "DB_PASSWORD").unwrap();
        assert_eq!(answer.blocks, [Block::Value(Cell::text("hunter2"))]);
        let failure = reveal(&environment, "NOPE").unwrap_err();
        assert_eq!(failure.code, Code::Unknown);
        assert!(
            failure.text.starts_with("env: NOPE was not set"),
            "{}",
            failure.text
        );
    }

    #[test]
    fn revealing_takes_control() {
        let words = ["--reveal".to_owned(), "X".to_owned()];
        let args = Args::parse(&COMMAND.spec, &words).unwrap();
        assert_eq!(args.level(&COMMAND.spec), Level::Control);
        assert_eq!(
            Args::parse(&COMMAND.spec, &[])
                .unwrap()
                .level(&COMMAND.spec),
            Level::Inspect
        );
    }
}
