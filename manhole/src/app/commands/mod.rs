//! Commands of your own: declared with [`command`], run on threads `manhole-app`.
//!
//! The first word of a name must not be one of the console's; arguments are typed and bounded, so
//! your code sees only values that fit; whatever is [`IntoReply`] is an answer.

mod arg;
mod args;
mod builder;
mod context;
mod reply;
mod reserved;
mod run;
mod table;

pub use arg::Arg;
pub use args::Args;
pub use builder::{Builder, command};
pub use context::Context;
pub use reply::{IntoReply, Reply};
#[cfg(test)]
pub(crate) use reserved::RESERVED;
pub(crate) use run::{Said, Who, failure};
pub use table::{Cell, Table};

use super::threads::{self, Gate};
use crate::{
    error::{Error, ErrorKind},
    model::Spec,
    sys::list::List,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// How many commands an application may add.
const MOST: usize = 256;

// The command layer looks a command up with `all`, parses its arguments by its `Spec`, starts it and
// passes on what it says until it ends; nothing here knows of connections.

type Handler = dyn Fn(&Context, &Args) -> Result<Reply, String> + Send + Sync;

struct Entry {
    spec: Spec,
    handler: Box<Handler>,
    gate: Arc<Gate>,
    live: AtomicBool,
}

static COMMANDS: List<Entry> = List::new();

/// A command that the application added; it stays for the life of the process.
#[derive(Clone, Copy)]
pub(crate) struct Registered(&'static Entry);

impl Registered {
    /// What it is.
    pub(crate) fn spec(&self) -> &'static Spec {
        &self.0.spec
    }
}

/// The application's commands, in the order in which they were added.
pub(crate) fn all() -> Vec<Registered> {
    let live = COMMANDS
        .iter()
        .filter(|entry| entry.live.load(Ordering::Acquire));
    let mut all: Vec<Registered> = live.map(Registered).collect();
    all.reverse();
    all
}

fn add(spec: Spec, handler: Box<Handler>) -> Result<(), Error> {
    let taken = || {
        let text = format!("failed to add command {:?}: the name is taken", spec.name);
        Error::new(ErrorKind::Taken, text)
    };
    let same = |entry: &Entry| entry.spec.name == spec.name && entry.live.load(Ordering::Acquire);
    if reserved::is_reserved(spec.name) || COMMANDS.iter().any(same) {
        return Err(taken());
    }
    if COMMANDS.iter().count() >= MOST {
        let text = format!(
            "failed to add command {:?}: there are {MOST} already",
            spec.name
        );
        return Err(Error::new(ErrorKind::Resources, text));
    }
    let entry = COMMANDS.push(Entry {
        spec,
        handler,
        gate: Arc::default(),
        live: AtomicBool::new(true),
    });
    // Of two threads that add the same name at the same time, the older entry wins.
    let older = COMMANDS
        .iter()
        .skip_while(|other| !std::ptr::eq(*other, entry))
        .skip(1);
    if older.into_iter().any(same) {
        entry.live.store(false, Ordering::Release);
        return Err(taken());
    }
    threads::want();
    Ok(())
}

#[cfg(test)]
mod tests;
