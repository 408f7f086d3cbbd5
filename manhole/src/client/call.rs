//! A call in plain types: what arrives, how long one waits, why there was no answer.

use std::time::Duration;

use super::trouble::{Kind, Trouble};
use crate::model::Failure;

/// A piece of a reply.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// How far the command is.
    Progress {
        /// How much is done.
        done: f64,
        /// Of how much, if known.
        total: Option<f64>,
        /// The unit of both.
        unit: &'a str,
    },
    /// A part of its output; parts of one name and media type belong together.
    Data {
        /// Media type.
        media: &'a str,
        /// A file name as the server has it: reduce it before use.
        name: Option<&'a str>,
        /// Lines to be shown as they come.
        stream: bool,
        /// The bytes.
        bytes: &'a [u8],
    },
}

/// Why a call brought no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The server said so; the connection can be used again.
    Failed(Failure),
    /// The connection is of no use any more.
    Lost(Trouble),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Lost(trouble) => trouble,
            CallError::Failed(failure) => {
                let mut trouble = Trouble::new(Kind::of_code(failure.code), failure.text);
                trouble.details = failure.hints;
                trouble
            }
        }
    }
}

/// How long to wait, and when to stop.
#[derive(Clone, Copy)]
pub struct Patience<'a> {
    /// The whole call may take this long.
    pub total: Duration,
    /// Asked ten times a second; when it says so the command is cancelled.
    pub stop: &'a dyn Fn() -> bool,
}

impl Patience<'_> {
    /// Waits this long, and cannot be stopped.
    pub const fn of(total: Duration) -> Self {
        Self {
            total,
            stop: &|| false,
        }
    }
}
