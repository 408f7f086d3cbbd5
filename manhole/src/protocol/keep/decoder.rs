//! A script's side of keep mode, for tests and fuzzing: from bytes back to frames.

use super::{
    super::{
        CHUNK_MAX, REPLY_LINE_MAX,
        buffer::{Buffer, Line},
    },
    one_line,
};
use crate::model::{Code, Failure};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A piece of the reply.
    Data(Vec<u8>),
    /// The command still works.
    Wait(String),
    /// The reply is complete.
    End(Result<(), Failure>),
}

/// Splits what a server sends in keep mode into frames.
///
/// The first error ends it: it is returned once, and whatever follows is dropped.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Buffer,
    /// Length of the payload still to come.
    announced: Option<usize>,
    failed: bool,
}

impl Decoder {
    /// Adds what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buffer.feed(bytes);
        }
    }

    fn step(&mut self) -> Result<Option<Frame>, Failure> {
        if self.announced.is_none() {
            let line = match self.buffer.take_line(REPLY_LINE_MAX) {
                None => return Ok(None),
                Some(Line::Whole(line)) => String::from_utf8_lossy(line),
                Some(Line::Overlong(_)) => return Err(no_frame("a line without end")),
            };
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("DATA", count) => self.announced = Some(parse_count(count)?),
                ("WAIT", text) => return Ok(Some(Frame::Wait(text.to_owned()))),
                ("OK", "") => return Ok(Some(Frame::End(Ok(())))),
                ("ERR", rest) => return Ok(Some(Frame::End(Err(parse_failure(rest)?)))),
                _ => return Err(no_frame(&line)),
            }
        }
        Ok(self.take_payload())
    }

    fn take_payload(&mut self) -> Option<Frame> {
        let payload = self.buffer.take(self.announced?)?.to_vec();
        self.announced = None;
        Some(Frame::Data(payload))
    }
}

impl Iterator for Decoder {
    type Item = Result<Frame, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let frame = self.step().transpose();
        if matches!(frame, Some(Err(_))) {
            *self = Decoder {
                failed: true,
                ..Decoder::default()
            };
        }
        frame
    }
}

fn parse_count(count: &str) -> Result<usize, Failure> {
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    let count: Option<usize> = count.parse().ok().filter(|_| digits);
    count
        .filter(|count| *count <= CHUNK_MAX)
        .ok_or_else(|| no_frame("DATA without an acceptable count"))
}

fn parse_failure(rest: &str) -> Result<Failure, Failure> {
    let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
    match code.parse() {
        Ok(code) => Ok(Failure::new(code, text)),
        Err(()) => Err(no_frame("ERR with an unknown code")),
    }
}

fn no_frame(what: &str) -> Failure {
    let text = format!("the server sent no frame of keep mode: {}", one_line(what));
    Failure::new(Code::Protocol, text)
}
