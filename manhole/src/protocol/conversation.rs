//! A whole conversation through the sniffer and the parser of its dialect, for tests and fuzzing:
//! its events must not depend on where the bytes were split.

use super::sniff::{Sniff, Sniffer};
use super::text::{LineEvent, Lines};
use super::{machine::Requests, words};
use std::mem;

/// Everything that happened, each event in words.
pub fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut driver = Driver::default();
    for piece in pieces {
        driver.feed(piece);
    }
    driver.events.push(driver.rest().to_owned());
    driver.events
}

#[derive(Default)]
struct Driver {
    sniffer: Sniffer,
    /// What arrived before the dialect was known.
    kept: Vec<u8>,
    parser: Parser,
    events: Vec<String>,
}

#[derive(Default)]
enum Parser {
    #[default]
    Sniffing,
    Text(Lines),
    Machine(Requests),
    /// HTTP is hyper's; what is refused is nobody's.
    Over,
}

impl Driver {
    fn feed(&mut self, piece: &[u8]) {
        match &mut self.parser {
            Parser::Sniffing => self.sniff(piece),
            Parser::Text(lines) => {
                lines.feed(piece);
                self.events.extend(lines.map(describe));
            }
            Parser::Machine(requests) => {
                requests.feed(piece);
                let requests = requests.map(|request| format!("{request:?}"));
                self.events.extend(requests);
            }
            Parser::Over => {}
        }
    }

    fn sniff(&mut self, piece: &[u8]) {
        self.kept.extend_from_slice(piece);
        let sniff = self.sniffer.feed(piece);
        self.parser = match sniff {
            Sniff::Need => return,
            Sniff::Text => Parser::Text(Lines::default()),
            Sniff::Machine => Parser::Machine(Requests::default()),
            Sniff::Http | Sniff::BadRequest(_) | Sniff::Refuse(_) => Parser::Over,
        };
        self.events.push(format!("{sniff:?}"));
        let kept = mem::take(&mut self.kept);
        self.feed(&kept);
    }

    /// What is left unfinished when the client stops here.
    fn rest(&self) -> &'static str {
        let partial = match &self.parser {
            Parser::Sniffing => !self.kept.is_empty(),
            Parser::Text(lines) => lines.has_partial(),
            Parser::Machine(requests) => requests.has_partial(),
            Parser::Over => false,
        };
        if partial { "partial" } else { "complete" }
    }
}

fn describe(event: LineEvent) -> String {
    match event {
        LineEvent::Line(line) => format!("{:?}", words::parse_line(&line)),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(conversation: &[u8]) {
        let whole = events([conversation]);
        assert_eq!(events(conversation.chunks(1)), whole);
        for first in 0..conversation.len() {
            let (a, rest) = conversation.split_at(first);
            for second in 0..rest.len().min(64) {
                let (b, c) = rest.split_at(second);
                assert_eq!(events([a, b, c]), whole, "split after {first} and {second}");
            }
        }
    }

    #[test]
    fn events_do_not_depend_on_the_split() {
        check(b"triage; vars get 'a b'\r\n\n# note\nbad \xff\nesc \x1b\n'open\nmode keep\nrest");
        check("mode prompt\nvars set name \"\u{e9}\\n\" ; quit\n".as_bytes());
        check(b"version\nGET / HTTP/1.1\r\nHost: x\r\n\r\nversion\n");
        check(b"{\"id\":1,\"command\":[\"cpu\",\"1\"]}\r\n\n{\"cancel\":1}\n{\"id\":2}\nx\n{\"id");
        check(b"GET /debug/vars HTTP/1.1\r\nHost: localhost\r\n\r\n");
        check(b"GET / HTTP/1.1\nHost: x\n\n");
        check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        check(b"\x16\x03\x01");
        check(b"");
    }

    #[test]
    fn an_overlong_line_is_the_same_however_it_arrives() {
        let long = [&b"triage\n"[..], &[b'x'; 40_000], b"\nversion\n{\n"].concat();
        let whole = events([&long[..]]);
        assert_eq!(whole.len(), 6, "{whole:?}");
        for size in [1, 7, 4096, 16_383, 16_384, 16_385, 20_000] {
            assert_eq!(events(long.chunks(size)), whole, "in pieces of {size}");
        }
    }
}
