//! The client's half: a server's bytes into events. The server is not trusted.

use super::super::buffer::{Buffer, Line};
use super::super::{CHUNK_MAX, REPLY_LINE_MAX};
use super::{End, object, protocol};
use crate::model::{Code, Failure, Severity};
use serde_json::{Map, Value};

/// One message of a server.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// How far a command is.
    Progress {
        /// The command's id.
        id: u64,
        /// How much of `total` is done.
        done: f64,
        /// `None` when nobody knows.
        total: Option<f64>,
        /// Unit of both.
        unit: String,
    },
    /// A piece of a command's reply; pieces of one name and media type belong together.
    Data {
        /// The command's id.
        id: u64,
        /// Media type.
        media: String,
        /// A file name as the server has it: reduce it before use.
        name: Option<String>,
        /// Lines to be shown as they come.
        stream: bool,
        /// The raw bytes, at most 256 KiB.
        payload: Vec<u8>,
    },
    /// Nothing more comes for this id.
    End {
        /// The command's id.
        id: u64,
        /// How it went.
        result: Result<End, Failure>,
    },
}

/// Splits what a server sends into events.
///
/// The first error ends it, since nobody knows where the next message would begin: it is returned
/// once, and whatever follows is dropped.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Buffer,
    /// The payload still to come: its header and its length.
    announced: Option<(Event, usize)>,
    failed: bool,
}

impl Decoder {
    /// Adds what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buffer.feed(bytes);
        }
    }

    /// Whether a message began that has not ended; meaningful once there is no event left.
    pub fn has_partial(&self) -> bool {
        self.announced.is_some() || self.buffer.has_partial()
    }

    /// A payload's header is no event: it waits for its bytes.
    fn step(&mut self) -> Result<Option<Event>, Failure> {
        if self.announced.is_none() {
            let line = match self.buffer.take_line(REPLY_LINE_MAX) {
                None => return Ok(None),
                Some(Line::Whole(line)) => line,
                Some(Line::Overlong(_)) => {
                    return Err(protocol("the server's message is too long"));
                }
            };
            match parse_message(line)? {
                Message::Event(event) => return Ok(Some(event)),
                Message::Header(header, length) => self.announced = Some((header, length)),
            }
        }
        Ok(self.take_payload())
    }

    fn take_payload(&mut self) -> Option<Event> {
        let length = self.announced.as_ref()?.1;
        let bytes = self.buffer.take(length)?;
        let mut event = self.announced.take()?.0;
        if let Event::Data { payload, .. } = &mut event {
            payload.extend_from_slice(bytes);
        }
        Some(event)
    }
}

impl Iterator for Decoder {
    type Item = Result<Event, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let event = self.step().transpose();
        if matches!(event, Some(Err(_))) {
            *self = Decoder {
                failed: true,
                ..Decoder::default()
            };
        }
        event
    }
}

enum Message {
    Event(Event),
    /// A [`Event::Data`] without its payload, and how long that is.
    Header(Event, usize),
}

fn parse_message(line: &[u8]) -> Result<Message, Failure> {
    let message = object(line)?;
    let id = message
        .get("id")
        .and_then(Value::as_u64)
        .ok_or_else(|| protocol("the server's message has no id"))?;
    if let Some(progress) = fields(&message, "progress") {
        return Ok(Message::Event(parse_progress(id, progress)));
    }
    if let Some(end) = fields(&message, "end") {
        let result = parse_end(end)?;
        return Ok(Message::Event(Event::End { id, result }));
    }
    match message.get("data").and_then(Value::as_u64) {
        Some(length) => parse_header(id, &message, length),
        None => Err(protocol("the server sent an unknown kind of message")),
    }
}

fn parse_progress(id: u64, progress: &Map<String, Value>) -> Event {
    let number = |key: &str| progress.get(key).and_then(Value::as_f64);
    Event::Progress {
        id,
        done: number("done").unwrap_or(0.0),
        total: number("total"),
        unit: text(progress, "unit").unwrap_or_default(),
    }
}

fn parse_header(id: u64, message: &Map<String, Value>, length: u64) -> Result<Message, Failure> {
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= CHUNK_MAX)
        .ok_or_else(|| {
            protocol(format!(
                "the server announced {length} bytes, at most {CHUNK_MAX} are accepted"
            ))
        })?;
    let header = Event::Data {
        id,
        media: text(message, "media").unwrap_or_default(),
        name: text(message, "name"),
        stream: message.get("stream") == Some(&Value::Bool(true)),
        payload: Vec::new(),
    };
    Ok(Message::Header(header, length))
}

fn parse_end(end: &Map<String, Value>) -> Result<Result<End, Failure>, Failure> {
    match end.get("status").and_then(Value::as_str) {
        Some("ok") => Ok(Ok(End {
            elapsed_ms: end.get("elapsed_ms").and_then(Value::as_u64).unwrap_or(0),
            verdict: fields(end, "verdict").and_then(parse_verdict),
            next: texts(end, "next"),
        })),
        Some("error") => Ok(Err(parse_failure(end))),
        _ => Err(protocol("the server's end has no known status")),
    }
}

/// A severity of a newer server is worth a look at least.
fn parse_verdict(verdict: &Map<String, Value>) -> Option<(Severity, String)> {
    let severity = match verdict.get("severity").and_then(Value::as_str)? {
        "ok" => Severity::Ok,
        "bad" => Severity::Bad,
        _ => Severity::Warn,
    };
    Some((severity, text(verdict, "text")?))
}

/// A code of a newer server is kept in the text.
fn parse_failure(end: &Map<String, Value>) -> Failure {
    let code = text(end, "code").unwrap_or_default();
    let message = text(end, "message").unwrap_or_default();
    let mut failure = match code.parse() {
        Ok(code) => Failure::new(code, message),
        Err(()) => Failure::new(Code::Internal, format!("{code}: {message}")),
    };
    failure.hints = texts(end, "hints");
    failure
}

fn fields<'a>(message: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    message.get(key).and_then(Value::as_object)
}

fn text(message: &Map<String, Value>, key: &str) -> Option<String> {
    message.get(key)?.as_str().map(str::to_owned)
}

fn texts(message: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = message.get(key).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{encode_data_header, encode_end, encode_progress};
    use super::*;

    /// The events of `input`, however it is split.
    fn decode(input: &[u8]) -> Vec<Result<Event, Failure>> {
        let split_at = |at: usize| {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            for piece in [&input[..at], &input[at..]] {
                decoder.feed(piece);
                events.extend(decoder.by_ref());
            }
            events
        };
        let whole = split_at(0);
        for at in 1..input.len() {
            assert_eq!(split_at(at), whole, "split at {at}");
        }
        whole
    }

    #[test]
    fn what_the_server_encodes_is_read_back() {
        let end = End {
            elapsed_ms: 12,
            verdict: Some((Severity::Bad, "all \u{202e}is lost\n".to_owned())),
            next: vec!["heap".to_owned(), "gc run".to_owned()],
        };
        let failure = Failure::new(Code::Busy, "later")
            .hint("in 5 s")
            .hint("or 6");
        let mut wire = encode_progress(1, 3.0, Some(10.0), "s").into_bytes();
        wire.extend(encode_data_header(2, 4, "text/plain", Some("a.txt"), true).bytes());
        wire.extend(b"\n{}\n");
        wire.extend(encode_data_header(2, 0, "x/y", None, false).bytes());
        wire.extend(encode_end(2, &Ok(end.clone())).bytes());
        wire.extend(encode_end(1, &Err(failure.clone())).bytes());
        let data = |media: &str, name: Option<&str>, stream, payload: &[u8]| Event::Data {
            id: 2,
            media: media.to_owned(),
            name: name.map(str::to_owned),
            stream,
            payload: payload.to_vec(),
        };
        let expected = [
            Event::Progress {
                id: 1,
                done: 3.0,
                total: Some(10.0),
                unit: "s".to_owned(),
            },
            data("text/plain", Some("a.txt"), true, b"\n{}\n"),
            data("x/y", None, false, b""),
            Event::End {
                id: 2,
                result: Ok(end),
            },
            Event::End {
                id: 1,
                result: Err(failure),
            },
        ];
        assert_eq!(decode(&wire), expected.map(Ok));
    }

    #[test]
    fn a_larger_count_than_a_chunk_is_refused_before_anything_is_allocated() {
        for count in ["262145", "18446744073709551615"] {
            let line = format!("{{\"id\":1,\"data\":{count},\"media\":\"x\"}}\n");
            let failure = decode(line.as_bytes()).remove(0).unwrap_err();
            assert_eq!(failure.code, Code::Protocol);
            assert!(failure.text.contains(count), "{failure}");
        }
    }

    #[test]
    fn the_first_error_ends_the_conversation() {
        let check = |line: &str| {
            let wire = format!("{line}\n{}", encode_end(1, &Ok(End::default())));
            let events = decode(wire.as_bytes());
            assert!(matches!(&events[..], [Err(failure)] if failure.code == Code::Protocol));
        };
        check("{\"id\":1,\"dance\":1}");
        check("{\"id\":1,\"end\":{\"status\":\"maybe\"}}");
        check("{\"end\":{\"status\":\"ok\"}}");
        check("ERR denied you");
        check("{\"id\":1,\"data\":-1}");
    }

    #[test]
    fn an_endless_line_is_refused_at_the_bound() {
        let mut decoder = Decoder::default();
        decoder.feed(&vec![b' '; REPLY_LINE_MAX - 1]);
        assert_eq!(decoder.next(), None);
        decoder.feed(b"  ");
        assert!(decoder.next().unwrap().is_err());
        assert!(!decoder.has_partial());
    }

    #[test]
    fn words_of_a_newer_server_are_understood_as_far_as_possible() {
        let wire = br#"{"id":1,"end":{"status":"error","code":"tired","message":"zzz","mood":3}}
{"id":2,"end":{"status":"ok","verdict":{"severity":"odd","text":"hm"}}}
"#;
        let mut events = decode(wire).into_iter();
        let Some(Ok(Event::End { id: 1, result })) = events.next() else {
            panic!("no end of 1");
        };
        assert_eq!(result, Err(Failure::new(Code::Internal, "tired: zzz")));
        let Some(Ok(Event::End { id: 2, result })) = events.next() else {
            panic!("no end of 2");
        };
        let verdict = Some((Severity::Warn, "hm".to_owned()));
        assert_eq!(result.unwrap().verdict, verdict);
    }
}
