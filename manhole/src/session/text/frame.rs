//! How events look on the wire in each mode of the text dialect. Pure.

use crate::{
    command::Event,
    model::Failure,
    protocol::{keep, text::Mode},
    render::escape,
};
use std::time::Duration;

/// Frames for one mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    mode: Mode,
}

impl Frame {
    pub(super) fn new(mode: Mode) -> Self {
        Self { mode }
    }

    /// An event that is not the end.
    pub(super) fn event(self, event: Event) -> Vec<u8> {
        match (event, self.mode) {
            (Event::Text { chunk, .. } | Event::Bytes { chunk, .. }, Mode::Keep) => {
                keep::data(&chunk)
            }
            (Event::Text { chunk, .. } | Event::Bytes { chunk, .. }, _) => chunk,
            (Event::Progress { done, total, unit }, Mode::Keep) => {
                keep::wait(&format!("{done:.1} of {total:.1} {unit}"))
            }
            _ => Vec::new(),
        }
    }

    /// A sign of life of a command that has run for `elapsed`; only keep mode has one.
    pub(super) fn working(self, elapsed: Duration) -> Vec<u8> {
        match self.mode {
            Mode::Keep => keep::wait(&format!("{} s", elapsed.as_secs())),
            Mode::Batch | Mode::Prompt => Vec::new(),
        }
    }

    /// The end of a reply.
    pub(super) fn end(self, result: &Result<(), Failure>) -> Vec<u8> {
        match (result, self.mode) {
            (Err(failure), _) => self.failure(failure),
            (Ok(()), Mode::Keep) => keep::end(&Ok(())),
            (Ok(()), _) => Vec::new(),
        }
    }

    /// An error: its line, and below it the hints where the mode has them.
    pub(super) fn failure(self, failure: &Failure) -> Vec<u8> {
        let line = escape::one_line(&failure.text);
        if self.mode == Mode::Keep {
            return keep::end(&Err(Failure::new(failure.code, line)));
        }
        let mut text = format!("ERR {} {line}\n", failure.code);
        for hint in &failure.hints {
            text.push_str(&format!("# {}\n", escape::one_line(hint)));
        }
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    fn check(mode: Mode, result: Result<(), Failure>, expected: &str) {
        let bytes = Frame::new(mode).end(&result);
        assert_eq!(String::from_utf8(bytes).unwrap(), expected, "{mode:?}");
    }

    #[test]
    fn ends_and_errors_by_mode() {
        let failure = Failure::new(Code::Usage, "cpu: no\nOK\x1b").hint("usage: cpu [N]");
        check(Mode::Batch, Ok(()), "");
        check(Mode::Keep, Ok(()), "OK\n");
        let expected = "ERR usage cpu: no\\x0aOK\\x1b\n# usage: cpu [N]\n";
        check(Mode::Batch, Err(failure.clone()), expected);
        check(Mode::Prompt, Err(failure.clone()), expected);
        check(Mode::Keep, Err(failure), "ERR usage cpu: no\\x0aOK\\x1b\n");
    }

    #[test]
    fn keep_mode_counts() {
        let event = Event::Text {
            chunk: b"a\nb\n".to_vec(),
            stream: false,
        };
        assert_eq!(Frame::new(Mode::Keep).event(event), b"DATA 4\na\nb\n");
        let event = Event::Progress {
            done: 1.0,
            total: 5.0,
            unit: "s",
        };
        assert_eq!(Frame::new(Mode::Keep).event(event), b"WAIT 1.0 of 5.0 s\n");
        let working = |mode| Frame::new(mode).working(Duration::from_millis(2100));
        assert_eq!(working(Mode::Keep), b"WAIT 2 s\n");
        assert_eq!(working(Mode::Prompt), b"");
    }
}
