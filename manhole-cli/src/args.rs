//! The command line, as data for clap: help, completions and the manual page derive from it.

use std::{net::SocketAddrV4, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// How a target may be written.
const TARGET: &str = "PID, name, start of a container id, or socket path";

/// Attach to, query and dump the consoles that services open with the manhole crate.
#[derive(Debug, Parser)]
#[command(
    name = "manhole-cli",
    version,
    override_usage = "manhole-cli [OPTIONS] <COMMAND>\n       manhole-cli [OPTIONS] TARGET [COMMAND...]",
    after_help = "TARGET is a PID, a name, the start of a container id, or a socket path.\n\
        manhole-cli TARGET attaches; manhole-cli TARGET COMMAND... runs one command.\n\n\
        Exit codes: 0 answered, 1 the command failed, 2 usage, 3 refused, 4 no such target,\n\
        5 timed out or cancelled.",
    arg_required_else_help = true,
    allow_external_subcommands = true,
    subcommand_value_name = "COMMAND"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What holds for every subcommand.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Options {
    /// Colours: auto (on a terminal, without NO_COLOR), always, never
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub(crate) color: When,
    /// Print control characters as they are; the target may then control your terminal
    #[arg(long, global = true)]
    pub(crate) raw: bool,
    /// Give up after this time: 500ms, 5s, 2m
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Into pipes too.
    Always,
    /// Not at all.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every console on this host, those in containers too
    List {
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Open the prompt of a console
    Attach {
        #[arg(help = TARGET)]
        target: String,
    },
    /// Run commands and print their answers
    Exec(Exec),
    /// Collect everything a console can tell, for reading elsewhere
    Dump(Dump),
    /// Take a profile, keep it, and open it in go tool pprof where that is installed
    Pprof(Pprof),
    /// Take a profile and draw a flame graph of it
    Flamegraph(Flamegraph),
    /// Show a saved profile, wherever it was taken
    View(View),
    /// Serve a console's HTTP on 127.0.0.1, for go tool pprof, curl and browsers
    Proxy(Proxy),
    /// Run a service with faults in it, and look inside: a prompt, or a tour when piped
    Demo,
    /// Print the path of a console's socket: nc -U $(manhole-cli path 1234)
    Path {
        #[arg(help = TARGET)]
        target: String,
    },
    /// Remove the sockets that dead processes left
    Clean {
        /// Only say what would be removed
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page: manhole-cli man | man -l -
    Man,
    /// Attach (TARGET), or run one command (TARGET COMMAND...)
    #[command(external_subcommand)]
    Bare(Vec<String>),
}

/// What `exec` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "One word is a line and may hold several commands: 'triage; threads'. Several words are\n\
    one command; a word \";\" begins the next one."
)]
pub(crate) struct Exec {
    /// PID, name, start of a container id, or socket path; "all" or a pattern like "rates*" for several
    pub(crate) target: String,
    /// Read command lines from FILE, or from standard input if it is "-"
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        conflicts_with = "words"
    )]
    pub(crate) script: Option<PathBuf>,
    /// One line of JSON for each answer
    #[arg(long)]
    pub(crate) json: bool,
    /// A pattern that matches nothing is no error
    #[arg(long)]
    pub(crate) allow_none: bool,
    /// The command
    #[arg(
        value_name = "COMMAND",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required_unless_present = "script"
    )]
    pub(crate) words: Vec<String>,
}

/// What `dump` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads and samples only; nothing is changed, and secrets are masked. Exit code 1 means that\n\
    something is missing; manifest.json and the README say what and why."
)]
pub(crate) struct Dump {
    #[arg(help = TARGET)]
    pub(crate) target: String,
    /// Where to: a new directory, or "-" for a tar.gz on standard output
    /// [default: manhole-NAME-PID-TIME]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Only say what would be collected, what it costs and how long it takes
    #[arg(long)]
    pub(crate) plan: bool,
    /// Begin nothing new after this time
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    pub(crate) budget: Duration,
    /// Stop at this size: 512KiB, 64MiB, 1GiB
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value = "64MiB")]
    pub(crate) max_size: u64,
    /// First wait a random time up to this one, so that many hosts do not start at once
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) splay: Option<Duration>,
}

/// What `pprof` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "KIND is cpu, wall, block, mutex, heap, allocs, goroutine, threadcreate, or a profile of the\n\
    service's own. manhole-cli pprof shop cpu 30 -- -http=:8080"
)]
pub(crate) struct Pprof {
    #[arg(help = TARGET)]
    pub(crate) target: String,
    /// Of what
    pub(crate) kind: String,
    /// For how long: 10, 30s, 2m
    #[arg(value_name = "N", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Where the profile is kept [default: NAME-PID-KIND-TIME.pb.gz]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// What go tool pprof is given
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) args: Vec<String>,
}

/// What `flamegraph` takes.
#[derive(Debug, Args)]
pub(crate) struct Flamegraph {
    #[arg(help = TARGET)]
    pub(crate) target: String,
    /// Of what, as for pprof [default: cpu]
    pub(crate) kind: Option<String>,
    /// For how long: 10, 30s, 2m
    #[arg(value_name = "N", value_parser = duration)]
    pub(crate) time: Option<Duration>,
    /// Where to, or "-" for standard output [default: NAME-PID-KIND-TIME.svg]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

/// What `view` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "FILE is a profile as go tool pprof and flame graph programs have it: profile.proto, gzipped or\n\
    not, or collapsed stacks. go tool pprof FILE reads the former as well."
)]
pub(crate) struct View {
    /// The profile, or "-" for standard input
    pub(crate) file: PathBuf,
    /// The functions that took most; this is what is shown unless told otherwise
    #[arg(long, group = "look")]
    pub(crate) top: bool,
    /// Who calls whom
    #[arg(long, group = "look")]
    pub(crate) tree: bool,
    /// Draw a flame graph into OUT, or to standard output if it is "-"
    #[arg(long, group = "look", value_name = "OUT")]
    pub(crate) flamegraph: Option<PathBuf>,
    /// Show what changed since the profile BASE
    #[arg(long, value_name = "BASE")]
    pub(crate) diff: Option<PathBuf>,
    /// Which of the values in the profile: samples, cpu, inuse_space, ...
    #[arg(long, value_name = "TYPE")]
    pub(crate) sample: Option<String>,
    /// How many lines, or "all"
    #[arg(long, value_name = "N", default_value = "30", value_parser = rows)]
    pub(crate) rows: Rows,
    /// Without generic arguments, or as they are in the file
    #[arg(long, value_name = "HOW", default_value = "short")]
    pub(crate) names: Names,
}

/// How functions are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Names {
    /// Without generic arguments.
    Short,
    /// As they are in the file.
    Full,
}

/// What `proxy` takes.
#[derive(Debug, Args)]
#[command(
    after_help = "The first line of the output is the base of all addresses, to which a path is appended:\n\
    go tool pprof BASE/debug/pprof/heap. It holds a secret, works for your own user only, and ends with\n\
    the process."
)]
pub(crate) struct Proxy {
    #[arg(help = TARGET)]
    pub(crate) target: String,
    /// Where to listen: a port of 127.0.0.1, or 0 for any that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", value_parser = crate::proxy::listen)]
    pub(crate) listen: SocketAddrV4,
}

/// How many lines of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows(pub(crate) usize);

impl Rows {
    /// About a screen.
    pub(crate) const DEFAULT: Self = Self(30);
}

fn rows(text: &str) -> Result<Rows, String> {
    let number = || text.parse().ok().filter(|rows| *rows > 0);
    match text {
        "all" => Ok(Rows(usize::MAX)),
        _ => number()
            .map(Rows)
            .ok_or_else(|| format!("{text:?} is no number of lines, nor \"all\"")),
    }
}

/// A number and the unit behind it.
fn number_and_unit(text: &str) -> Option<(f64, String)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())?;
    Some((number, unit.trim().to_ascii_lowercase()))
}

/// A time as the console's own commands take it; a plain number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wanted = || format!("{text:?} is no time: use 500ms, 5s, 2m or 1h");
    let (number, unit) = number_and_unit(text).ok_or_else(wanted)?;
    let seconds = match unit.as_str() {
        "" | "s" => number,
        "ms" => number / 1e3,
        "m" => number * 60.0,
        "h" => number * 3600.0,
        _ => return Err(wanted()),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wanted())
}

/// A size; units are binary, as in the console's own commands.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wanted = || format!("{text:?} is no size: use 512KiB, 64MiB or 1GiB");
    let (number, unit) = number_and_unit(text).ok_or_else(wanted)?;
    let power = match unit.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        _ => return Err(wanted()),
    };
    Ok((number * 1024f64.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(["manhole-cli"].into_iter().chain(line.split(' ')))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_bare_target_is_taken_with_all_that_follows() {
        let Command::Bare(words) = parse("4711 stacks --full -x --json").unwrap().command else {
            panic!("not bare");
        };
        assert_eq!(words, ["4711", "stacks", "--full", "-x", "--json"]);
        let cli = parse("--raw checkout").unwrap();
        assert!(cli.options.raw && matches!(cli.command, Command::Bare(_)));
    }

    #[test]
    fn options_of_the_remote_command_are_left_to_it() {
        let exec = |line: &str| match parse(line).unwrap().command {
            Command::Exec(exec) => exec,
            other => panic!("{other:?}"),
        };
        let one = exec("exec --json rates vars get --all -f x --raw");
        assert_eq!(one.words, ["vars", "get", "--all", "-f", "x", "--raw"]);
        assert!(one.json && one.script.is_none());
        let two = exec("exec rates --json -f script");
        assert!(two.json && two.words.is_empty());
        assert_eq!(two.script, Some("script".into()));
    }

    #[test]
    fn exec_needs_a_command_or_a_script_and_not_both() {
        for line in ["exec rates", "exec", "exec rates -f x triage", "list x"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn times_and_sizes_are_read() {
        assert_eq!(duration("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(duration("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert!(duration("-1s").is_err() && duration("soon").is_err() && duration("").is_err());
        assert!(duration("99999999999999999999h").is_err());
        assert_eq!(bytes("64MiB"), Ok(64 << 20));
        assert!(bytes("many").is_err());
    }
}
