//! manhole-cli: attach to, query and dump the consoles that services open with the manhole crate.
//!
//! The program is a library with one function, so that tests can build it as a binary of theirs.
//! The parts: `args` is the command line; `target` opens consoles; `run` has one command answered
//! and `display` prints the answer; the other modules are a subcommand each.

mod args;
mod clean;
mod demo;
mod display;
mod dump;
mod exec;
#[cfg(test)]
mod fake;
mod fetch;
mod interrupt;
mod list;
mod plain;
mod pprof;
mod profile;
mod progress;
mod proxy;
mod refusal;
mod repl;
mod report;
mod run;
mod save;
mod stacks;
mod symbolize;
mod table;
mod target;
mod terminal;
mod view;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory, Parser};
use manhole::client::{HELPER_WORD, Kind, Trouble, run_helper};

use args::{Cli, Command, Options};
use report::Outcome;
use terminal::Terminal;

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == HELPER_WORD)
    {
        return ExitCode::from(run_helper());
    }
    if std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == demo::SERVICE_WORD)
    {
        return demo::serve();
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    interrupt::watch();
    let terminal = Terminal::stderr(&cli.options);
    report::finish(run(cli.command, &cli.options), &terminal)
}

fn run(command: Command, options: &Options) -> Outcome {
    match command {
        Command::List { json } => list::list(json, options),
        Command::Exec(exec) => exec::exec(&exec, options),
        Command::Dump(dump) => dump::dump(&dump, options),
        Command::Pprof(pprof) => pprof::pprof(&pprof, options),
        Command::Flamegraph(flame) => pprof::flamegraph(&flame, options),
        Command::View(view) => view::view(&view, options),
        Command::Proxy(proxy) => proxy::proxy(&proxy),
        Command::Demo => demo::run(options),
        Command::Path { target } => path(&target),
        Command::Clean { dry_run } => clean::clean(dry_run),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "manhole-cli", &mut script);
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            let rendered = clap_mangen::Man::new(Cli::command()).render(&mut page);
            rendered
                .map_err(|error| Trouble::io(Kind::Failed, "failed to render the page", &error))?;
            print(&page)
        }
        Command::Bare(words) => bare(words, options),
        Command::Attach { target } => repl::attach(&target, &[], options),
    }
}

/// `manhole-cli TARGET` attaches, `manhole-cli TARGET COMMAND...` executes.
fn bare(mut words: Vec<String>, options: &Options) -> Outcome {
    let target = words.remove(0);
    if words.is_empty() {
        let outcome = repl::attach(&target, &[], options);
        return outcome.map_err(|trouble| hint_at_subcommands(trouble, &target));
    }
    let outcome = exec::exec(
        &args::Exec {
            target: target.clone(),
            script: None,
            json: false,
            allow_none: false,
            words,
        },
        options,
    );
    outcome.map_err(|trouble| hint_at_subcommands(trouble, &target))
}

/// A target that does not exist may be a subcommand that was mistyped or has another name here.
fn hint_at_subcommands(trouble: Trouble, word: &str) -> Trouble {
    if trouble.kind != Kind::NoTarget {
        return trouble;
    }
    match word {
        "gc" => trouble.detail("to remove stale sockets: manhole-cli clean"),
        "ls" | "ps" => trouble.detail("to see the consoles: manhole-cli list"),
        _ => trouble,
    }
}

fn path(target: &str) -> Outcome {
    let path = target::path_of(target)?;
    print(format!("{}\n", path.display()).as_bytes())
}

fn print(bytes: &[u8]) -> Outcome {
    // A reader that has seen enough is no trouble.
    let _ = io::stdout().write_all(bytes);
    Ok(None)
}
