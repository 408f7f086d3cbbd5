//! For tests of commands: what a person would see of an answer.

use crate::{
    model::Answer,
    render::{Provenance, text},
};

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
