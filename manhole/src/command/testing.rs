//! For tests of commands: who asks, and what a person would see of the answer.

use super::{Access, Context, Nobody, State};
use crate::{
    model::{Answer, Caller, Level},
    render::{Provenance, text},
};
use std::sync::Arc;

/// A caller of `level`, of a process that nobody else asks.
pub(super) fn context(level: Level) -> Context {
    let state = State::new("demo".to_owned(), None, Access::default(), Box::new(Nobody));
    let caller = Caller {
        uid: 7,
        gid: 7,
        pid: 1,
        level,
        connection: 1,
    };
    Context::new(caller, Arc::new(state))
}

/// The lines of `answer` as `command` of a process `checkout[4711]` gives it at a prompt.
pub(super) fn lines(command: &str, answer: &Answer) -> Vec<String> {
    let provenance = Provenance {
        command: command.to_owned(),
        name: "checkout".to_owned(),
        pid: 4711,
        host: "web-17".to_owned(),
        time_unix_ns: 0,
        elapsed_ns: 0,
    };
    let text = text::render(answer, &provenance, text::TextStyle { next: true });
    text.lines().map(str::to_owned).collect()
}
