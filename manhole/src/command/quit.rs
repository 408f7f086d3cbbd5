//! `quit`: ends the conversation. The conversations act on its name; here is only its data.

use super::{Command, Run};
use crate::model::{Answer, Group, Impact, Level, Spec};

/// The command's name, which conversations look for.
pub(crate) const NAME: &str = "quit";

pub(super) static COMMAND: Command = Command {
    spec: Spec {
        name: NAME,
        group: Group::Console,
        about: "ends the conversation; also exit, q",
        args: &[],
        level: Level::View,
        impact: Impact::Reads,
        cost: "nothing",
        examples: &[],
        see_also: "",
    },
    triage: false,
    endpoints: &[],
    run: Run::Answer(|_, _| Ok(Answer::short())),
};
