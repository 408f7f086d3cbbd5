//! The connection as hyper wants it: the bytes that were looked at are replayed first, and waiting
//! for a slow reader is measured.

use super::super::{outlet::Outlet, peer::Peer};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    cell::{Cell, RefCell},
    io::{ErrorKind, Result},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// How much is read at a time.
const CHUNK: usize = 8 << 10;

/// The connection.
pub(super) struct Io {
    peer: Rc<Peer>,
    replay: Vec<u8>,
    pace: Pace,
    begun: Rc<Cell<bool>>,
}

/// How the reader keeps up.
#[derive(Clone, Default)]
pub(super) struct Pace(Rc<RefCell<Outlet>>);

impl Pace {
    /// Whether the reader is to be left.
    pub(super) fn too_slow(&self) -> bool {
        self.with(Outlet::too_slow)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Outlet) -> T) -> T {
        change(&mut self.0.borrow_mut())
    }
}

impl Io {
    /// `replay` is read before anything from the connection.
    pub(super) fn new(peer: Rc<Peer>, replay: Vec<u8>) -> Self {
        Self {
            peer,
            replay,
            pace: Pace::default(),
            begun: Rc::default(),
        }
    }

    /// Set once a request was handed over: what hyper writes before that is its own answer to what it
    /// takes for no request, and is held back.
    pub(super) fn begun(&self) -> Rc<Cell<bool>> {
        self.begun.clone()
    }

    /// The reader's pace, to be watched beside the connection.
    pub(super) fn pace(&self) -> Pace {
        self.pace.clone()
    }
}

impl Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        let room = cursor.remaining().min(CHUNK);
        if !this.replay.is_empty() {
            let count = room.min(this.replay.len());
            let rest = this.replay.split_off(count);
            cursor.put_slice(&std::mem::replace(&mut this.replay, rest));
            return Poll::Ready(Ok(()));
        }
        let mut buffer = [0; CHUNK];
        let buffer = buffer.get_mut(..room).unwrap_or_default();
        loop {
            match this.peer.stream.try_read(buffer) {
                Ok(count) => {
                    cursor.put_slice(buffer.get(..count).unwrap_or_default());
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(this.peer.stream.poll_readable(cx))?;
        }
    }
}

impl Write for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if !self.begun.get() {
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            match self.peer.stream.try_write(bytes) {
                Ok(count) => {
                    self.pace.with(|outlet| outlet.took(count));
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pace.with(Outlet::waits);
                    ready!(self.peer.stream.poll_writable(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        // The conversation closes by itself, after what the client still sends has been read.
        Poll::Ready(Ok(()))
    }
}
