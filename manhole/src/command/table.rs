//! Every built-in command, one line each; `help` and the HTTP index keep this order.

use super::{Command, Endpoint};

/// The table.
pub(crate) static BUILT_IN: &[&Command] = &[
    &super::triage::COMMAND,
    &super::threads::COMMAND,
    &super::memory::COMMAND,
    &super::fds::COMMAND,
    &super::help::COMMAND,
    &super::commands::COMMAND,
    &super::version::COMMAND,
    &super::info::COMMAND,
    &super::audit::COMMAND,
    &super::quit::COMMAND,
];

/// Every HTTP path of the table.
pub(crate) fn endpoints() -> impl Iterator<Item = &'static Endpoint> {
    BUILT_IN.iter().flat_map(|command| command.endpoints)
}
