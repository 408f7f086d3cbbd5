//! What a client asks: `{"id":1,"command":[..]}` and `{"cancel":1}`.

use super::super::buffer::{Buffer, Line};
use super::super::{LINE_MAX, WORDS_MAX};
use super::{object, protocol, quoted};
use crate::model::{Code, Failure};
use serde_json::Value;

/// One message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Run a command; everything about it carries `id`.
    Command {
        /// Chosen by the client.
        id: u64,
        /// The command and its arguments, 1 to 64 words.
        words: Vec<String>,
        /// What the client calls itself, for the audit.
        client: Option<String>,
    },
    /// Stop the command with this id.
    Cancel {
        /// The id that the command was sent with.
        id: u64,
    },
}

impl Request {
    /// The line that says this, with its LF.
    pub fn encode(&self) -> String {
        match self {
            Request::Cancel { id } => format!("{{\"cancel\":{id}}}\n"),
            Request::Command { id, words, client } => {
                let words = Value::from(words.as_slice());
                let client = client.as_deref().map_or(String::new(), |name| {
                    format!(",\"client\":{}", quoted(name))
                });
                format!("{{\"id\":{id},\"command\":{words}{client}}}\n")
            }
        }
    }
}

/// Reads one line (LF optional).
///
/// # Errors
/// `protocol` when it is no JSON object or no known kind of message, `syntax` when a command has no
/// or too many words.
pub fn parse_request(line: &[u8]) -> Result<Request, Failure> {
    let message = object(line)?;
    match (message.get("command"), message.get("cancel")) {
        (Some(words), None) => Ok(Request::Command {
            id: number(message.get("id"))?,
            words: parse_words(words)?,
            client: message.get("client").and_then(text),
        }),
        (None, Some(id)) => Ok(Request::Cancel {
            id: number(Some(id))?,
        }),
        _ => Err(protocol("a message holds either command or cancel")),
    }
}

fn number(id: Option<&Value>) -> Result<u64, Failure> {
    id.and_then(Value::as_u64)
        .ok_or_else(|| protocol("a request is known by a whole number: \"id\":1"))
}

fn parse_words(words: &Value) -> Result<Vec<String>, Failure> {
    let words: Option<Vec<String>> = words
        .as_array()
        .and_then(|words| words.iter().map(text).collect());
    match words {
        None => Err(protocol("command is an array of strings")),
        Some(words) if words.is_empty() => Err(Failure::new(Code::Syntax, "the command is empty")),
        Some(words) if words.len() > WORDS_MAX => Err(Failure::new(
            Code::Syntax,
            format!("{} words, at most {WORDS_MAX} are accepted", words.len()),
        )),
        Some(words) => Ok(words),
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// A message that could not be accepted, and the id to answer with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The id in the message, or 0 when there is none to be found: clients count from 1.
    pub id: u64,
    /// What is wrong.
    pub failure: Failure,
}

/// Splits what a client sends into requests; empty lines are ignored.
#[derive(Debug, Default)]
pub struct Requests {
    buffer: Buffer,
}

impl Requests {
    /// Adds what arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.feed(bytes);
    }

    /// Whether a line began that has not ended; meaningful once there is no request left.
    pub fn has_partial(&self) -> bool {
        self.buffer.has_partial()
    }
}

impl Iterator for Requests {
    type Item = Result<Request, Refused>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            return match self.buffer.take_line(LINE_MAX)? {
                Line::Whole(line) if line.trim_ascii().is_empty() => continue,
                Line::Whole(line) => Some(parse_request(line).map_err(|failure| Refused {
                    id: id_of(line),
                    failure,
                })),
                Line::Overlong(_) => Some(Err(Refused {
                    id: 0,
                    failure: Failure::new(
                        Code::LineTooLong,
                        format!("a message has at most {LINE_MAX} bytes"),
                    ),
                })),
            };
        }
    }
}

fn id_of(line: &[u8]) -> u64 {
    let message = object(line).unwrap_or_default();
    message.get("id").and_then(Value::as_u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Result<Request, (Code, &str)>) {
        let found = parse_request(line.as_bytes());
        let found = found.map_err(|failure| (failure.code, failure.text));
        assert_eq!(
            found,
            expected.map_err(|(code, text)| (code, text.to_owned())),
            "{line}"
        );
    }

    fn command(id: u64, words: &[&str], client: Option<&str>) -> Request {
        Request::Command {
            id,
            words: words.iter().map(|word| word.to_string()).collect(),
            client: client.map(str::to_owned),
        }
    }

    #[test]
    fn commands_and_cancels_are_read_and_unknown_fields_ignored() {
        check(
            r#"{"id":1,"command":["cpu","10"],"client":"manhole-cli 0.1.0"}"#,
            Ok(command(1, &["cpu", "10"], Some("manhole-cli 0.1.0"))),
        );
        check(
            " {\"new\":{\"deep\":[1]},\"command\":[\"\"],\"client\":7,\"id\":0}\r\n",
            Ok(command(0, &[""], None)),
        );
        check(
            r#"{"cancel":18446744073709551615}"#,
            Ok(Request::Cancel { id: u64::MAX }),
        );
    }

    #[test]
    fn what_is_no_request_is_refused_with_the_reason() {
        let protocol = |text| Err((Code::Protocol, text));
        let kinds = protocol("a message holds either command or cancel");
        check("{}", kinds.clone());
        check(r#"{"id":1,"hello":true}"#, kinds.clone());
        check(r#"{"id":1,"command":["a"],"cancel":1}"#, kinds);
        check("[1]", protocol("a message is a JSON object"));
        check(
            r#"{"id":1,"command":"cpu"}"#,
            protocol("command is an array of strings"),
        );
        check(
            r#"{"id":1,"command":[1]}"#,
            protocol("command is an array of strings"),
        );
        for id in ["1.5", "-1", "\"1\"", "null"] {
            let line = format!("{{\"id\":{id},\"command\":[\"a\"]}}");
            check(
                &line,
                protocol("a request is known by a whole number: \"id\":1"),
            );
        }
        check(
            r#"{"id":1,"command":[]}"#,
            Err((Code::Syntax, "the command is empty")),
        );
        let many = format!(
            r#"{{"id":1,"command":[{}"x"]}}"#,
            r#""x","#.repeat(WORDS_MAX)
        );
        check(
            &many,
            Err((Code::Syntax, "65 words, at most 64 are accepted")),
        );
    }

    #[test]
    fn a_depth_bomb_is_an_error_and_no_stack_overflow() {
        for bomb in ["[".repeat(LINE_MAX - 1), "{\"a\":".repeat(3000)] {
            let failure = parse_request(bomb.as_bytes()).unwrap_err();
            assert_eq!(failure.code, Code::Protocol);
            assert!(failure.text.contains("recursion limit"), "{failure}");
        }
    }

    #[test]
    fn invalid_utf8_is_refused() {
        let failure = parse_request(b"{\"id\":1,\"command\":[\"\xff\"]}").unwrap_err();
        assert_eq!(failure.code, Code::Protocol);
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        let hostile = "a\nb\"c\\d\u{0}\u{202e}";
        for request in [
            command(7, &["vars", hostile], Some(hostile)),
            command(u64::MAX, &[""], None),
            Request::Cancel { id: 7 },
        ] {
            let line = request.encode();
            assert_eq!(line.matches('\n').count(), 1);
            assert_eq!(parse_request(line.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn a_refused_message_is_answered_with_its_id_and_the_next_is_read() {
        let mut requests = Requests::default();
        requests.feed(b"\r\n{\"id\":9,\"dance\":1}\nnonsense\n{\"cancel\":2}\n{");
        let refused = |request: Option<Result<Request, Refused>>| request.unwrap().unwrap_err().id;
        assert_eq!(refused(requests.next()), 9);
        assert_eq!(refused(requests.next()), 0);
        assert_eq!(requests.next(), Some(Ok(Request::Cancel { id: 2 })));
        assert_eq!(requests.next(), None);
        assert!(requests.has_partial());
    }

    #[test]
    fn a_message_of_16_kib_is_read_and_one_more_byte_refused() {
        let line = |size: usize| {
            let frame = r#"{"id":1,"command":[""]}"#.len() + 1;
            command(1, &[&"x".repeat(size - frame)], None).encode()
        };
        let mut requests = Requests::default();
        requests.feed(line(LINE_MAX).as_bytes());
        assert!(requests.next().unwrap().is_ok());
        requests.feed(line(LINE_MAX + 1).as_bytes());
        let refused = requests.next().unwrap().unwrap_err();
        assert_eq!((refused.id, refused.failure.code), (0, Code::LineTooLong));
        assert_eq!(requests.next(), None);
        assert!(!requests.has_partial());
    }
}
