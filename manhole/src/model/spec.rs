//! What a command is, as data: the one place that parsing, help, completion, access rules, the HTTP
//! index and the docs are made from.
//!
//! Everything is `'static`: our own commands are constants, and the application's are leaked once
//! when they are registered, for a command is never taken back.

use super::{Impact, Level};

/// Where `help` lists a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Answers a question about what is wrong.
    Question,
    /// Facts about the process.
    Process,
    /// About this console.
    Console,
    /// Added by the application.
    Application,
}

/// A command: its words, what it answers, what it takes, who may run it and what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// Its words, separated by one space: `vars get`.
    pub name: &'static str,
    /// Where `help` lists it.
    pub group: Group,
    /// One line, no full stop: the question it answers.
    pub about: &'static str,
    /// What it takes, positional ones in their order. `--json` is everybody's and not listed.
    pub args: &'static [ArgSpec],
    /// The level that its plainest use needs; arguments may ask for more.
    pub level: Level,
    /// What it does to the process.
    pub impact: Impact,
    /// What it costs, with numbers: "2 us per thread".
    pub cost: &'static str,
    /// Lines to paste, with what they do.
    pub examples: &'static [Example],
    /// Names of related commands with what they are for: "memory (what the system sees)".
    pub see_also: &'static str,
}

/// A line to paste and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// The command line.
    pub line: &'static str,
    /// What one gets.
    pub what: &'static str,
}

impl Example {
    /// For constant tables.
    pub const fn new(line: &'static str, what: &'static str) -> Self {
        Self { line, what }
    }
}

/// How an argument is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArgKind {
    /// By its place.
    Positional,
    /// `--name value` or `--name=value`.
    Option,
    /// `--name`, present or not.
    Flag,
}

/// What an argument's text must be, with its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ArgType {
    /// Any text.
    Text,
    /// A whole number within bounds.
    Int {
        /// Least value accepted.
        min: i64,
        /// Greatest value accepted.
        max: i64,
    },
    /// A number with a fraction, within bounds.
    Float {
        /// Least value accepted.
        min: f64,
        /// Greatest value accepted.
        max: f64,
    },
    /// `5s`, `2m`, `250ms`, `1h`, or plain seconds; bounds in nanoseconds.
    Duration {
        /// Least, in nanoseconds.
        min: u64,
        /// Greatest, in nanoseconds.
        max: u64,
    },
    /// `512`, `64KiB`, `2GiB`; bounds in bytes.
    Bytes {
        /// Least, in bytes.
        min: u64,
        /// Greatest, in bytes.
        max: u64,
    },
    /// `true` or `false`.
    Bool,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A pattern with `*` and `?`.
    Glob,
}

/// Where completion takes values from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Complete {
    /// Nowhere, or from the choices of its type.
    Nothing,
    /// The names of the variables.
    Variables,
    /// The names of the tunable variables.
    Tunables,
    /// The names of the commands.
    Commands,
    /// Thread ids and names.
    Threads,
    /// The names of environment variables.
    Environment,
}

impl Complete {
    /// The word in `commands --json`.
    pub const fn name(self) -> &'static str {
        match self {
            Complete::Nothing => "nothing",
            Complete::Variables => "variables",
            Complete::Tunables => "tunables",
            Complete::Commands => "commands",
            Complete::Threads => "threads",
            Complete::Environment => "environment",
        }
    }
}

/// An argument of a command.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ArgSpec {
    /// Its name: `n`, `thread`. Options and flags are written with `--` before it.
    pub name: &'static str,
    /// How it is written.
    pub kind: ArgKind,
    /// What its text must be.
    pub ty: ArgType,
    /// What holds when it is left out, in the words one would type; shown by `help`.
    pub default: Option<&'static str>,
    /// Must be given.
    pub required: bool,
    /// A positional that takes all words that are left.
    pub rest: bool,
    /// How it is written, where its name does not say it: `for DURATION | forever`.
    pub form: Option<&'static str>,
    /// Needs more than the command does.
    pub level: Option<Level>,
    /// Masked before audit, ring and log.
    pub secret: bool,
    /// A few words for `help`.
    pub about: &'static str,
    /// Where completion takes values from.
    pub complete: Complete,
}

impl ArgSpec {
    const fn base(name: &'static str, kind: ArgKind, ty: ArgType, about: &'static str) -> Self {
        Self {
            name,
            kind,
            ty,
            default: None,
            required: false,
            rest: false,
            form: None,
            level: None,
            secret: false,
            about,
            complete: Complete::Nothing,
        }
    }

    /// An argument known by its place.
    pub const fn positional(name: &'static str, ty: ArgType, about: &'static str) -> Self {
        Self::base(name, ArgKind::Positional, ty, about)
    }

    /// `--name value`.
    pub const fn option(name: &'static str, ty: ArgType, about: &'static str) -> Self {
        Self::base(name, ArgKind::Option, ty, about)
    }

    /// `--name`.
    pub const fn flag(name: &'static str, about: &'static str) -> Self {
        Self::base(name, ArgKind::Flag, ArgType::Bool, about)
    }

    /// The same with a default, in the words one would type.
    #[must_use]
    pub const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    /// The same, but it must be given.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The same, taking all words that are left.
    #[must_use]
    pub const fn rest(mut self) -> Self {
        self.rest = true;
        self
    }

    /// The same, written like this.
    #[must_use]
    pub const fn form(mut self, form: &'static str) -> Self {
        self.form = Some(form);
        self
    }

    /// How it is called where it is described: `N`, `--hz`, or its form.
    pub fn title(&self) -> String {
        match (self.form, self.kind) {
            (Some(form), _) => form.to_owned(),
            (None, ArgKind::Positional) => self.name.to_uppercase(),
            (None, ArgKind::Option | ArgKind::Flag) => format!("--{}", self.name),
        }
    }

    /// The same, but whoever gives it needs this level.
    #[must_use]
    pub const fn level(mut self, level: Level) -> Self {
        self.level = Some(level);
        self
    }

    /// The same with a source for completion.
    #[must_use]
    pub const fn complete(mut self, complete: Complete) -> Self {
        self.complete = complete;
        self
    }
}

impl ArgType {
    /// Seconds as a duration bound.
    pub const fn seconds(min: u64, max: u64) -> Self {
        ArgType::Duration {
            min: min * 1_000_000_000,
            max: max * 1_000_000_000,
        }
    }

    /// The word in `commands --json`.
    pub const fn name(&self) -> &'static str {
        match self {
            ArgType::Text => "text",
            ArgType::Int { .. } => "int",
            ArgType::Float { .. } => "float",
            ArgType::Duration { .. } => "duration",
            ArgType::Bytes { .. } => "bytes",
            ArgType::Bool => "bool",
            ArgType::Choice(_) => "choice",
            ArgType::Glob => "glob",
        }
    }
}

impl Spec {
    /// The usage line: `vars set NAME VALUE [for DURATION]`, derived from the arguments.
    pub fn usage(&self) -> String {
        let mut line = self.name.to_owned();
        for arg in self.args {
            let title = arg.title();
            let shape = match arg.kind {
                _ if arg.form.is_some() => title,
                ArgKind::Positional if arg.rest => format!("{title}..."),
                ArgKind::Positional | ArgKind::Flag => title,
                ArgKind::Option => match arg.ty {
                    ArgType::Choice(words) if words.len() <= 5 => {
                        format!("{title} {}", words.join("|"))
                    }
                    _ => format!("{title} {}", arg.ty.name().to_uppercase()),
                },
            };
            line.push(' ');
            match arg.required {
                true => line.push_str(&shape),
                false => line.push_str(&format!("[{shape}]")),
            }
        }
        line
    }

    #[cfg(test)]
    /// The argument called `name`, with or without its dashes.
    pub fn arg(&self, name: &str) -> Option<&'static ArgSpec> {
        let name = name.trim_start_matches("--");
        self.args.iter().find(|arg| arg.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_derived_from_the_arguments() {
        const SPEC: Spec = Spec {
            name: "vars set",
            group: Group::Question,
            about: "",
            args: &[
                ArgSpec::positional("name", ArgType::Text, "").required(),
                ArgSpec::positional("more", ArgType::Text, "").rest(),
                ArgSpec::positional("hold", ArgType::Text, "")
                    .rest()
                    .form("for DURATION | forever"),
                ArgSpec::option("format", ArgType::Choice(&["top", "json"]), ""),
                ArgSpec::option("hz", ArgType::Int { min: 1, max: 1000 }, ""),
                ArgSpec::flag("all", ""),
            ],
            level: Level::Control,
            impact: Impact::Changes,
            cost: "",
            examples: &[],
            see_also: "",
        };
        assert_eq!(
            SPEC.usage(),
            "vars set NAME [MORE...] [for DURATION | forever] [--format top|json] [--hz INT] [--all]"
        );
        assert_eq!(SPEC.arg("--all").map(|arg| arg.kind), Some(ArgKind::Flag));
    }
}
