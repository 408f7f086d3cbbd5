//! What other threads ring to end the loop's sleep.

use crate::sys::{fork::is_table_shared, own::Own};
use nix::{
    errno::Errno,
    sys::eventfd::{EfdFlags, EventFd},
};
use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

/// A bell that is rung from any thread and heard by the loop.
pub(super) enum Bell {
    /// In a table of our own.
    Event(EventFd),
    /// Where the table is shared with the host. An eventfd cannot be told from the host's, a socket
    /// can; and what is sent to a number that has become a file of the host ends nowhere.
    Pair(Own<UnixStream>, Own<UnixStream>),
}

impl Bell {
    /// # Errors
    /// When the descriptors cannot be had: one, or two with a shared table.
    pub(super) fn new() -> io::Result<Self> {
        match is_table_shared() {
            false => event(),
            true => pair(),
        }
    }

    /// Whether the bell still is ours.
    ///
    /// # Errors
    /// [`crate::sys::own::Lost`].
    pub(super) fn check(&self) -> io::Result<()> {
        match self {
            Bell::Event(_) => Ok(()),
            Bell::Pair(ours, theirs) => ours.get().and(theirs.get()).map(drop),
        }
    }

    /// Ends the loop's sleep.
    pub(super) fn ring(&self) {
        match self {
            // EAGAIN: the counter is full, so the loop is being woken anyway.
            Bell::Event(event) => while event.write(1) == Err(Errno::EINTR) {},
            Bell::Pair(_, theirs) => {
                let _ = theirs.get().and_then(|mut theirs| theirs.write(&[1])); // as above
            }
        }
    }

    /// Forgets the rings so far.
    pub(super) fn hush(&self) {
        match self {
            Bell::Event(event) => drop(event.read()), // EAGAIN if it was not rung
            Bell::Pair(ours, _) => drop(ours.get().and_then(|mut ours| ours.read(&mut [0; 64]))),
        }
    }
}

/// What becomes readable when the bell is rung.
impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Bell::Event(event) => event.as_fd(),
            Bell::Pair(ours, _) => ours.as_fd(),
        }
    }
}

fn event() -> io::Result<Bell> {
    let event = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
    Ok(Bell::Event(event))
}

fn pair() -> io::Result<Bell> {
    let (ours, theirs) = UnixStream::pair()?;
    let bell = Bell::Pair(Own::new(ours), Own::new(theirs));
    if let Bell::Pair(ours, theirs) = &bell {
        ours.get()?.set_nonblocking(true)?;
        theirs.get()?.set_nonblocking(true)?;
    }
    Ok(bell)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn rung(bell: &Bell) -> bool {
        let mut fds = [PollFd::new(bell.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
    }

    #[test]
    fn either_kind_is_heard_until_it_is_hushed_and_never_blocks() {
        for bell in [event().unwrap(), pair().unwrap()] {
            assert!(!rung(&bell));
            bell.hush();
            for _ in 0..3 {
                bell.ring();
            }
            assert!(rung(&bell));
            bell.hush();
            assert!(!rung(&bell));
            // More than a socket takes.
            for _ in 0..10_000 {
                bell.ring();
            }
            assert!(rung(&bell) && bell.check().is_ok());
        }
    }
}
