//! Every built-in command, one line each; `help` and the HTTP index keep this order.

use super::{Command, Endpoint};

/// The table.
pub(crate) static BUILT_IN: &[&Command] = &[
    &super::triage::COMMAND,
    &super::stacks::COMMAND,
    &super::threads::COMMAND,
    &super::profiles::CPU,
    &super::profiles::WALL,
    &super::profiles::BLOCK,
    &super::profiles::MUTEX,
    &super::heap::LIVE,
    &super::heap::LEAKS,
    &super::heap::DIFF,
    &super::heap::ALLOCS,
    &super::heap::PEAK,
    &super::heap::save::COMMAND,
    &super::heap::sampling::COMMAND,
    &super::memory::COMMAND,
    &super::fds::COMMAND,
    &super::vars::COMMAND,
    &super::vars::get::COMMAND,
    &super::vars::set::COMMAND,
    &super::vars::watch::COMMAND,
    &super::gc::stats::COMMAND,
    &super::gc::run::COMMAND,
    &super::limits::COMMAND,
    &super::cgroup::COMMAND,
    &super::maps::COMMAND,
    &super::env::COMMAND,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::commands::RESERVED;

    #[test]
    fn an_application_cannot_take_the_first_word_of_a_command() {
        for command in BUILT_IN {
            let first = command.spec.name.split(' ').next().unwrap();
            let remedy = "add its first word to RESERVED in app/commands/reserved.rs";
            assert!(RESERVED.contains(&first), "{first}: {remedy}");
        }
    }
}
