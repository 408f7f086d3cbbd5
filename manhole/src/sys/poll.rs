//! What a descriptor has to say right now; nothing here waits.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::os::fd::AsFd;

/// Whether the other end is gone for good: POLLHUP or POLLERR.
///
/// A peer that only shut down its writing side (`nc -N`, `socat`) still wants its reply and
/// counts as present. Asking with no events is what keeps POLLRDHUP and unread bytes out of it.
/// A descriptor that is none at all counts as hung up. Costs one system call, under 1 us.
pub(crate) fn hung_up(fd: impl AsFd) -> bool {
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    now(fd, PollFlags::empty()).intersects(gone)
}

#[cfg(test)]
/// Whether a read would return at once: with bytes, the end, or an error.
pub(crate) fn readable_now(fd: impl AsFd) -> bool {
    !now(fd, PollFlags::POLLIN).is_empty()
}

/// Whether a small write would be taken at once, by somebody: a pipe without a reader would take it
/// with SIGPIPE, from which a host may die.
pub(crate) fn writable_now(fd: impl AsFd) -> bool {
    let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
    let now = now(fd, PollFlags::POLLOUT);
    now.contains(PollFlags::POLLOUT) && !now.intersects(gone)
}

fn now(fd: impl AsFd, events: PollFlags) -> PollFlags {
    let mut fds = [PollFd::new(fd.as_fd(), events)];
    match poll(&mut fds, PollTimeout::ZERO) {
        Ok(_) => fds
            .first()
            .and_then(PollFd::revents)
            .unwrap_or(PollFlags::empty()),
        Err(_) => PollFlags::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::Shutdown,
        os::unix::net::UnixStream,
    };

    #[test]
    fn a_half_closed_peer_is_still_there() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        assert!(!hung_up(&ours));
        theirs.write_all(b"triage\n").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        assert!(!hung_up(&ours), "half-close is no cancel");
        assert!(readable_now(&ours));
    }

    #[test]
    fn a_closed_peer_is_gone_even_with_unread_bytes() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(b"x").unwrap();
        drop(theirs);
        assert!(hung_up(&ours));
        assert_eq!(ours.read(&mut [0; 8]).unwrap(), 1);
        assert!(hung_up(&ours));
    }

    #[test]
    fn a_pipe_without_a_reader_is_not_written_to() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        assert!(writable_now(&writer));
        drop(reader);
        assert!(!writable_now(&writer));
    }

    #[test]
    fn a_full_pipe_is_not_writable() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        assert!(writable_now(&writer));
        let room = vec![0; 64 << 10];
        writer.write_all(&room).unwrap();
        assert!(!writable_now(&writer));
        drop(reader);
        assert!(hung_up(&writer));
    }
}
