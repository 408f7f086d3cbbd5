//! The text dialect as scripts and people use it.

use crate::conn::Conn;
use std::path::Path;

/// Sends `input` at once and reads the whole reply without half-closing, as Debian's `nc -U`.
#[track_caller]
pub fn batch(socket: &Path, input: impl AsRef<[u8]>) -> String {
    let mut conn = Conn::open(socket);
    conn.send(input);
    conn.text_to_end()
}

/// Runs one command in batch mode.
#[track_caller]
pub fn run(socket: &Path, command: &str) -> String {
    batch(socket, format!("{command}\n"))
}

/// The code of an `ERR` line that opens `reply`, or `None` when the reply is no error.
pub fn code(reply: &str) -> Option<&str> {
    reply.strip_prefix("ERR ")?.split([' ', '\n']).next()
}

/// Requires that `reply` is the error `code`: its line is complete alone, and what follows, if
/// anything, begins with `#`.
#[track_caller]
pub fn expect_error<'a>(reply: &'a str, code: &str) -> &'a str {
    assert_eq!(self::code(reply), Some(code), "{reply:?}");
    assert!(reply.ends_with('\n'), "no line end: {reply:?}");
    let mut lines = reply.lines();
    let first = lines.next().unwrap_or_default();
    for line in lines {
        assert!(line.starts_with("# "), "{line:?} below the error {first:?}");
    }
    first
}

/// A conversation at the prompt.
#[derive(Debug)]
pub struct Prompt {
    conn: Conn,
    prompt: String,
    /// What came before the first prompt.
    pub banner: String,
}

impl Prompt {
    /// Presses Enter, as a person does, and learns what the prompt looks like.
    #[track_caller]
    pub fn open(socket: &Path) -> Self {
        Self::by(socket, "\n")
    }

    /// Opens the prompt with another first line.
    #[track_caller]
    pub fn by(socket: &Path, first: &str) -> Self {
        let mut conn = Conn::open(socket);
        conn.send(first);
        let opening = String::from_utf8(conn.read_until("]> ")).expect("text");
        let (banner, prompt) = opening
            .rsplit_once("\n\n")
            .expect("an empty line before the prompt");
        Self {
            prompt: prompt.to_owned(),
            banner: banner.to_owned() + "\n",
            conn,
        }
    }

    /// The prompt itself, without the line end before it.
    pub fn prompt(&self) -> &str {
        &self.prompt
    }

    /// Types a line and returns what is shown before the next prompt, without the empty line that
    /// stands before it.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> String {
        self.conn.send(format!("{line}\n"));
        let mut shown = String::from_utf8(self.conn.read_until(&self.prompt)).expect("text");
        shown.truncate(shown.len() - self.prompt.len());
        shown.strip_suffix('\n').unwrap_or_default().to_owned()
    }

    /// The connection, for what is not a line.
    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }
}
