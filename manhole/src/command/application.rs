//! Runs a command of the application: its code stays on the application's own threads.

use super::{Context, Reply};
use crate::{
    app::commands::{Output, Registered},
    model::{Answer, Args, Block, Cell, Failure},
};

/// Hands the call over, passes on what it says while it runs, and writes what it returned.
pub(crate) fn run(
    command: &Registered,
    ctx: &Context,
    args: &Args,
    reply: &mut Reply<'_>,
) -> Result<(), Failure> {
    todo!()
}
