//! The other end of a connection: reading with patience, writing with limits, closing so that the
//! last bytes arrive.

use super::{
    Connection,
    clock::Limits,
    outlet::{Gone, Outlet},
    race::{First, race},
};
use crate::{
    command::{Call, Context, Entry, State},
    model::{Caller, Code, Dialect, Failure, Level},
    rt::{Stream, timeout_at},
    sys,
};
use std::{
    io::ErrorKind,
    os::fd::AsFd,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long the rest that a client still sends is read and dropped after the last reply. Debian's
/// `nc -U` prints nothing at all when the server closes with unread input.
const DRAIN: Duration = Duration::from_secs(1);

/// A client and what it may do.
pub(super) struct Peer {
    /// The connection itself.
    pub stream: Stream,
    /// Who it is.
    pub caller: Caller,
    /// Its place among the connections.
    pub connection: Connection,
    /// The console.
    pub state: Arc<State>,
    /// What it calls itself.
    pub client: Option<String>,
    /// Its way of writing.
    pub outlet: Outlet,
    /// How long it may take.
    pub limits: Limits,
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// The client sends no more; it may still read.
    Eof,
    /// Nothing came in time.
    Quiet,
    /// The place is needed for somebody else.
    Evicted,
    /// The connection is broken.
    Gone,
}

impl Peer {
    pub(super) fn new(
        stream: Stream,
        caller: Caller,
        connection: Connection,
        state: Arc<State>,
        limits: Limits,
    ) -> Self {
        Self {
            stream,
            caller,
            connection,
            state,
            client: None,
            outlet: Outlet::default(),
            limits,
        }
    }

    /// Reads some bytes, waiting at most `patience` for the first.
    pub(super) async fn read<'a>(&self, buffer: &'a mut [u8], patience: Duration) -> Read<'a> {
        let until = Instant::now() + patience;
        loop {
            let readable = timeout_at(until, self.stream.readable());
            let readable = match race(self.connection.evicted(), readable).await {
                First::A(()) => return Read::Evicted,
                First::B(readable) => readable,
            };
            match readable {
                Err(_) => return Read::Quiet,
                Ok(Err(_)) => return Read::Gone,
                Ok(Ok(())) => {}
            }
            match self.stream.try_read(buffer) {
                Ok(0) => return Read::Eof,
                Ok(count) => return Read::Data(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Read::Gone,
            }
        }
    }

    /// Reads what is there now, without waiting; `Quiet` when nothing is.
    ///
    /// Asks the kernel itself: the runtime's idea of readiness lags behind what has arrived.
    pub(super) fn read_now<'a>(&self, buffer: &'a mut [u8]) -> Read<'a> {
        match self.stream.try_read(buffer) {
            Ok(0) => Read::Eof,
            Ok(count) => Read::Data(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::Quiet,
            Err(_) => Read::Gone,
        }
    }

    /// Writes all of `bytes`.
    ///
    /// # Errors
    /// When nobody reads them any more, or too slowly.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.outlet.write(&self.stream, bytes).await
    }

    /// Whether the client has closed its whole end; a half-close does not count.
    pub(super) fn hung_up(&self) -> bool {
        sys::hung_up(self.stream.as_fd())
    }

    /// The context of a call that begins now.
    pub(super) fn context(&self) -> Context {
        Context::new(self.caller.clone(), self.state.clone())
    }

    /// What the audit is told of a call.
    pub(super) fn entry_of(&self, dialect: Dialect, call: &Call) -> Entry {
        Entry {
            changes: call.level() == Level::Control,
            ..self.entry(dialect, call.masked())
        }
    }

    /// Notes in the audit that a line runs nothing, and why.
    pub(super) fn note(&self, dialect: Dialect, line: String, code: Code) {
        let entry = self.entry(dialect, line);
        self.state.audit.add(&entry, code.name(), 0, 0);
    }

    /// What the audit is told of a line.
    pub(super) fn entry(&self, dialect: Dialect, line: String) -> Entry {
        Entry {
            caller: self.caller.clone(),
            admitted: true,
            changes: false,
            client: self.client.clone(),
            dialect,
            line,
        }
    }

    /// The failure of a connection whose place was given to another.
    pub(super) fn evicted(&self) -> Failure {
        Failure::new(
            Code::Busy,
            "this connection was the longest idle one and its place is needed; connect again",
        )
    }

    /// The failure of a connection that was silent for too long.
    pub(super) fn silent(&self) -> Failure {
        let text = "nothing came for too long; connect again";
        Failure::new(Code::Timeout, text)
    }

    /// Says why, and closes.
    pub(super) async fn dismiss(&mut self, failure: &Failure) {
        let _ = self.write(format!("{failure}\n").as_bytes()).await;
        self.close().await;
    }

    /// Ends the conversation: no more from us, and what the client still sends is dropped for a
    /// moment, so that it gets to read all of ours.
    pub(super) async fn close(&self) {
        self.stream.shut_down_write();
        let until = Instant::now() + DRAIN;
        let mut buffer = [0; 4096];
        while let Read::Data(_) = self
            .read(&mut buffer, until.saturating_duration_since(Instant::now()))
            .await
        {
            if Instant::now() >= until {
                break;
            }
        }
    }
}
