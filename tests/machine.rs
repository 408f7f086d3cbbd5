//! The machine dialect: JSON lines with counted payloads.

use crate::conn::Conn;
use serde_json::{Value, json};
use std::path::Path;

/// A conversation.
#[derive(Debug)]
pub struct Machine {
    /// The connection, for what is no request.
    pub conn: Conn,
    last: u64,
}

/// One message of the server's.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// `progress`, as it stands.
    Progress(Value),
    /// A payload with its header.
    Data(Value, Vec<u8>),
    /// `end`, as it stands.
    End(Value),
}

/// A whole reply.
#[derive(Debug)]
pub struct Reply {
    /// All payloads, joined.
    pub data: Vec<u8>,
    /// The headers of the payloads.
    pub headers: Vec<Value>,
    /// How many messages told of progress.
    pub progress: usize,
    /// The end.
    pub end: Value,
}

impl Reply {
    /// The code of its error, if it is one.
    pub fn code(&self) -> Option<&str> {
        self.end["code"].as_str()
    }

    /// Its payload as JSON.
    ///
    /// # Panics
    /// When it is none, or the command failed.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.end["status"], "ok", "{:?}", self.end);
        serde_json::from_slice(&self.data).expect("JSON")
    }
}

impl Machine {
    /// Opens one; nothing is sent yet.
    #[track_caller]
    pub fn open(socket: &Path) -> Self {
        Self {
            conn: Conn::open(socket),
            last: 0,
        }
    }

    /// Sends a command and returns its id.
    #[track_caller]
    pub fn send(&mut self, words: &[&str]) -> u64 {
        self.last += 1;
        let request = json!({"id": self.last, "command": words, "client": "suite 1"});
        self.conn.send(format!("{request}\n"));
        self.last
    }

    /// Asks to stop a command.
    #[track_caller]
    pub fn cancel(&mut self, id: u64) {
        self.conn.send(format!("{}\n", json!({"cancel": id})));
    }

    /// Reads the next message and whom it is for.
    #[track_caller]
    pub fn message(&mut self) -> (u64, Message) {
        let line = self.conn.line();
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line:?}"));
        let id = value["id"]
            .as_u64()
            .unwrap_or_else(|| panic!("no id in {line}"));
        if let Some(count) = value["data"].as_u64() {
            assert!(count <= 256 << 10, "a chunk of {count} bytes");
            let payload = self.conn.read_exact(count as usize);
            return (id, Message::Data(value, payload));
        }
        match (value.get("progress"), value.get("end")) {
            (Some(progress), None) => (id, Message::Progress(progress.clone())),
            (None, Some(end)) => (id, Message::End(end.clone())),
            _ => panic!("neither progress nor data nor end: {line}"),
        }
    }

    /// Reads the reply to `id`, which must be the only one under way.
    #[track_caller]
    pub fn reply(&mut self, id: u64) -> Reply {
        let mut reply = Reply {
            data: Vec::new(),
            headers: Vec::new(),
            progress: 0,
            end: Value::Null,
        };
        loop {
            let (of, message) = self.message();
            assert_eq!(of, id, "{message:?}");
            match message {
                Message::Progress(_) => reply.progress += 1,
                Message::Data(header, payload) => {
                    reply.headers.push(header);
                    reply.data.extend(payload);
                }
                Message::End(end) => {
                    reply.end = end;
                    return reply;
                }
            }
        }
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&mut self, words: &[&str]) -> Reply {
        let id = self.send(words);
        self.reply(id)
    }
}

/// The JSON answer of `command`, its words split at spaces.
#[track_caller]
pub fn json(socket: &Path, command: &str) -> Value {
    let words: Vec<&str> = command.split(' ').chain(["--json"]).collect();
    Machine::open(socket).run(&words).json()
}
