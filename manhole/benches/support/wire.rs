//! The clients: plain blocking sockets, so that the same few lines speak to every server.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
};

/// An open connection on which lines are sent and replies come back.
pub struct Lines {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    /// What was read last: the line of a frame.
    line: Vec<u8>,
    body: Vec<u8>,
    framed: bool,
}

impl Lines {
    /// To a console, in keep mode.
    pub fn keep(path: &str) -> Self {
        let mut lines = Self::plain(path);
        lines.stream.write_all(b"mode keep\n").unwrap();
        lines.framed = true;
        lines
    }

    /// To a server that answers each line with one.
    pub fn plain(path: &str) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{path}: {e}"));
        Self {
            reader: BufReader::with_capacity(64 << 10, stream.try_clone().unwrap()),
            stream,
            line: Vec::new(),
            body: Vec::new(),
            framed: false,
        }
    }

    /// Sends bytes and waits for `replies` whole replies.
    pub fn ask(&mut self, bytes: &[u8], replies: usize) {
        self.stream.write_all(bytes).unwrap();
        for _ in 0..replies {
            self.reply();
        }
    }

    /// The body of the last reply.
    pub fn body(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn reply(&mut self) {
        self.body.clear();
        loop {
            self.line.clear();
            let count = self.reader.read_until(b'\n', &mut self.line).unwrap();
            assert!(count > 0, "the server closed the connection");
            let Some(frame) = self.framed.then_some(self.line.as_slice()) else {
                return;
            };
            match frame {
                b"OK\n" => return,
                _ if frame.starts_with(b"DATA ") => {
                    let digits = std::str::from_utf8(&frame[5..]).unwrap();
                    let length: usize = digits.trim_end().parse().unwrap();
                    let start = self.body.len();
                    self.body.resize(start + length, 0);
                    self.reader.read_exact(&mut self.body[start..]).unwrap();
                }
                _ if frame.starts_with(b"WAIT ") => {}
                _ => panic!("{}", String::from_utf8_lossy(frame)),
            }
        }
    }
}

/// One line on a connection of its own, as `nc` sends it; returns the reply.
pub fn batch(path: &str, line: &str) -> String {
    let mut stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

/// One GET on a connection of its own; returns the body.
pub fn get(path: &str, target: &str) -> Vec<u8> {
    let mut stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = Vec::with_capacity(16 << 10);
    stream.read_to_end(&mut reply).unwrap();
    assert!(
        reply.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&reply)
    );
    let end = reply
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    reply.split_off(end + 4)
}
