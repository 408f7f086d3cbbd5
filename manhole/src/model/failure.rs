//! Why a command gave no answer: a code for programs, a sentence for people, hints below it.

use std::{fmt, str::FromStr};

/// The codes of PROTOCOL: the second word of an `ERR` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// The line is no line of commands: quotes, control bytes, too many words.
    Syntax,
    /// No such command, variable, profile.
    Unknown,
    /// The command is known, its arguments are not acceptable.
    Usage,
    /// The caller lacks the level, or may not be here at all.
    Denied,
    /// Somebody else is served first; try again.
    Busy,
    /// Not ready in time.
    Timeout,
    /// The client went or asked to stop.
    Cancelled,
    /// Not possible in this process or on this system.
    Unsupported,
    /// Memory could not be had.
    NoMemory,
    /// The reply was cut at its bound.
    Truncated,
    /// Code of the application panicked.
    Panic,
    /// A defect of the console.
    Internal,
    /// Bytes that belong to no dialect, or to another one.
    Protocol,
    /// A line over 16 KiB.
    LineTooLong,
}

impl Code {
    /// Every code.
    pub const ALL: [Code; 14] = [
        Code::Syntax,
        Code::Unknown,
        Code::Usage,
        Code::Denied,
        Code::Busy,
        Code::Timeout,
        Code::Cancelled,
        Code::Unsupported,
        Code::NoMemory,
        Code::Truncated,
        Code::Panic,
        Code::Internal,
        Code::Protocol,
        Code::LineTooLong,
    ];

    /// The code as it stands on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Code::Syntax => "syntax",
            Code::Unknown => "unknown",
            Code::Usage => "usage",
            Code::Denied => "denied",
            Code::Busy => "busy",
            Code::Timeout => "timeout",
            Code::Cancelled => "cancelled",
            Code::Unsupported => "unsupported",
            Code::NoMemory => "no-memory",
            Code::Truncated => "truncated",
            Code::Panic => "panic",
            Code::Internal => "internal",
            Code::Protocol => "protocol",
            Code::LineTooLong => "line-too-long",
        }
    }

    /// The HTTP status that says the same.
    pub const fn http_status(self) -> u16 {
        match self {
            Code::Syntax | Code::Usage | Code::Protocol | Code::LineTooLong => 400,
            Code::Unknown => 404,
            Code::Denied => 403,
            Code::Busy => 503,
            Code::Timeout => 504,
            Code::Unsupported => 501,
            Code::Cancelled | Code::NoMemory | Code::Truncated | Code::Panic | Code::Internal => {
                500
            }
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Code::ALL
            .into_iter()
            .find(|code| code.name() == text)
            .ok_or(())
    }
}

/// A command that failed: `ERR <code> <text>`, then `# ` and each hint where the mode has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// One line, complete alone: what is wrong, with the value; what to do.
    pub text: String,
    /// Further lines, without the `# `.
    pub hints: Vec<String>,
}

impl Failure {
    /// A failure without hints.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            hints: Vec::new(),
        }
    }

    /// The same with one more hint line.
    #[must_use]
    pub fn hint(mut self, line: impl Into<String>) -> Self {
        self.hints.push(line.into());
        self
    }

    /// Memory for `what` could not be had.
    pub fn no_memory(what: &str) -> Self {
        Self::new(
            Code::NoMemory,
            format!("{what}: there is not enough memory left for it in this process"),
        )
    }

    /// The command was cancelled by its client.
    pub fn cancelled() -> Self {
        Self::new(Code::Cancelled, "the client went away or cancelled")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERR {} {}", self.code, self.text)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_parse_back_and_have_a_status() {
        for code in Code::ALL {
            assert_eq!(code.name().parse(), Ok(code));
            assert!((400..600).contains(&code.http_status()));
        }
    }
}
