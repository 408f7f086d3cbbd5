//! Keep mode as a script reads it: counted replies on one connection.

use crate::conn::Conn;
use std::path::Path;

/// A conversation in keep mode.
#[derive(Debug)]
pub struct Keep(pub Conn);

/// One reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Everything that came in `DATA`.
    pub data: Vec<u8>,
    /// What came in `WAIT`, a text each.
    pub waits: Vec<String>,
    /// `OK`, or what stands behind `ERR `.
    pub end: Result<(), String>,
}

impl Keep {
    /// Opens one.
    #[track_caller]
    pub fn open(socket: &Path) -> Self {
        let mut conn = Conn::open(socket);
        conn.send("mode keep\n");
        Self(conn)
    }

    /// Runs a command and reads its reply.
    #[track_caller]
    pub fn run(&mut self, command: &str) -> Reply {
        self.0.send(format!("{command}\n"));
        self.reply()
    }

    /// Runs a command that must succeed and answer with text.
    #[track_caller]
    pub fn ok(&mut self, command: &str) -> String {
        let reply = self.run(command);
        assert_eq!(reply.end, Ok(()), "{command}");
        String::from_utf8(reply.data).expect("text")
    }

    /// Reads one reply.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        let (mut data, mut waits) = (Vec::new(), Vec::new());
        let end = loop {
            let line = self.0.line();
            match line.split_once(' ').unwrap_or((&line, "")) {
                ("DATA", count) => {
                    let count = count
                        .parse()
                        .unwrap_or_else(|_| panic!("{line:?} counts nothing"));
                    data.extend(self.0.read_exact(count));
                }
                ("WAIT", text) => waits.push(text.to_owned()),
                ("OK", "") => break Ok(()),
                ("ERR", error) => break Err(error.to_owned()),
                _ => panic!("no frame of keep mode: {line:?}"),
            }
        };
        Reply { data, waits, end }
    }
}
