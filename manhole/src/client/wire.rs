//! The bytes of a connection: lines out, events in. What the server sends is bounded by the decoder
//! before it is allocated.

use std::{
    io::{ErrorKind, Read, Write},
    os::fd::AsFd,
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{
    call::CallError,
    connect::Connected,
    trouble::{Kind, Trouble, reason},
};
use crate::{
    model::Code,
    protocol::machine::{Decoder, Event},
};

/// How long one wait for bytes takes at most.
const GLANCE: Duration = Duration::from_millis(100);

/// A checked connection and what arrived on it.
pub(super) struct Wire {
    /// The connection.
    pub(super) connected: Connected,
    decoder: Decoder,
    /// Whether the server ever said anything.
    pub(super) heard: bool,
}

impl Wire {
    /// Nothing was sent yet.
    pub(super) fn new(connected: Connected) -> Self {
        Self {
            connected,
            decoder: Decoder::default(),
            heard: false,
        }
    }

    /// Whether nothing is to be read: between commands a server has nothing to say, so that bytes are
    /// a farewell, and so is the end.
    pub(super) fn is_quiet(&self) -> bool {
        let mut descriptors = [PollFd::new(
            self.connected.stream.as_fd(),
            PollFlags::POLLIN,
        )];
        poll(&mut descriptors, PollTimeout::ZERO) == Ok(0)
    }

    /// Sends a whole line.
    ///
    /// # Errors
    /// When the server is gone or does not read.
    pub(super) fn send(&mut self, line: &str) -> Result<(), CallError> {
        let sent = self.connected.stream.write_all(line.as_bytes());
        sent.map_err(|error| match error.kind() {
            ErrorKind::WouldBlock => lost(Kind::TimedOut, "the server does not read"),
            _ => lost(
                Kind::Failed,
                format!("the connection broke: {}", reason(&error)),
            ),
        })
    }

    /// Why the server closed, if it says so.
    pub(super) fn last_words(&mut self) -> Option<CallError> {
        let heard = std::mem::take(&mut self.heard);
        let result = self.receive();
        let spoke = std::mem::replace(&mut self.heard, heard);
        result.err().filter(|_| spoke)
    }

    /// The next event among the bytes that came.
    ///
    /// # Errors
    /// When they make no sense.
    pub(super) fn next_event(&mut self) -> Result<Option<Event>, CallError> {
        let event = self.decoder.next().transpose();
        event.map_err(|failure| lost(Kind::Failed, failure.text))
    }

    /// Waits for bytes for a moment; whether any came.
    ///
    /// # Errors
    /// When the connection ended, or the server refuses us.
    pub(super) fn receive(&mut self) -> Result<bool, CallError> {
        let mut buffer = [0; 64 << 10];
        let stream = &mut self.connected.stream;
        let read = stream
            .set_read_timeout(Some(GLANCE))
            .and_then(|()| stream.read(&mut buffer));
        match read {
            Ok(0) => Err(lost(Kind::Failed, "the process closed the connection")),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                self.heard = true;
                if !self.decoder.has_partial() {
                    refusal(bytes)?;
                }
                self.decoder.feed(bytes);
                Ok(true)
            }
            Err(error) if is_pause(error.kind()) => Ok(false),
            Err(error) => Err(lost(
                Kind::Failed,
                format!("the connection broke: {}", reason(&error)),
            )),
        }
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

/// A connection that is of no use any more.
pub(super) fn lost(kind: Kind, text: impl Into<String>) -> CallError {
    CallError::Lost(Trouble::new(kind, text))
}

/// Whoever may not come in, or has to make room, is told so in a line of text, whatever it speaks:
/// `ERR denied ...`.
fn refusal(message: &[u8]) -> Result<(), CallError> {
    let Some(rest) = message.strip_prefix(b"ERR ") else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(rest);
    let line = text.lines().next().unwrap_or_default();
    let (code, message) = line.split_once(' ').unwrap_or((line, ""));
    let kind = Kind::of_code(code.parse().unwrap_or(Code::Protocol));
    Err(lost(kind, message))
}
