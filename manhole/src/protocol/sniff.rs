//! Which dialect a connection speaks, decided once by its first bytes.
//!
//! The sniffer only looks: the driver keeps what it read and replays it to the dialect's own parser.

use crate::model::{Code, Failure};

/// Longest HTTP request line, its CR LF included.
pub const REQUEST_LINE_MAX: usize = 8 * 1024;

/// What is known so far. All but [`Sniff::Need`] is final.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Sniff {
    /// Not enough bytes yet.
    #[default]
    Need,
    /// Lines for people and scripts.
    Text,
    /// JSON lines.
    Machine,
    /// A complete HTTP/1.x request line came first.
    Http,
    /// It is HTTP, and its request line is not acceptable: to be answered in HTTP, with the status
    /// of the failure's code.
    BadRequest(Failure),
    /// No dialect: `ERR`, and close.
    Refuse(Failure),
}

/// Reads the first bytes of a connection; constant in memory.
#[derive(Debug, Default)]
pub struct Sniffer {
    state: State,
    seen: usize,
    decided: Sniff,
}

/// Where in `METHOD SP target SP HTTP/1.x CR LF` the next byte belongs.
#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    First,
    Method {
        length: usize,
    },
    Target {
        empty: bool,
    },
    Version {
        matched: usize,
    },
}

const VERSION: &[u8] = b"HTTP/1.";

impl Sniffer {
    /// Looks at the bytes that arrived since the last call.
    pub fn feed(&mut self, bytes: &[u8]) -> Sniff {
        for byte in bytes {
            if self.decided != Sniff::Need {
                break;
            }
            self.decided = self.step(*byte);
        }
        self.decided.clone()
    }

    fn step(&mut self, byte: u8) -> Sniff {
        self.seen += 1;
        let verdict = match self.state {
            State::First => self.first(byte),
            State::Method { length } => self.method(length, byte),
            State::Target { empty } => self.target(empty, byte),
            State::Version { matched } => self.version(matched, byte),
        };
        if verdict == Sniff::Need && self.seen == REQUEST_LINE_MAX {
            let text = format!("a request line has at most {REQUEST_LINE_MAX} bytes");
            return Sniff::BadRequest(Failure::new(Code::LineTooLong, text));
        }
        verdict
    }

    fn go(&mut self, state: State) -> Sniff {
        self.state = state;
        Sniff::Need
    }

    fn first(&mut self, byte: u8) -> Sniff {
        match byte {
            b'{' => Sniff::Machine,
            b'a'..=b'z' | b'#' | b';' | b'?' | b'"' | b'\t' | b' ' | b'\r' | b'\n' => Sniff::Text,
            b'A'..=b'Z' => self.go(State::Method { length: 1 }),
            _ => refuse(format!(
                "nothing here begins with byte 0x{byte:02x}: send a command, JSON or HTTP"
            )),
        }
    }

    fn method(&mut self, length: usize, byte: u8) -> Sniff {
        match byte {
            b'A'..=b'Z' if length < 8 => self.go(State::Method { length: length + 1 }),
            b' ' if length >= 3 => self.go(State::Target { empty: true }),
            _ => no_request_line(),
        }
    }

    fn target(&mut self, empty: bool, byte: u8) -> Sniff {
        match byte {
            b' ' if !empty => self.go(State::Version { matched: 0 }),
            b'\t'..=b'\r' | b' ' => no_request_line(),
            _ => self.go(State::Target { empty: false }),
        }
    }

    fn version(&mut self, matched: usize, byte: u8) -> Sniff {
        const MINOR: usize = VERSION.len();
        const CR: usize = MINOR + 1;
        let fits = match matched {
            MINOR => matches!(byte, b'0' | b'1'),
            CR => byte == b'\r',
            _ if matched > CR => byte == b'\n',
            _ => VERSION.get(matched) == Some(&byte),
        };
        match (fits, matched) {
            (true, matched) if matched > CR => Sniff::Http,
            (true, _) => self.go(State::Version {
                matched: matched + 1,
            }),
            (false, CR..) => Sniff::BadRequest(Failure::new(
                Code::Protocol,
                "an HTTP request line ends with CR LF",
            )),
            (false, _) => no_request_line(),
        }
    }
}

fn no_request_line() -> Sniff {
    refuse("this is no HTTP/1.x request, and commands are written in lower case")
}

fn refuse(text: impl Into<String>) -> Sniff {
    Sniff::Refuse(Failure::new(Code::Protocol, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `input` is, byte by byte as well as at once.
    fn sniff(input: &[u8]) -> Sniff {
        let whole = Sniffer::default().feed(input);
        let mut sniffer = Sniffer::default();
        let bytewise = input.chunks(1).map(|byte| sniffer.feed(byte)).last();
        assert_eq!(bytewise.unwrap_or_default(), whole);
        whole
    }

    fn name(sniff: &Sniff) -> &'static str {
        match sniff {
            Sniff::Need => "need",
            Sniff::Text => "text",
            Sniff::Machine => "machine",
            Sniff::Http => "http",
            Sniff::BadRequest(_) => "bad request",
            Sniff::Refuse(_) => "refuse",
        }
    }

    fn check(input: &[u8], expected: &str) {
        let input_text = String::from_utf8_lossy(input);
        assert_eq!(name(&sniff(input)), expected, "{input_text:?}");
    }

    #[test]
    fn every_first_byte_has_a_defined_outcome() {
        for byte in 0..=255u8 {
            let expected = match byte {
                b'{' => "machine",
                b'A'..=b'Z' => "need",
                b'a'..=b'z' => "text",
                _ if b"#;?\"\t \r\n".contains(&byte) => "text",
                _ => "refuse",
            };
            check(&[byte], expected);
        }
    }

    #[test]
    fn http_is_a_complete_request_line() {
        check(b"", "need");
        check(b"GET /debug/vars HTTP/1.1", "need");
        check(b"GET /debug/vars HTTP/1.1\r", "need");
        check(b"GET /debug/vars HTTP/1.1\r\n", "http");
        check(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n", "http");
        check(b"PROPFIND \xff\0 HTTP/1.1\r\n", "http");
    }

    #[test]
    fn a_request_line_without_cr_lf_is_a_bad_request() {
        check(b"GET / HTTP/1.1\n", "bad request");
        check(b"GET / HTTP/1.1\rX", "bad request");
        check(b"GET / HTTP/1.1 \r\n", "bad request");
    }

    #[test]
    fn upper_case_that_is_no_request_line_is_refused_as_soon_as_that_is_certain() {
        for (start, culprit) in [
            ("GE", " "),
            ("G", "e"),
            ("HELP", "\n"),
            ("OPTIONSX", "Y"),
            ("GET ", " "),
            ("GET ", "\n"),
            ("GET /", "\n"),
            ("GET /", "\t"),
            ("PRI * HTTP/", "2"),
            ("GET / HTTP/1.", "2"),
            ("GET / ", "\r"),
        ] {
            check(start.as_bytes(), "need");
            check(format!("{start}{culprit}").as_bytes(), "refuse");
        }
    }

    #[test]
    fn a_request_line_of_8_kib_is_read_and_one_more_byte_refused() {
        let line = |size: usize| {
            let target = "x".repeat(size - "GET  HTTP/1.1\r\n".len());
            format!("GET {target} HTTP/1.1\r\n")
        };
        check(line(REQUEST_LINE_MAX).as_bytes(), "http");
        let long = sniff(line(REQUEST_LINE_MAX + 1).as_bytes());
        assert!(matches!(long, Sniff::BadRequest(failure) if failure.code == Code::LineTooLong),);
    }
}
