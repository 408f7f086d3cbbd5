//! Telling the user what went wrong, and with which exit code.

use std::process::ExitCode;

use manhole::client::{Kind, Trouble};

use crate::{plain::escape, terminal::Terminal};

/// How the program ends: well, with trouble that was told already, or with trouble yet to be told.
pub(crate) type Outcome = Result<Option<Kind>, Trouble>;

/// Tells what there is to tell, and gives the exit code.
pub(crate) fn finish(outcome: Outcome, terminal: &Terminal) -> ExitCode {
    let kind = match outcome {
        Ok(kind) => kind,
        Err(trouble) => {
            eprintln!("{}", describe(&trouble, terminal));
            Some(trouble.kind)
        }
    };
    ExitCode::from(kind.map_or(0, Kind::exit_code))
}

/// `manhole-cli: <what>`, and the details below it. It may quote what a target said.
pub(crate) fn describe(trouble: &Trouble, terminal: &Terminal) -> String {
    let clean = |line: &str| match terminal.sanitise {
        false => line.to_owned(),
        true => escape(line).into_owned(),
    };
    let mut text = format!("manhole-cli: {}", clean(&trouble.text));
    for detail in &trouble.details {
        text.push_str("\n  ");
        text.push_str(&clean(detail));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_with_its_details_and_without_control_characters() {
        let trouble = Trouble::new(Kind::Refused, "refused by x\x1b[1m").detail("who may  root");
        let terminal = Terminal::pager();
        assert_eq!(
            describe(&trouble, &terminal),
            "manhole-cli: refused by x\\x1b[1m\n  who may  root"
        );
    }
}
