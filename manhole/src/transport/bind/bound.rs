//! Steps 6 and 7: a socket that listens, whether clients still find it, and its end.

use super::{Refusal, directory::is_kind, lock::LOCK, name::listen_with_queue};
use crate::sys::{self, own::Own};
use nix::{
    sys::{
        socket::{SockType, UnixAddr, getsockname, getsockopt, sockopt},
        stat::{FileStat, SFlag, lstat},
    },
    unistd::unlink,
};
use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixListener,
    },
    path::{Path, PathBuf},
};

/// A listening socket and what it takes to notice that it no longer is where it should be.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: Own<UnixListener>,
    place: String,
    /// The path of a socket that was handed in: whoever bound it looks after the file.
    handed_in: Option<PathBuf>,
    mark: Option<Mark>,
    euid: u32,
    pid: u32,
    /// Held for its shared lock.
    _directory: Option<Own<OwnedFd>>,
    refusals: Vec<String>,
}

/// What [`Bound::check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Clients find us, under our present uid.
    Fine,
    /// They do not: call [`Bound::relisten`] and bind anew. The reason as a clause, for the log.
    Moved(String),
}

impl Bound {
    pub(super) fn new(
        socket: OwnedFd,
        path: PathBuf,
        stat: &FileStat,
        directory: Option<OwnedFd>,
    ) -> Self {
        Self {
            listener: Own::new(socket.into()),
            place: path.display().to_string(),
            handed_in: None,
            mark: Some(Mark {
                path,
                inode: (stat.st_dev, stat.st_ino),
                pid: std::process::id(),
                with_directory: false,
            }),
            euid: sys::euid(),
            pid: std::process::id(),
            _directory: directory.map(Own::new),
            refusals: Vec::new(),
        }
    }

    /// Takes a duplicate of a socket that the host bound. It listens from now on with our queue
    /// and our credentials: with systemd's, clients would see root.
    pub(super) fn adopt(fd: &OwnedFd) -> io::Result<Self> {
        let address = match (
            getsockname::<UnixAddr>(fd.as_raw_fd()),
            getsockopt(fd, sockopt::SockType),
        ) {
            (Ok(address), Ok(SockType::Stream)) => address,
            _ => return Err(io::Error::other("it is no Unix stream socket")),
        };
        let listener = UnixListener::from(fd.try_clone()?);
        listener.set_nonblocking(true)?;
        listen_with_queue(&listener)?;
        Ok(Self {
            listener: Own::new(listener),
            place: shown(&address),
            handed_in: address
                .path()
                .filter(|path| path.is_absolute())
                .map(Into::into),
            mark: None,
            euid: sys::euid(),
            pid: std::process::id(),
            _directory: None,
            refusals: Vec::new(),
        })
    }

    /// The directory goes with the socket file.
    pub(super) fn with_directory(mut self) -> Self {
        if let Some(mark) = &mut self.mark {
            mark.with_directory = true;
        }
        self
    }

    pub(super) fn after(mut self, refusals: &[Refusal]) -> Self {
        self.refusals = refusals.iter().map(Refusal::to_string).collect();
        self
    }

    /// The socket; non-blocking.
    ///
    /// # Errors
    /// [`sys::own::Lost`].
    pub(crate) fn listener(&self) -> io::Result<&UnixListener> {
        self.listener.get()
    }

    /// Where clients find it; `None` for one that was handed in and has no absolute path.
    pub(crate) fn path(&self) -> Option<&Path> {
        let own = self.mark.as_ref().map(|mark| mark.path.as_path());
        own.or(self.handed_in.as_deref())
    }

    /// The same for people, also for abstract names.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Why the better places were not taken, as `path: reason`.
    pub(crate) fn refusals(&self) -> &[String] {
        &self.refusals
    }

    /// Whether clients that look for us still find this socket. One `lstat`, about 1 us.
    pub(crate) fn check(&self) -> Check {
        let (euid, pid) = (sys::euid(), std::process::id());
        if pid != self.pid {
            return Check::Moved(format!("the process is {pid} now, it was {}", self.pid));
        }
        if euid != self.euid {
            return Check::Moved(format!(
                "the effective uid is {euid} now, it was {}",
                self.euid
            ));
        }
        match self.mark.as_ref().map(Mark::look) {
            None | Some(Ok(true)) => Check::Fine,
            Some(Ok(false)) => Check::Moved(format!("{} was replaced", self.place)),
            Some(Err(errno)) => Check::Moved(format!("{} is gone ({})", self.place, errno.desc())),
        }
    }

    /// Listens again, so that clients see our present credentials.
    pub(crate) fn relisten(&self) {
        // On a listening socket this sets the queue and the credentials and cannot fail.
        let _ = self.listener.get().map(listen_with_queue);
    }

    /// Takes our present ids as known, for a socket that stays where it is.
    pub(crate) fn settle(&mut self) {
        self.euid = sys::euid();
        self.pid = std::process::id();
    }

    /// Whether the path still leads here, whoever we are by now.
    pub(crate) fn is_in_place(&self) -> bool {
        self.mark.as_ref().is_none_or(Mark::is_in_place)
    }

    /// What is needed to remove the socket file later, from any thread; see [`Mark::remove`].
    pub(crate) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }
}

/// The file goes with the socket, on whichever way that ends; whoever is connected stays so.
impl Drop for Bound {
    fn drop(&mut self) {
        if let Some(mark) = &self.mark {
            mark.remove();
        }
    }
}

fn shown(address: &UnixAddr) -> String {
    match (address.path(), address.as_abstract()) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(name)) => format!("@{}", name.escape_ascii()),
        (None, None) => "an unnamed socket".to_owned(),
    }
}

/// A socket file by path and inode: plain data, so that the thread that ends the process can
/// remove it with no descriptor of ours at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    path: PathBuf,
    inode: (u64, u64),
    pid: u32,
    /// Whether the directory has a random name: of no use to the next process, it goes as well.
    with_directory: bool,
}

impl Mark {
    /// Whether the path leads to the inode; it cannot be another file's while we listen on it.
    fn look(&self) -> nix::Result<bool> {
        let stat = lstat(&self.path)?;
        Ok(is_kind(&stat, SFlag::S_IFSOCK) && (stat.st_dev, stat.st_ino) == self.inode)
    }

    /// Whether the path still leads to the file that was bound.
    pub(crate) fn is_in_place(&self) -> bool {
        self.look() == Ok(true)
    }

    /// Unlinks the file if it is the one that was bound, by this very process; whether it was.
    ///
    /// A few system calls, no waiting. To be called while the socket is still open: afterwards the
    /// file system may give the inode's number to another process's socket.
    pub(crate) fn remove(&self) -> bool {
        let ours = std::process::id() == self.pid && self.is_in_place();
        let removed = ours && unlink(&self.path).is_ok();
        if removed && self.with_directory {
            self.remove_directory();
        }
        removed
    }

    fn remove_directory(&self) {
        if let Some(directory) = self.path.parent() {
            let _ = fs::remove_file(directory.join(LOCK));
            let _ = fs::remove_dir(directory);
        }
    }
}
