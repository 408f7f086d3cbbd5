//! What a function's name says, found out once for all the stacks that it stands in.

use super::{
    ends::{self, Start},
    frames::Name,
    hidden, lines,
    roles::{self, RoleKind},
    waits::{self, WaitKind},
};

/// What a function's name says.
#[derive(Debug, PartialEq, Default)]
pub(super) struct Rules {
    /// Its thread has this role.
    pub role: Option<RoleKind>,
    /// It hands the thread's place as a worker on.
    pub gives_up: bool,
    /// It polls a task of tokio.
    pub polls: bool,
    /// It waits for this, if its thread is blocked below it.
    pub waits_for: Option<WaitKind>,
    /// It may be part of waiting for something.
    pub may_wait: bool,
    /// It runs what others wrote: what stands behind it does not wait.
    pub runs_others: bool,
    /// If its thread is blocked, the words for that say all that it would.
    pub serves_wait: bool,
    /// It belongs to the start of a thread.
    pub start: Option<Start>,
    /// It runs what it is given: where that is inlined, this is said.
    pub caller: Option<&'static str>,
    /// It is of a crate that nothing of the application is inlined into.
    pub others: bool,
    /// It is only how the language calls another function.
    pub plumbing: bool,
}

impl Rules {
    /// What the name says.
    pub(super) fn of(name: &Name) -> Self {
        Self {
            role: roles::of_name(name),
            gives_up: roles::gives_up(name),
            polls: name.is_in("tokio", "::task::"),
            waits_for: waits::of_name(name),
            may_wait: waits::may_wait(name),
            runs_others: waits::runs_others(name),
            serves_wait: ends::serves_wait(name),
            start: ends::start(name),
            caller: hidden::caller(name),
            others: hidden::is_others(name),
            plumbing: lines::is_plumbing(name),
        }
    }
}
