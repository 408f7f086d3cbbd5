//! Steps 3 to 5: the socket under its final name, never over somebody else's.

use super::{
    Bound, Refusal,
    candidates::eight_hex_digits,
    directory::{self, Directory, is_kind, is_ours, is_still_at, mode_of},
    lock,
};
use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::{
        socket::{
            AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
        },
        stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstatat},
    },
    unistd::{UnlinkatFlags, unlinkat},
};
use std::{
    ffi::{OsStr, OsString},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
    thread::sleep,
    time::Duration,
};

/// `sun_path` has 108 bytes, the last of which is NUL.
const LONGEST: usize = 107;
/// Connections that wait for `accept`.
const WAITING: i32 = 16;
/// Names tried before a directory is given up.
const TRIES: usize = 4;

/// Whether the socket's first name fits below `directory`.
pub(super) fn check_length(directory: &Path) -> Result<(), Refusal> {
    let length = directory.join(own_name()).as_os_str().as_bytes().len();
    match length > LONGEST {
        true => Err(too_long(directory, length)),
        false => Ok(()),
    }
}

fn too_long(path: &Path, length: usize) -> Refusal {
    let reason = format!("a socket's path there has {length} bytes; the system takes {LONGEST}");
    Refusal::new(path, reason)
}

fn own_name() -> OsString {
    format!("{}.sock", std::process::id()).into()
}

fn other_name() -> OsString {
    format!("{}-{}.sock", std::process::id(), eight_hex_digits()).into()
}

/// Binds and listens as `<pid>.sock` in a directory that is ours, or as `<pid>-<8 hex>.sock` when
/// that name is taken or cannot be locked.
pub(super) fn in_directory(directory: Directory, mode: Mode) -> Result<Bound, Refusal> {
    lock::share(&directory);
    let lock = lock::take(&directory);
    let first = if lock.is_some() {
        own_name()
    } else {
        other_name()
    };
    let (socket, name, stat) = bind_one_of(&directory, first, Some(other_name), mode)?;
    let path = directory.path.join(&name);
    listen_on(&directory, &socket, &name)?;
    drop(lock);
    Ok(Bound::new(socket, path, &stat, Some(directory.fd)))
}

/// Binds and listens at `path`; what is in the way and not ours, or alive, stays there.
pub(super) fn exactly(path: &Path, mode: Mode) -> Result<Bound, Refusal> {
    let (parent, name) = directory::parent_of(path)?;
    let length = path.as_os_str().as_bytes().len();
    if length > LONGEST {
        return Err(too_long(path, length));
    }
    let directory = directory::open_existing(parent).map_err(|refusal| Refusal {
        path: path.to_owned(),
        ..refusal
    })?;
    let guarded = lock::share(&directory);
    let (socket, name, stat) = bind_one_of(&directory, name.to_owned(), None, mode)?;
    listen_on(&directory, &socket, &name)?;
    let kept = guarded.then_some(directory.fd);
    Ok(Bound::new(socket, path.to_owned(), &stat, kept))
}

/// Tries `name`, and when it is taken others from `spare`.
fn bind_one_of(
    directory: &Directory,
    mut name: OsString,
    spare: Option<fn() -> OsString>,
    mode: Mode,
) -> Result<(OwnedFd, OsString, FileStat), Refusal> {
    let socket = new_socket(mode).map_err(Refusal::errno(&directory.path, "socket"))?;
    for _ in 0..TRIES {
        match claim(directory, &socket, &name)? {
            Claim::Bound => {
                let stat = verify(directory, &name, mode)?;
                return Ok((socket, name, stat));
            }
            Claim::Again => {}
            Claim::Taken(refusal) => name = spare.ok_or(refusal)?(),
        }
    }
    let reason = format!("{TRIES} names were taken as fast as they were tried");
    Err(Refusal::new(&directory.path, reason))
}

/// The mode is the inode's before it has a name: there is no moment in which it is another.
fn new_socket(mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    fchmod(&fd, mode)?;
    Ok(fd)
}

/// What became of an attempt to take a name.
enum Claim {
    Bound,
    /// What was in the way is gone.
    Again,
    Taken(Refusal),
}

fn claim(directory: &Directory, socket: &OwnedFd, name: &OsStr) -> Result<Claim, Refusal> {
    let path = directory.path.join(name);
    let address = UnixAddr::new(&path)
        .map_err(|_| too_long(&directory.path, path.as_os_str().as_bytes().len()))?;
    match bind(socket.as_raw_fd(), &address) {
        Ok(()) => Ok(Claim::Bound),
        Err(Errno::EADDRINUSE) => in_the_way(directory, name, &path, &address),
        Err(errno) => Err(Refusal::errno(&directory.path, "bind")(errno)),
    }
}

/// Step 4. A live socket is never removed: a process of another pid namespace may share the
/// directory and the number.
fn in_the_way(
    directory: &Directory,
    name: &OsStr,
    path: &Path,
    address: &UnixAddr,
) -> Result<Claim, Refusal> {
    let stat = match fstatat(&directory.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(Claim::Again),
        stat => stat.map_err(Refusal::errno(path, "stat"))?,
    };
    if !is_kind(&stat, SFlag::S_IFSOCK) || !is_ours(&stat) {
        let reason = "is there already and is no socket of ours";
        return Ok(Claim::Taken(Refusal::new(path, reason)));
    }
    if !is_stale(address)
        || !(directory.private || is_stale_for_good(directory, name, &stat, address))
    {
        return Ok(Claim::Taken(Refusal::new(
            path,
            "another process listens there",
        )));
    }
    match unlinkat(&directory.fd, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(Claim::Again),
        Err(errno) => Err(Refusal::errno(path, "unlink")(errno)),
    }
}

/// ECONNREFUSED and nothing else: EAGAIN is a full queue, and what we cannot ask may be alive.
fn is_stale(address: &UnixAddr) -> bool {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let probe = socket(AddressFamily::Unix, SockType::Stream, flags, None);
    probe.and_then(|fd| connect(fd.as_raw_fd(), address)) == Err(Errno::ECONNREFUSED)
}

/// Beside an exact path lies no lock file: whoever binds there this moment gets time to listen.
fn is_stale_for_good(
    directory: &Directory,
    name: &OsStr,
    seen: &FileStat,
    address: &UnixAddr,
) -> bool {
    sleep(Duration::from_millis(20));
    let again = fstatat(&directory.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    again.is_ok_and(|again| (again.st_dev, again.st_ino) == (seen.st_dev, seen.st_ino))
        && is_stale(address)
}

/// Step 5: what we bound is what clients will find, with the mode that was meant.
fn verify(directory: &Directory, name: &OsStr, mode: Mode) -> Result<FileStat, Refusal> {
    let path = directory.path.join(name);
    let look = || fstatat(&directory.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW);
    let stat = look().map_err(Refusal::errno(&path, "stat"))?;
    if !is_kind(&stat, SFlag::S_IFSOCK) || !is_ours(&stat) {
        return Err(Refusal::new(&path, "was replaced while we bound it"));
    }
    if !is_still_at(&directory.fd, &directory.path) {
        return Err(Refusal::new(
            &directory.path,
            "was replaced while we bound in it",
        ));
    }
    // bind() applies the umask. The entry cannot be a link by now: nobody else can replace it.
    if mode_of(&stat) != mode {
        fchmodat(&directory.fd, name, mode, FchmodatFlags::FollowSymlink)
            .map_err(Refusal::errno(&path, "chmod"))?;
    }
    Ok(stat)
}

fn listen_on(directory: &Directory, socket: &OwnedFd, name: &OsStr) -> Result<(), Refusal> {
    listen_with_queue(socket).map_err(|errno| {
        let _ = unlinkat(&directory.fd, name, UnlinkatFlags::NoRemoveDir);
        Refusal::errno(&directory.path, "listen")(errno)
    })
}

/// Also what makes clients see our present credentials: they are noted at each `listen`.
pub(super) fn listen_with_queue(socket: &impl AsFd) -> Result<(), Errno> {
    listen(socket, Backlog::new(WAITING)?)
}
