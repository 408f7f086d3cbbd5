//! Unix stream sockets of the loop.

use super::{Loop, current, reactor::Direction};
use crate::sys::own::Own;
use std::{
    future::poll_fn,
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    rc::Rc,
    task::{Context, Poll},
};

/// A socket known to a loop, which forgets it when this is dropped.
struct Registered<S: AsFd> {
    socket: Rc<Own<S>>,
    key: u64,
    on: Rc<Loop>,
}

impl<S: AsFd + 'static> Registered<S> {
    fn new(socket: S) -> io::Result<Self> {
        let on = current().ok_or_else(|| io::Error::other("no event loop on this thread"))?;
        let socket = Rc::new(Own::new(socket));
        let key = on.reactor.register(socket.clone());
        Ok(Self { socket, key, on })
    }

    fn poll_ready(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Err(error) = self.socket.get() {
            return Poll::Ready(Err(error));
        }
        match self.on.reactor.poll_ready(self.key, direction, cx.waker()) {
            false => Poll::Pending,
            true => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsFd> Drop for Registered<S> {
    fn drop(&mut self) {
        self.on.reactor.deregister(self.key);
    }
}

/// A connection; non-blocking.
///
/// Reading and writing try first and wait afterwards: `readable` and `writable` end when the socket
/// became ready since they were called, or was so already.
pub(crate) struct Stream(Registered<UnixStream>);

impl Stream {
    /// Takes a connection into this thread's loop.
    ///
    /// # Errors
    /// Without a loop on this thread.
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Registered::new(stream).map(Self)
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is; otherwise what the kernel says.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| self.0.socket.get()?.read(buffer))
    }

    /// Writes what fits. std sends with MSG_NOSIGNAL, so a closed peer is an error and no SIGPIPE.
    ///
    /// # Errors
    /// `WouldBlock` when nothing fits; otherwise what the kernel says.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| self.0.socket.get()?.write(bytes))
    }

    /// Says to the peer that nothing more will come; reading goes on.
    pub(crate) fn shut_down_write(&self) {
        // It may be gone already.
        let _ = self
            .0
            .socket
            .get()
            .and_then(|socket| socket.shutdown(Shutdown::Write));
    }

    /// Waits until there is something to read, the end included. Safe to drop.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Waits until something can be written, or never again. Safe to drop.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_writable(cx)).await
    }

    /// The same as a poll.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(Direction::Read, cx)
    }

    /// The same as a poll.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_ready(Direction::Write, cx)
    }
}

/// For calls that change nothing: with a shared table the number may be another's by now.
impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.socket.as_fd()
    }
}

/// A listening socket; non-blocking.
pub(crate) struct Listener(Registered<UnixListener>);

impl Listener {
    /// Takes a listener into this thread's loop.
    ///
    /// # Errors
    /// Without a loop on this thread.
    pub(crate) fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Registered::new(listener).map(Self)
    }

    /// The next connection.
    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        loop {
            match self.0.socket.get()?.accept() {
                Ok((stream, _)) => return Poll::Ready(Stream::new(stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            match self.0.poll_ready(Direction::Read, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn retry(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
