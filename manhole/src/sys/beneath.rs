//! Opening a path below a directory without being led out of it, and connecting to what is there.
//!
//! For the client, which looks into directories that a hostile container may have prepared.

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2},
    sys::{
        socket::{
            AddressFamily, SockFlag, SockType, UnixAddr, connect, setsockopt, socket,
            sockopt::SendTimeout,
        },
        stat::{Mode, SFlag, fstat},
        time::TimeVal,
    },
};
use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Component, Path},
    time::Duration,
};

/// Opens `path`, absolute or not, as seen from `root`, following no symbolic link anywhere.
///
/// # Errors
/// ELOOP when a component is a symbolic link; otherwise what `open` says.
pub(crate) fn open_beneath(root: impl AsFd, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let flags = flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
    let how = OpenHow::new()
        .flags(flags)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS);
    let opened = match openat2(root.as_fd(), path, how) {
        // Linux before 5.6, or a sandbox that does not know the call.
        Err(Errno::ENOSYS | Errno::EPERM) => walk(root.as_fd(), path, flags)?,
        opened => opened?,
    };
    // With O_PATH and O_NOFOLLOW a link in the last place is opened as itself.
    match kind(&opened)? {
        SFlag::S_IFLNK => Err(Errno::ELOOP.into()),
        _ => Ok(opened),
    }
}

/// The same by hand: each component opened in the directory before it.
fn walk(root: BorrowedFd<'_>, path: &Path, flags: OFlag) -> io::Result<OwnedFd> {
    let mut names: Vec<&OsStr> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => return Err(Errno::EXDEV.into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    let last = names.pop().unwrap_or(OsStr::new("."));
    let step = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut dir = root.try_clone_to_owned()?;
    for name in names {
        dir = openat(&dir, name, step, Mode::empty()).map_err(|errno| linked(&dir, name, errno))?;
    }
    Ok(openat(&dir, last, flags, Mode::empty())?)
}

/// O_DIRECTORY with O_NOFOLLOW says ENOTDIR of a link; openat2 says ELOOP.
fn linked(dir: &OwnedFd, name: &OsStr, errno: Errno) -> Errno {
    let itself = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let is_link = errno == Errno::ENOTDIR
        && openat(dir, name, itself, Mode::empty())
            .and_then(|fd| kind(&fd))
            .is_ok_and(|kind| kind == SFlag::S_IFLNK);
    if is_link { Errno::ELOOP } else { errno }
}

fn kind(fd: &OwnedFd) -> Result<SFlag, Errno> {
    Ok(SFlag::from_bits_truncate(
        fstat(fd)?.st_mode & SFlag::S_IFMT.bits(),
    ))
}

/// Connects to the socket that an O_PATH descriptor holds: no second look-up that could end
/// elsewhere, and no limit on the length of its path.
///
/// # Errors
/// WouldBlock when the server took longer than `patience` to accept; otherwise what `connect`
/// says, ECONNREFUSED when nobody listens.
pub(crate) fn connect_held(socket_path: impl AsFd, patience: Duration) -> io::Result<UnixStream> {
    let number = socket_path.as_fd().as_raw_fd();
    let address = UnixAddr::new(format!("/proc/thread-self/fd/{number}").as_str())?;
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // connect() waits for room in the server's queue as long as a send would.
    let micros = i64::try_from(patience.as_micros())
        .unwrap_or(i64::MAX)
        .max(1);
    let patience = TimeVal::new(micros / 1_000_000, micros % 1_000_000);
    setsockopt(&fd, SendTimeout, &patience)?;
    connect(fd.as_raw_fd(), &address)?;
    setsockopt(&fd, SendTimeout, &TimeVal::new(0, 0))?;
    Ok(fd.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::Scratch;
    use std::{
        fs::{self, File},
        os::unix::{fs::symlink, net::UnixListener},
    };

    /// Both ways must say the same.
    fn check(root: &Path, path: &str, expected: Result<(), Errno>) {
        let root = File::open(root).unwrap();
        let plain = |result: io::Result<OwnedFd>| {
            result
                .map(drop)
                .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap()))
        };
        let by_kernel = open_beneath(&root, path.as_ref(), OFlag::O_PATH);
        assert_eq!(plain(by_kernel), expected, "{path}");
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let by_hand = walk(root.as_fd(), path.as_ref(), flags).and_then(|fd| match kind(&fd)? {
            SFlag::S_IFLNK => Err(Errno::ELOOP.into()),
            _ => Ok(fd),
        });
        assert_eq!(plain(by_hand), expected, "{path} by hand");
    }

    #[test]
    fn links_lead_nowhere() {
        let scratch = Scratch::new();
        let root = scratch.path();
        fs::create_dir_all(root.join("run/manhole")).unwrap();
        File::create(root.join("run/manhole/1.sock")).unwrap();
        symlink("/etc", root.join("etc")).unwrap();
        symlink("/etc/passwd", root.join("run/2.sock")).unwrap();
        check(root, "/run/manhole/1.sock", Ok(()));
        check(root, "run/./manhole//1.sock", Ok(()));
        check(root, "/etc/passwd", Err(Errno::ELOOP));
        check(root, "/run/2.sock", Err(Errno::ELOOP));
        check(root, "/run/3.sock", Err(Errno::ENOENT));
        check(root, "/run/manhole/1.sock/x", Err(Errno::ENOTDIR));
    }

    #[test]
    fn a_long_path_connects_and_a_full_queue_times_out() {
        let scratch = Scratch::new();
        let mut dir = scratch.path().to_owned();
        let listener = UnixListener::bind(dir.join("s")).unwrap();
        nix::sys::socket::listen(&listener, nix::sys::socket::Backlog::new(0).unwrap()).unwrap();
        dir.push("x".repeat(120));
        fs::create_dir(&dir).unwrap();
        fs::rename(scratch.path().join("s"), dir.join("s")).unwrap();
        let root = File::open(scratch.path()).unwrap();
        let path = dir.strip_prefix(scratch.path()).unwrap().join("s");
        let held = open_beneath(&root, &path, OFlag::O_PATH).unwrap();
        let _first = connect_held(&held, Duration::from_secs(5)).unwrap();
        let second = connect_held(&held, Duration::from_millis(20)).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::WouldBlock);
    }
}
