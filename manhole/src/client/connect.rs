//! Connecting to a console, and making sure that it is the right one before a byte is sent.
//!
//! A hostile container can put a symbolic link to a socket of the host where a console's socket is
//! expected, and a pid can be reused between two looks. So the process is pinned first, its socket
//! is opened below its own root without following links, the connection goes to that very inode
//! through `/proc/self/fd`, and then the kernel's word on who listens must match the target.

use std::{
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    errno::Errno,
    fcntl::OFlag,
    sys::{
        socket::{
            self, AddressFamily, SockFlag, SockType, UnixAddr, getsockopt, setsockopt, sockopt,
        },
        stat::SFlag,
        time::{TimeVal, TimeValLike},
    },
    unistd::geteuid,
};

use super::{
    helper,
    proc::{self, Pinned, Status},
    rooted::{Root, is_kind},
    trouble::{Kind, Trouble},
};

/// A connection costs the server one accept; one that cannot do that in this time hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// A console that changed its user listens anew at its first accept after that.
const LISTENS_ANEW: Duration = Duration::from_millis(100);

/// Where a console is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The process, as we number it.
    pub pid: i32,
    /// Its socket, as the process sees the path.
    pub path: PathBuf,
}

/// A connection whose other end was checked.
#[derive(Debug)]
pub struct Connected {
    /// The connection; nothing has been sent yet.
    pub stream: UnixStream,
    /// The process that listens, as we number it; 0 when it lies outside of our namespaces.
    pub pid: i32,
    /// Its effective user id.
    pub uid: u32,
}

/// Connects to the console at `place`.
///
/// `ourselves` are the words by which this program starts itself as a `helper`; it is needed for
/// containers in which our own user id means nothing.
///
/// # Errors
/// `NoTarget` when nobody is there or somebody else is, `Refused` when the socket is not for us,
/// `TimedOut` when it does not accept.
pub fn connect(place: &Place, ourselves: &[&str]) -> Result<Connected, Trouble> {
    match attempt(place, ourselves) {
        Err(Mismatch::Other(trouble)) => Err(trouble),
        Ok(connected) => Ok(connected),
        Err(Mismatch::Uid(_)) => {
            std::thread::sleep(LISTENS_ANEW);
            attempt(place, ourselves).map_err(|mismatch| match mismatch {
                Mismatch::Other(trouble) | Mismatch::Uid(trouble) => trouble,
            })
        }
    }
}

/// Why an attempt failed: a wrong user id may be the right one in a moment.
enum Mismatch {
    Uid(Trouble),
    Other(Trouble),
}

impl From<Trouble> for Mismatch {
    fn from(trouble: Trouble) -> Self {
        Mismatch::Other(trouble)
    }
}

fn attempt(place: &Place, ourselves: &[&str]) -> Result<Connected, Mismatch> {
    let gone = |_| Trouble::new(Kind::NoTarget, format!("process {} has gone", place.pid));
    let pinned = Pinned::new(place.pid).map_err(gone)?;
    let status = pinned.status().map_err(gone)?;
    let root = Root::of(pinned.dir()).map_err(gone)?;
    let socket = match open_socket(&root, &place.path) {
        Err(trouble) if root.borrowed && trouble.kind == Kind::NoTarget => {
            let text = format!(
                "the files of process {} cannot be seen by us, and {} is not there for everybody",
                place.pid,
                place.path.display()
            );
            return Err(Trouble::new(Kind::Refused, text).into());
        }
        other => other?,
    };
    let foreign = geteuid().is_root() && !proc::is_mapped(place.pid, 0);
    let stream = match foreign {
        true => helper::connect_as(&socket, status.uid, status.gid, ourselves),
        false => connect_to(&socket),
    };
    let stream = stream.map_err(|error| explain(&place.path, &error))?;
    let connected = peer(stream).map_err(|error| explain(&place.path, &error))?;
    check(place, &status, &connected)?;
    pinned.status().map_err(gone)?;
    Ok(connected)
}

/// Connects to a socket that the user named by its path. Whoever listens there is the target, so
/// there is nothing to compare; the caller says who it is.
///
/// # Errors
/// As [`connect`].
pub fn connect_path(path: &Path) -> Result<Connected, Trouble> {
    let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
    let socket = nix::fcntl::open(path, flags, nix::sys::stat::Mode::empty())
        .map_err(|errno| explain(path, &errno.into()))?;
    if !is_kind(&socket, SFlag::S_IFSOCK) {
        return Err(Trouble::new(
            Kind::NoTarget,
            format!("{} is no socket", path.display()),
        ));
    }
    let stream = connect_to(&socket).map_err(|error| explain(path, &error))?;
    peer(stream).map_err(|error| explain(path, &error))
}

fn open_socket(root: &Root, path: &Path) -> Result<OwnedFd, Trouble> {
    let socket = root
        .open(path, OFlag::O_PATH)
        .map_err(|error| explain(path, &error))?;
    match is_kind(&socket, SFlag::S_IFSOCK) {
        true => Ok(socket),
        false => Err(Trouble::new(
            Kind::NoTarget,
            format!("{} is no socket", path.display()),
        )),
    }
}

/// An unconnected stream socket whose `connect` and writes give up after a second.
pub(super) fn new_socket() -> io::Result<OwnedFd> {
    let fd = socket::socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // A full backlog makes connect() wait, for ever if the server hangs.
    let patience = TimeVal::milliseconds(PATIENCE.as_millis() as i64);
    setsockopt(&fd, sockopt::SendTimeout, &patience)?;
    Ok(fd)
}

/// Whether nobody listens on the socket inode `target`; tried by connecting, no byte is sent.
pub fn is_refused(target: &OwnedFd) -> bool {
    let refused = Some(Errno::ECONNREFUSED as i32);
    connect_to(target).is_err_and(|error| error.raw_os_error() == refused)
}

fn connect_to(target: &OwnedFd) -> io::Result<UnixStream> {
    let fd = new_socket()?;
    connect_fd(fd.as_raw_fd(), target.as_raw_fd())?;
    Ok(UnixStream::from(fd))
}

/// Connects socket `from` to the inode that descriptor `to` holds: no second look-up, and no limit
/// on the length of its path.
pub(super) fn connect_fd(from: i32, to: i32) -> io::Result<()> {
    let address = UnixAddr::new(format!("/proc/self/fd/{to}").as_str())?;
    Ok(socket::connect(from, &address)?)
}

fn peer(stream: UnixStream) -> io::Result<Connected> {
    let credentials = getsockopt(&stream, sockopt::PeerCredentials)?;
    Ok(Connected {
        stream,
        pid: credentials.pid(),
        uid: credentials.uid(),
    })
}

fn check(place: &Place, expected: &Status, found: &Connected) -> Result<(), Mismatch> {
    let name = super::safe_name(&expected.comm);
    let wrong = |what: &str, found: String, expected: String| {
        Trouble::new(
            Kind::NoTarget,
            format!(
                "not connected: {} is served by {what} {found}, not by {expected} ({name})",
                place.path.display(),
            ),
        )
        .detail("its directory may have been tampered with; nothing was sent")
    };
    if found.pid != place.pid {
        let trouble = wrong("process", found.pid.to_string(), place.pid.to_string());
        return Err(Mismatch::Other(trouble));
    }
    if found.uid != expected.uid {
        let trouble = wrong("uid", found.uid.to_string(), expected.uid.to_string());
        return Err(Mismatch::Uid(trouble));
    }
    Ok(())
}

/// What an error of opening or connecting means.
fn explain(path: &Path, error: &io::Error) -> Trouble {
    let what = format!("failed to connect to {}", path.display());
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES | Errno::EPERM) => Trouble::io(Kind::Refused, what, error),
        Some(Errno::EAGAIN | Errno::ETIMEDOUT) => Trouble::new(
            Kind::TimedOut,
            format!("{what}: it did not accept within 1 s"),
        )
        .detail("the process may be stopped, or its console hangs"),
        Some(Errno::ELOOP) => Trouble::new(
            Kind::NoTarget,
            format!("{what}: a symbolic link is in the way, which is not followed"),
        ),
        Some(Errno::ECONNREFUSED) => Trouble::io(Kind::NoTarget, what, error)
            .detail("nobody listens there any more: manhole-cli clean removes such sockets"),
        _ => Trouble::io(Kind::NoTarget, what, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn listener(name: &str) -> (PathBuf, UnixListener) {
        let path =
            std::env::temp_dir().join(format!("manhole-connect-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        (path, listener)
    }

    fn me() -> i32 {
        std::process::id() as i32
    }

    #[test]
    fn the_right_process_is_connected_to() {
        let (path, _listener) = listener("right");
        let place = Place {
            pid: me(),
            path: path.clone(),
        };
        let connected = connect(&place, &[]).unwrap();
        assert_eq!((connected.pid, connected.uid), (me(), geteuid().as_raw()));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_socket_of_another_process_is_refused_before_a_byte_is_sent() {
        let (path, listener) = listener("wrong");
        let mut other = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let place = Place {
            pid: other.id() as i32,
            path: path.clone(),
        };
        let trouble = connect(&place, &[]).unwrap_err();
        assert_eq!(trouble.kind, Kind::NoTarget);
        assert!(trouble.text.contains("is served by process"), "{trouble}");
        let (mut accepted, _) = listener.accept().unwrap();
        let mut sent = Vec::new();
        io::Read::read_to_end(&mut accepted, &mut sent).unwrap();
        assert_eq!(sent, b"");
        other.kill().unwrap();
        other.wait().unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn links_files_and_stale_sockets_are_told_apart() {
        let (path, listener) = listener("kinds");
        let check = |path: &Path, expected: &str| {
            let place = Place {
                pid: me(),
                path: path.to_owned(),
            };
            let trouble = connect(&place, &[]).unwrap_err();
            assert_eq!(trouble.kind, Kind::NoTarget);
            assert!(trouble.text.contains(expected), "{trouble}");
        };
        let link = path.with_extension("link");
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(&path, &link).unwrap();
        check(&link, "is no socket");
        check(Path::new("/proc/self/status"), "symbolic link");
        check(Path::new("/etc/hostname"), "is no socket");
        check(Path::new("/nonexistent/1.sock"), "no such file");
        drop(listener);
        check(&path, "connection refused");
        std::fs::remove_file(link).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_full_backlog_does_not_hang_us() {
        let (path, listener) = listener("backlog");
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        let place = Place {
            pid: me(),
            path: path.clone(),
        };
        let first = connect(&place, &[]).unwrap();
        let trouble = connect(&place, &[]).unwrap_err();
        assert_eq!(trouble.kind, Kind::TimedOut, "{trouble}");
        drop(first);
        std::fs::remove_file(path).unwrap();
    }
}
