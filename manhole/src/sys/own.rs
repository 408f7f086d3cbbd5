//! Descriptors of ours in a table that may be the host's as well.
//!
//! A host that closes every number it finds closes ours with them, and what it opens next gets the
//! same numbers. Where the table could not be left (see [`table`](super::table)) each descriptor
//! that we keep is therefore looked at before it is used, and before it is closed: one that is not
//! what it was is never touched again, and whoever asks for it is told [`Lost`]. In a table of our
//! own nothing of this is needed, and it costs nothing.
//!
//! Between the look and the use lies less than a microsecond in which the host may still come: no
//! system call does both. Directories of /proc that are being listed are not looked at.

use super::fork::{self, Recorded};
use nix::sys::stat::fstat;
use std::{
    error, fmt,
    io::{self, Read},
    mem::ManuallyDrop,
    os::fd::{AsFd, BorrowedFd},
};

/// What a descriptor refers to: device and inode.
type Identity = (u64, u64);

/// An owned descriptor, closed when dropped if it still is the one that it was.
#[derive(Debug)]
pub(crate) struct Own<T: AsFd> {
    fd: ManuallyDrop<T>,
    /// With a shared table only. The default is nobody's: what could not even be looked at once.
    identity: Option<Identity>,
    recorded: Option<Recorded>,
}

impl<T: AsFd> Own<T> {
    /// Takes care of a descriptor that was opened this moment. With a shared table forked children
    /// close it as well; a system call each for that.
    pub(crate) fn new(fd: T) -> Self {
        Self {
            identity: fork::is_table_shared().then(|| identity(&fd).unwrap_or_default()),
            recorded: fork::record(&fd),
            fd: ManuallyDrop::new(fd),
        }
    }

    /// The descriptor, to be used at once. With a shared table a system call, 0.2 us.
    ///
    /// # Errors
    /// [`Lost`] when the number is not ours any more.
    pub(crate) fn get(&self) -> io::Result<&T> {
        match self.is_ours() {
            true => Ok(&self.fd),
            false => Err(lost()),
        }
    }

    fn is_ours(&self) -> bool {
        let still = |own| identity(&*self.fd) == Some(own);
        self.identity.is_none_or(still)
    }
}

/// Without a look: for calls that change nothing, whatever the number stands for by now.
impl<T: AsFd> AsFd for Own<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: AsFd> Read for Own<T>
where
    for<'a> &'a T: Read,
{
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.get()?.read(buffer)
    }
}

impl<T: AsFd> Drop for Own<T> {
    fn drop(&mut self) {
        drop(self.recorded.take()); // first: see `fork::record`
        if self.is_ours() {
            // SAFETY: this is the end of `self`, so nobody uses the field again, and `drop` runs once.
            unsafe { ManuallyDrop::drop(&mut self.fd) };
        }
    }
}

fn identity(fd: impl AsFd) -> Option<Identity> {
    fstat(fd).ok().map(|stat| (stat.st_dev, stat.st_ino))
}

/// A descriptor of ours is another's by now, or gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the process closed descriptors that are not its own: the console's, which could not leave its table",
        )
    }
}

impl error::Error for Lost {}

/// [`Lost`] where an `io::Error` is wanted.
pub(crate) fn lost() -> io::Error {
    io::Error::other(Lost)
}

/// Whether that is what is wrong: then trying again is of no use.
pub(crate) fn is_lost(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Lost>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;
    use nix::unistd::{close, dup2_raw};
    use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

    fn pair() -> (OwnedFd, OwnedFd) {
        let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        (one.into(), other.into())
    }

    /// What `fd` refers to.
    fn behind(fd: RawFd) -> Option<Identity> {
        // SAFETY: the number is only looked at, by fstat, which says EBADF if it is not open.
        identity(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// Puts `new` under the number `old`.
    fn replace(old: RawFd, new: OwnedFd) {
        // SAFETY: what is under the number belongs to an `Own`, which is what is tried here.
        let placed = unsafe { dup2_raw(&new, old) };
        let _ = placed.map(IntoRawFd::into_raw_fd);
    }

    #[test]
    fn what_took_the_place_of_ours_is_neither_used_nor_closed() {
        in_a_child(|| {
            fork::table_is_shared();
            let (ours, theirs) = pair();
            let number = ours.as_raw_fd();
            let own = Own::new(ours);
            let before = own.get().is_ok();
            let foreign = identity(&theirs);
            replace(number, theirs);
            let error = own.get().err();
            drop(own);
            before && error.is_some_and(|error| is_lost(&error)) && behind(number) == foreign
        });
    }

    #[test]
    fn what_is_closed_already_is_not_closed_again() {
        in_a_child(|| {
            fork::table_is_shared();
            let (ours, _theirs) = pair();
            let number = ours.as_raw_fd();
            let own = Own::new(ours);
            let closed = close(number).is_ok();
            let gone = own.get().is_err();
            drop(own);
            closed && gone && behind(number).is_none()
        });
    }

    #[test]
    fn ours_are_closed_at_the_end_with_either_kind_of_table() {
        for shared in [false, true] {
            in_a_child(move || {
                if shared {
                    fork::table_is_shared();
                }
                let (ours, _theirs) = pair();
                let number = ours.as_raw_fd();
                let own = Own::new(ours);
                let used = own.get().is_ok();
                drop(own);
                used && behind(number).is_none()
            });
        }
    }

    #[test]
    fn with_a_table_of_our_own_nothing_is_looked_at() {
        let (ours, _theirs) = pair();
        assert_eq!(Own::new(ours).identity, None);
        let plain = io::Error::from_raw_os_error(nix::libc::EBADF);
        assert!(!is_lost(&plain) && is_lost(&lost()));
    }
}
