//! A process held by descriptor: its number cannot be given to another one meanwhile.

#[cfg(test)]
use super::poll::readable_now;
use nix::{errno::Errno, libc};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

/// A process, alive or not, that keeps its identity for as long as this is held.
#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    /// Takes hold of the process with this id in our pid namespace.
    ///
    /// # Errors
    /// ESRCH when there is none, ENOSYS before Linux 5.3, EPERM in some sandboxes.
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: pidfd_open(2) takes two numbers and touches no memory of ours.
        descriptor(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).map(Self)
    }

    #[cfg(test)]
    /// Whether any thread of the process has not exited yet; a zombie has.
    pub(crate) fn is_alive(&self) -> bool {
        !readable_now(&self.0)
    }

    /// Duplicates descriptor `number` of that process into our table, close-on-exec.
    ///
    /// # Errors
    /// EBADF when it is not open there, EPERM without the right to trace the process (always
    /// there for our own), ENOSYS before Linux 5.6, EPERM in container profiles.
    pub(crate) fn fetch(&self, number: RawFd) -> io::Result<OwnedFd> {
        let own = self.0.as_raw_fd();
        // SAFETY: pidfd_getfd(2) takes three numbers and touches no memory of ours.
        descriptor(unsafe { libc::syscall(libc::SYS_pidfd_getfd, own, number, 0) })
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn descriptor(result: libc::c_long) -> io::Result<OwnedFd> {
    let result = Errno::result(result)?;
    let fd = RawFd::try_from(result).map_err(|_| Errno::EBADF)?;
    // SAFETY: pidfd_open(2) and pidfd_getfd(2) return a new descriptor of this table when they do
    // not return -1, which the line above turned into an error; nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs::File,
        io::{Read, Write},
        process::{Command, Stdio, id},
    };

    #[test]
    fn a_child_is_alive_until_it_exits_not_until_it_is_reaped() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let held = Pidfd::open(child.id() as i32).unwrap();
        assert!(held.is_alive());
        drop(child.stdin.take());
        while held.is_alive() {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!held.is_alive());
        assert!(Pidfd::open(-1).is_err());
    }

    #[test]
    fn a_descriptor_can_be_fetched_by_its_number() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let own = Pidfd::open(id() as i32).unwrap();
        let fetched = own.fetch(writer.as_raw_fd()).unwrap();
        drop(writer);
        File::from(fetched).write_all(b"late").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "late");
        assert!(own.fetch(1 << 20).is_err());
    }
}
