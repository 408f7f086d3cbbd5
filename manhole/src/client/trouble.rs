//! Why the client could not do what it was asked, and the exit code that says so to a script.

use std::{fmt, io};

/// The kinds of trouble; each is an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command failed, or something did on this side.
    Failed,
    /// What was typed makes no sense.
    Usage,
    /// Not allowed.
    Refused,
    /// No such target.
    NoTarget,
    /// Timed out or cancelled.
    TimedOut,
}

impl Kind {
    /// The exit code of the process.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Failed => 1,
            Kind::Usage => 2,
            Kind::Refused => 3,
            Kind::NoTarget => 4,
            Kind::TimedOut => 5,
        }
    }

    /// What a failure that the server sent means for the exit code.
    pub fn of_code(code: crate::model::Code) -> Self {
        use crate::model::Code;
        match code {
            Code::Usage | Code::Syntax | Code::LineTooLong => Kind::Usage,
            Code::Denied => Kind::Refused,
            Code::Timeout | Code::Cancelled => Kind::TimedOut,
            _ => Kind::Failed,
        }
    }
}

/// What went wrong: a sentence, and lines below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What kind.
    pub kind: Kind,
    /// One line without the program's name. It may quote what a process wrote: sanitise it
    /// before it is shown.
    pub text: String,
    /// More lines, shown below it.
    pub details: Vec<String>,
}

impl Trouble {
    /// Trouble without details.
    pub fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            details: Vec::new(),
        }
    }

    /// Something the operating system refused: `<what>: <why>`.
    pub fn io(kind: Kind, what: impl fmt::Display, why: &io::Error) -> Self {
        Self::new(kind, format!("{what}: {}", reason(why)))
    }

    /// The same with one more line.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.details.push(line.into());
        self
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Trouble {}

/// An I/O error in words, without the number that std appends.
pub fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text: String = text.chars().take(end).collect();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_part_of_a_sentence() {
        let error = io::Error::from_raw_os_error(nix::libc::ECONNREFUSED);
        assert_eq!(reason(&error), "connection refused");
        let trouble = Trouble::io(Kind::NoTarget, "failed to connect to /x.sock", &error);
        assert_eq!(
            trouble.to_string(),
            "failed to connect to /x.sock: connection refused"
        );
    }

    #[test]
    fn every_kind_has_its_exit_code() {
        let kinds = [
            Kind::Failed,
            Kind::Usage,
            Kind::Refused,
            Kind::NoTarget,
            Kind::TimedOut,
        ];
        assert_eq!(kinds.map(Kind::exit_code), [1, 2, 3, 4, 5]);
    }
}
