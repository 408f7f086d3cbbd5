//! One look at all threads, as deep as its caller needs.

use super::Context;
use crate::{
    model::{Failure, stack::Dump},
    names::{self, Wanted},
    probe::stacks::{self, History, Options},
};

/// What a look at stacks has to know of this console.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The signal that asks threads for their stacks.
    pub signal: i32,
    /// Crates that the service called its own.
    pub app_crates: Vec<String>,
    /// The last look, for "unchanged since".
    pub history: History,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            signal: nix::libc::SIGURG,
            app_crates: Vec::new(),
            history: History::default(),
        }
    }
}

/// How much a look is to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::command) enum Depth {
    /// What /proc knows; nobody is interrupted.
    Kernel,
    /// Stacks with the names that symbol tables have.
    Symbols,
    /// The same with lines and inlined functions, where they take little.
    Cheap,
    /// The same, whatever they take.
    Lines,
}

/// Looks at all threads.
///
/// # Errors
/// As [`stacks::take`].
pub(in crate::command) fn look(ctx: &Context, depth: Depth) -> Result<Dump, Failure> {
    let setting = &ctx.state.stacks;
    let options = Options {
        signal: setting.signal,
        ask: depth != Depth::Kernel,
        only: None,
        app_crates: setting.app_crates.clone(),
    };
    let keep_going = || ctx.check().is_ok();
    let mut dump = stacks::take(&options, &setting.history, &keep_going)?;
    let wanted = match depth {
        Depth::Kernel => return Ok(dump),
        Depth::Symbols => Wanted::Symbols,
        Depth::Cheap => Wanted::Affordable,
        Depth::Lines => Wanted::Lines,
    };
    names::name(&mut dump, &names::OnDisk, wanted, &keep_going);
    ctx.check()?;
    Ok(dump)
}
