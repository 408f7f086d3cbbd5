//! A connection to a console, byte by byte, with every wait bounded.

use crate::{
    queue,
    wait::{self, PATIENCE},
};
use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::{Duration, Instant},
};

/// An open connection.
#[derive(Debug)]
pub struct Conn {
    stream: UnixStream,
    /// Read from the socket and not handed out yet.
    ahead: Vec<u8>,
}

impl Conn {
    /// Connects.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn open(path: &Path) -> Self {
        match UnixStream::connect(path) {
            Ok(stream) => Self::from(stream),
            Err(error) => panic!("failed to connect to {}: {error}", path.display()),
        }
    }

    /// The socket itself.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends all of `bytes`.
    ///
    /// # Panics
    /// When the console closed or does not read.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            panic!(
                "failed to send: {error}; {} bytes came back",
                self.ahead.len()
            );
        }
    }

    /// Sends all of `bytes`, or says why not.
    ///
    /// # Errors
    /// As of `write`.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.set_write_timeout(Some(PATIENCE))?;
        self.stream.write_all(bytes.as_ref())
    }

    /// Waits until the console has read all that we sent.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn settle(&self) {
        wait::until_true("the console has read", || queue::unread(&self.stream) == 0);
    }

    /// Ends our side: no more is to come, as `nc -N` says it at once.
    pub fn half_close(&self) {
        let _ = self.stream.shutdown(Shutdown::Write); // the other side may be gone already
    }

    /// Reads what comes within `patience`: `None` when nothing does, empty at the end.
    ///
    /// # Panics
    /// On a reset: the console closed without reading what we had sent, and whoever speaks to it
    /// through `nc` would have lost the reply.
    #[track_caller]
    pub fn read_some(&mut self, patience: Duration) -> Option<Vec<u8>> {
        if !self.ahead.is_empty() {
            return Some(std::mem::take(&mut self.ahead));
        }
        let mut buffer = vec![0; 64 << 10];
        self.stream
            .set_read_timeout(Some(patience.max(Duration::from_millis(1))))
            .expect("a timeout");
        loop {
            return match self.stream.read(&mut buffer) {
                Ok(count) => {
                    buffer.truncate(count);
                    Some(buffer)
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => continue,
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => None,
                    _ => panic!("failed to read: {error}"),
                },
            };
        }
    }

    /// Reads until `end` has come, and returns everything up to and with it.
    ///
    /// # Panics
    /// When the connection ends or the time is over before.
    #[track_caller]
    pub fn read_until(&mut self, end: impl AsRef<[u8]>) -> Vec<u8> {
        let end = end.as_ref();
        let deadline = Instant::now() + PATIENCE;
        let mut got = Vec::new();
        loop {
            let from = got.len().saturating_sub(end.len());
            let more = self.read_some(deadline.saturating_duration_since(Instant::now()));
            let wanted = String::from_utf8_lossy(end);
            let more = more.unwrap_or_else(|| panic!("no {wanted:?} came, only {:?}", shown(&got)));
            assert!(
                !more.is_empty(),
                "the end came before {wanted:?}, after {:?}",
                shown(&got)
            );
            got.extend(more);
            if let Some(at) = find(&got[from..], end) {
                self.ahead = got.split_off(from + at + end.len());
                return got;
            }
        }
    }

    /// Reads one line and returns it without its end.
    ///
    /// # Panics
    /// As [`Conn::read_until`].
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = self.read_until("\n");
        line.pop();
        String::from_utf8(line).expect("a line of text")
    }

    /// Reads exactly `count` bytes.
    ///
    /// # Panics
    /// When the connection ends or the time is over before.
    #[track_caller]
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut got = Vec::new();
        while got.len() < count {
            let more = self.read_some(deadline.saturating_duration_since(Instant::now()));
            let more = more.unwrap_or_else(|| panic!("only {} of {count} bytes came", got.len()));
            assert!(
                !more.is_empty(),
                "the end came after {} of {count} bytes",
                got.len()
            );
            got.extend(more);
        }
        self.ahead = got.split_off(count);
        got
    }

    /// Reads `count` bytes, or fewer when the connection ends before.
    #[track_caller]
    pub fn read_exact_or_end(&mut self, count: usize) -> Vec<u8> {
        let mut byte = vec![0; count];
        self.stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout");
        let read = (&self.stream).read(&mut byte).unwrap_or(0);
        byte.truncate(read);
        byte
    }

    /// Reads to the end.
    ///
    /// # Panics
    /// When there is none within [`PATIENCE`] of silence.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        loop {
            match self.read_some(PATIENCE) {
                Some(more) if more.is_empty() => return got,
                Some(more) => got.extend(more),
                None => panic!("the connection was not closed after {:?}", shown(&got)),
            }
        }
    }

    /// Reads to the end, as text.
    ///
    /// # Panics
    /// As [`Conn::read_to_end`], or when it is no UTF-8.
    #[track_caller]
    pub fn text_to_end(&mut self) -> String {
        String::from_utf8(self.read_to_end()).expect("text")
    }
}

impl From<UnixStream> for Conn {
    fn from(stream: UnixStream) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }
}

/// Where `needle` begins in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len().max(1))
        .position(|window| window == needle)
}

/// The beginning of `bytes`, for a message.
fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(400)];
    let more = if bytes.len() > start.len() {
        format!(" ... ({} bytes)", bytes.len())
    } else {
        String::new()
    };
    String::from_utf8_lossy(start).into_owned() + &more
}
