//! The command table, and one file per command: its data, its function, its tests.
//!
//! A command gets a [`Context`] and either returns an [`Answer`] or writes to a [`Reply`]; it never
//! sees a connection. Its [`Spec`] is the only place that states its name, arguments, level and
//! impact. To add one: a file here, `mod x;` below, one line in `table.rs`.

mod application;
mod audit;
mod audit_log;
mod audit_ring;
mod cancel;
mod cgroup;
mod commands;
mod context;
mod dispatch;
mod env;
mod fds;
mod gc;
mod heap;
mod help;
mod info;
mod kernel;
mod limits;
mod maps;
mod memory;
mod pace;
mod profiles;
mod query;
mod quit;
mod reply;
mod stacks;
mod state;
mod suggest;
mod table;
mod threads;
mod triage;
mod vars;
mod version;
mod workers;

pub use audit_log::Record;
pub(crate) use audit_log::{AuditLog, Entry, Listener, Nobody};
pub(crate) use cancel::Cancel;
pub(crate) use context::Context;
pub(crate) use dispatch::{Call, admit, execute, masked, refuse_level, resolve_spec, serve, specs};
pub(crate) use kernel::KernelCalls;
pub(crate) use profiles::serve_custom;
pub(crate) use query::{Query, decode};
pub(crate) use quit::NAME as QUIT;
pub(crate) use reply::{Event, Reply, Sink, Style};
pub(crate) use state::{Access, State};
pub(crate) use table::{BUILT_IN, endpoints};
pub(crate) use workers::Workers;

use crate::model::{Answer, Args, Failure, Level, Spec};
pub(crate) use crate::render::words::{plural, sentence};

#[cfg(test)]
mod memory_tests;
#[cfg(test)]
mod testing;

/// A built-in command: its data and its function.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    /// What it is.
    pub spec: Spec,
    /// Whether its verdict is a line of `triage`.
    pub triage: bool,
    /// The HTTP paths it serves beside `/cmd/<name>`.
    pub endpoints: &'static [Endpoint],
    /// What it does.
    pub run: Run,
}

/// What a command does, in one of four shapes.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Finds something out and returns it; nearly every command.
    Answer(fn(&Context, &Args) -> Result<Answer, Failure>),
    /// The same, but the kernel may not answer it while a thread of the host is stuck with the lock of
    /// the memory map.
    Kernel(fn(&Context, &Args) -> Result<Answer, Failure>),
    /// The same, and it writes files where an argument asks for one.
    Both(
        fn(&Context, &Args) -> Result<Answer, Failure>,
        fn(&Context, &Args, &mut Reply<'_>) -> Result<(), Failure>,
    ),
    /// Writes as it goes: long ones, tails, files.
    Stream(fn(&Context, &Args, &mut Reply<'_>) -> Result<(), Failure>),
}

/// An HTTP path that serves what a command knows in the shape that another tool expects.
#[derive(Clone, Copy)]
pub(crate) struct Endpoint {
    /// The path, exactly.
    pub path: &'static str,
    /// Who may read it.
    pub level: Level,
    /// A few words for the index.
    pub about: &'static str,
    /// Writes the body: `Reply::bytes` with the media type, or `Reply::answer`.
    pub run: fn(&Context, &Query, &mut Reply<'_>) -> Result<(), Failure>,
}

/// A word from outside as an error may repeat it: escaped and of bounded length.
pub(crate) fn shown(word: &str) -> String {
    let escaped = crate::render::escape::line(word);
    match escaped.char_indices().nth(60) {
        Some((at, _)) => format!("{}…", escaped.get(..at).unwrap_or("")),
        None => escaped.into_owned(),
    }
}
