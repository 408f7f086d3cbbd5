//! The host's own descriptors, reached from our table: for a late line to its standard error.

use super::{pidfd::Pidfd, poll::writable_now};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::{
        socket::{MsgFlags, send},
        stat::{Mode, SFlag, fstat},
    },
    unistd::write,
};
use std::{
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::fs::FileTypeExt,
    },
};

/// PIPE_BUF: a write up to this size is not torn apart and, when POLLOUT says so, not delayed.
const AT_ONCE: usize = 4096;

/// Duplicates descriptor `number` of the thread group leader's table, which is the host's.
///
/// # Errors
/// EBADF when the host closed it; EPERM or ENOSYS where pidfd_getfd is not to be had.
pub(crate) fn descriptor(number: RawFd) -> io::Result<OwnedFd> {
    let own = i32::try_from(std::process::id()).map_err(|_| Errno::ESRCH)?;
    Pidfd::open(own)?.fetch(number)
}

/// Writes the first 4 KiB of `bytes` to the host's descriptor `number`, or nothing.
///
/// For our own threads, in which SIGPIPE is blocked. Nothing is kept open: the host may close
/// the descriptor and expect its reader to see the end.
///
/// # Errors
/// WouldBlock when a reader is slow; otherwise why there is no such descriptor, or what the
/// write said.
pub(crate) fn write_late(number: RawFd, bytes: &[u8]) -> io::Result<()> {
    match descriptor(number) {
        Ok(fd) => offer(fd, bytes),
        Err(refused) => offer(reopened(number).ok_or(refused)?, bytes),
    }
}

/// A second way for sandboxes without pidfd_getfd: `/proc/self` is the leader's. Only for what
/// has no file position; a log file opened anew would be written over by the host's next line.
fn reopened(number: RawFd) -> Option<OwnedFd> {
    let path = format!("/proc/self/fd/{number}");
    let kind = fs::metadata(&path).ok()?.file_type();
    (kind.is_fifo() || kind.is_char_device()).then(|| nonblocking(&path))?
}

fn nonblocking(path: &str) -> Option<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).ok()
}

/// Writes the first 4 KiB of `bytes` to `fd`, or nothing: neither waits nor raises SIGPIPE.
///
/// # Errors
/// WouldBlock when a reader is slow or gone; otherwise what the write said.
pub(crate) fn offer(fd: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    let fd = fd.as_fd();
    let bytes = bytes.get(..AT_ONCE).unwrap_or(bytes);
    let quietly = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    match send(fd.as_raw_fd(), bytes, quietly) {
        Err(Errno::ENOTSOCK) => {}
        sent => return Ok(sent.map(drop)?),
    }
    let own = unblocked(fd);
    let fd = own.as_ref().map_or(fd, AsFd::as_fd);
    if !writable_now(fd) {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Ok(write(fd, bytes).map(drop)?)
}

/// For a pipe a description of our own that does not block: another writer may fill the pipe
/// between the poll and the write, and setting O_NONBLOCK on the host's would change its life.
fn unblocked(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    let kind = SFlag::from_bits_truncate(fstat(fd).ok()?.st_mode) & SFlag::S_IFMT;
    let path = format!("/proc/thread-self/fd/{}", fd.as_raw_fd());
    (kind == SFlag::S_IFIFO).then(|| nonblocking(&path))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        io::{Read, Write, pipe},
        os::unix::net::UnixStream,
    };

    #[test]
    fn a_line_reaches_pipe_and_socket() {
        let (mut reader, writer) = pipe().unwrap();
        write_late(writer.as_raw_fd(), b"moved\n").unwrap();
        let (mut other, socket) = UnixStream::pair().unwrap();
        write_late(socket.as_raw_fd(), b"moved\n").unwrap();
        drop((writer, socket));
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        other.read_to_string(&mut text).unwrap();
        assert_eq!(text, "moved\nmoved\n");
    }

    #[test]
    fn a_full_pipe_or_socket_is_left_alone() {
        let (_reader, mut writer) = pipe().unwrap();
        writer.write_all(&vec![0; 64 << 10]).unwrap();
        let (_other, mut socket) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        while socket.write(&[0; 4096]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        for full in [writer.as_raw_fd(), socket.as_raw_fd()] {
            let error = write_late(full, b"lost\n").unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        }
    }

    #[test]
    fn a_pipe_without_a_reader_raises_no_signal() {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        crate::sys::testing::in_a_child(|| {
            use nix::sys::signal::{SigHandler, Signal, signal};
            // SAFETY: the default disposition runs no code of ours.
            let default = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
            default.is_ok() && offer(&writer, b"lost\n").is_err()
        });
    }

    #[test]
    fn what_the_host_closed_is_an_error() {
        assert!(write_late(1 << 20, b"lost\n").is_err());
    }

    #[test]
    fn only_what_has_no_position_is_opened_anew() {
        let (_reader, writer) = pipe().unwrap();
        assert!(reopened(writer.as_raw_fd()).is_some());
        let file = File::open("/proc/self/exe").unwrap();
        assert!(reopened(file.as_raw_fd()).is_none());
    }
}
