//! The text dialect's lines: what may stand on one, and what must not.

use super::buffer::{Buffer, Line};
use super::{LINE_MAX, words};
use crate::model::{Code, Failure};

/// How a text connection is answered; fixed by its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Hash)]
pub enum Mode {
    /// Raw replies; closes when no complete line is left.
    #[default]
    Batch,
    /// Banner and prompt for a person; stays open.
    Prompt,
    /// Counted replies for a script; stays open.
    Keep,
}

impl Mode {
    /// The mode that the first line asks for. In batch mode it is itself a line of commands.
    pub fn of_first_line(line: &str) -> Mode {
        if line.is_empty() {
            return Mode::Prompt;
        }
        let commands = words::parse_line(line).unwrap_or_default();
        let [command] = commands.as_slice() else {
            return Mode::Batch;
        };
        match command.as_slice() {
            [mode, kind] if mode == "mode" && kind == "prompt" => Mode::Prompt,
            [mode, kind] if mode == "mode" && kind == "keep" => Mode::Keep,
            _ => Mode::Batch,
        }
    }
}

/// What a text connection sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEvent {
    /// A line without its LF or CR LF: UTF-8 without control characters but TAB.
    Line(String),
    /// A line over 16 KiB; its end is dropped, the next line is read.
    TooLong,
    /// A line that holds what no line may hold; the next line is read.
    Bad(Failure),
    /// A line of HTTP: a browser or proxy was tricked into talking to us. Whatever follows is
    /// dropped; close without running anything more.
    Smuggled,
}

impl LineEvent {
    /// What to answer to all but a [`LineEvent::Line`].
    pub fn failure(&self) -> Option<Failure> {
        match self {
            LineEvent::Line(_) => None,
            LineEvent::TooLong => Some(Failure::new(
                Code::LineTooLong,
                format!("a line has at most {LINE_MAX} bytes"),
            )),
            LineEvent::Bad(failure) => Some(failure.clone()),
            LineEvent::Smuggled => Some(Failure::new(
                Code::Protocol,
                "this is HTTP on a text connection",
            )),
        }
    }
}

/// Splits what a text client sends into lines.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Buffer,
    smuggled: bool,
}

impl Lines {
    /// Adds what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.smuggled {
            self.buffer.feed(bytes);
        }
    }

    /// Whether one more line that asks for something, and is not just empty or a comment, has arrived
    /// already.
    pub fn has_request(&self) -> bool {
        let nothing = |byte: &&u8| matches!(byte, b' ' | b'\t' | b';' | b'\r' | b'\n');
        let first = |line: &[u8]| line.iter().find(|byte| !nothing(byte)).copied();
        self.buffer
            .lines()
            .any(|line| !matches!(first(line), None | Some(b'#')))
    }

    /// Whether a line began that has not ended; meaningful once there is no event left.
    pub fn has_partial(&self) -> bool {
        self.buffer.has_partial()
    }
}

impl Iterator for Lines {
    type Item = LineEvent;

    fn next(&mut self) -> Option<LineEvent> {
        let event = match self.buffer.take_line(LINE_MAX)? {
            Line::Whole(line) | Line::Overlong(line) if is_http(line) => LineEvent::Smuggled,
            Line::Overlong(_) => LineEvent::TooLong,
            Line::Whole(line) => check_line(line),
        };
        if event == LineEvent::Smuggled {
            self.smuggled = true;
            self.buffer = Buffer::default();
        }
        Some(event)
    }
}

fn check_line(line: &[u8]) -> LineEvent {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            let valid = line.get(..error.valid_up_to()).unwrap_or_default();
            let column = String::from_utf8_lossy(valid).chars().count() + 1;
            return bad(format!("column {column}: this is not UTF-8"));
        }
    };
    let control = |c: char| c.is_control() && c != '\t';
    match text.chars().enumerate().find(|(_, c)| control(*c)) {
        None => LineEvent::Line(text.to_owned()),
        Some((before, c)) => bad(format!(
            "column {}: control character U+{:04X}",
            before + 1,
            u32::from(c)
        )),
    }
}

fn bad(text: String) -> LineEvent {
    LineEvent::Bad(Failure::new(Code::Syntax, text))
}

/// Whether `line` can be a request line or a header field. Neither can be a line of commands: those
/// begin with a lower-case word, in which there is no colon.
fn is_http(line: &[u8]) -> bool {
    is_request_line(line) || is_header(line)
}

fn is_request_line(line: &[u8]) -> bool {
    let method = line.iter().take_while(|byte| byte.is_ascii_uppercase());
    let length = method.count();
    match line.get(length..).and_then(|rest| rest.strip_prefix(b" ")) {
        Some(target) if (3..=8).contains(&length) => {
            target.starts_with(b"/") || target.windows(6).any(|bytes| bytes == b" HTTP/")
        }
        _ => false,
    }
}

fn is_header(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    name.len() < line.len()
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of `input` in pieces of each size, the first of them shown.
    fn events(input: &[u8]) -> Vec<LineEvent> {
        let in_pieces = |size: usize| {
            let mut lines = Lines::default();
            let mut events = Vec::new();
            for piece in input.chunks(size) {
                lines.feed(piece);
                events.extend(lines.by_ref());
            }
            events
        };
        let bytewise = in_pieces(1);
        for size in [2, 3, 7, 4096, input.len().max(1)] {
            assert_eq!(in_pieces(size), bytewise, "in pieces of {size}");
        }
        bytewise
    }

    fn line(text: &str) -> LineEvent {
        LineEvent::Line(text.to_owned())
    }

    fn check(input: impl AsRef<[u8]>, expected: &[LineEvent]) {
        assert_eq!(events(input.as_ref()), expected);
    }

    #[test]
    fn lines_end_with_lf_or_cr_lf_and_partial_ones_wait() {
        check(
            "triage\nvars\tget \u{e9}\r\n\n\r\npart",
            &[line("triage"), line("vars\tget \u{e9}"), line(""), line("")],
        );
        let mut lines = Lines::default();
        assert!(!lines.has_partial());
        lines.feed(b"triage");
        assert_eq!((lines.next(), lines.has_partial()), (None, true));
        lines.feed(b"\n");
        assert_eq!(lines.next(), Some(line("triage")));
        assert!(!lines.has_partial());
    }

    #[test]
    fn what_asks_for_nothing_is_no_request() {
        let check = |input: &str, expected: bool| {
            let mut lines = Lines::default();
            lines.feed(format!("first\n{input}").as_bytes());
            assert_eq!(lines.next(), Some(line("first")));
            assert_eq!(lines.has_request(), expected, "{input:?}");
        };
        check("", false);
        check("\n\r\n \t\n;; ;\n# vars\n ;# vars\n", false);
        check("vars", false);
        check("\nvars\n", true);
        check("# x\n;vars\n", true);
        check("\u{1b}\n", true);
    }

    #[test]
    fn a_line_of_16_kib_is_read_and_one_more_byte_refused() {
        let longest = "x".repeat(LINE_MAX - 1);
        check(format!("{longest}\nok\n"), &[line(&longest), line("ok")]);
        check(
            format!("{longest}x\nok\n"),
            &[LineEvent::TooLong, line("ok")],
        );
        check(format!("{longest}x"), &[LineEvent::TooLong]);
    }

    #[test]
    fn a_line_of_a_gibibyte_takes_no_memory() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 64 * 1024];
        let mut events = Vec::new();
        for _ in 0..(1 << 30) / piece.len() {
            lines.feed(&piece);
            events.extend(lines.by_ref());
        }
        assert!(lines.has_partial());
        lines.feed(b"\nok\n");
        events.extend(lines.by_ref());
        assert_eq!(events, [LineEvent::TooLong, line("ok")]);
    }

    #[test]
    fn what_no_line_may_hold_is_named_with_its_column() {
        let check = |input: &[u8], expected: &str| {
            let found: Vec<_> = events(input).iter().map(LineEvent::failure).collect();
            let failure = Failure::new(Code::Syntax, expected);
            assert_eq!(found, [Some(failure), None]);
        };
        check(b"a\x1b[2J\nok\n", "column 2: control character U+001B");
        check(b"\0\nok\n", "column 1: control character U+0000");
        check(b"a\rb\nok\n", "column 2: control character U+000D");
        check(b"\x7f\nok\n", "column 1: control character U+007F");
        check(
            "\u{e9}\u{9b}\nok\n".as_bytes(),
            "column 2: control character U+009B",
        );
        check(b"\xc3\xa9\xff\nok\n", "column 2: this is not UTF-8");
        check(b"vars \xe2\x82\nok\n", "column 6: this is not UTF-8");
    }

    #[test]
    fn http_on_a_text_connection_ends_it() {
        for smuggled in [
            "GET /",
            "GET / HTTP/1.1",
            "CONNECT host:443 HTTP/1.1",
            "OPTIONS * HTTP/1.0",
            "Host:",
            "host: localhost",
            "X-Forwarded-For: \u{1}",
        ] {
            let expected = [line("version"), LineEvent::Smuggled];
            check(format!("version\n{smuggled}\r\nversion\n"), &expected);
        }
        let long = format!("GET /{}\nversion\n", "x".repeat(LINE_MAX));
        check(long, &[LineEvent::Smuggled]);
    }

    #[test]
    fn what_only_resembles_http_is_a_line() {
        for text in [
            "HELP me",
            "GE /",
            "get /x HTTP/1.1",
            "vars get a:b",
            "# note: see below",
            ": x",
            "\"a\":",
        ] {
            check(format!("{text}\n"), &[line(text)]);
        }
    }

    #[test]
    fn the_first_line_may_ask_for_a_mode() {
        let check = |first: &str, mode| assert_eq!(Mode::of_first_line(first), mode, "{first}");
        check("", Mode::Prompt);
        check("mode prompt", Mode::Prompt);
        check(" mode\tkeep ; # counted", Mode::Keep);
        for commands in [
            "mode",
            "mode batch",
            "mode keep; triage",
            " ",
            "# x",
            "'",
            "triage",
        ] {
            check(commands, Mode::Batch);
        }
    }
}
