//! Step 1: a directory that is ours alone, in a place where nobody can swap it.

use super::{Refusal, candidates::Candidate};
use crate::{sys, transport::credentials::Anybody};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, open as open_path, openat},
    sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, fchmod, fchmodat, fstat, fstatat, mkdirat},
};
use std::{
    ffi::OsStr,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// A directory that passed the checks, held open.
#[derive(Debug)]
pub(super) struct Directory {
    pub path: PathBuf,
    pub fd: OwnedFd,
    /// Whether it is ours: a lock on it then keeps tmp cleaners off and disturbs nobody.
    pub ours: bool,
    /// Whether only we write to it, so that a lock file may lie there.
    pub private: bool,
}

/// What a stat says about kind, owner and mode.
pub(super) fn is_kind(stat: &FileStat, kind: SFlag) -> bool {
    SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) == kind
}

pub(super) fn is_ours(stat: &FileStat) -> bool {
    stat.st_uid == sys::euid()
}

/// The mode without the kind.
pub(super) fn mode_of(stat: &FileStat) -> Mode {
    Mode::from_bits_truncate(stat.st_mode)
}

fn writable_by_others(stat: &FileStat) -> bool {
    mode_of(stat).intersects(Mode::S_IWGRP | Mode::S_IWOTH)
}

/// Opens the candidate, made with `mode` if it is not there.
pub(super) fn open(candidate: &Candidate, mode: Mode) -> Result<Directory, Refusal> {
    let path = &candidate.path;
    let (parent, name) = parent_of(path)?;
    let parent = open_parent(path, parent, !candidate.given)?;
    let made = make(&parent, name, mode).map_err(Refusal::errno(path, "mkdir"))?;
    let fd = open_own(
        path,
        &parent,
        name,
        (made || !candidate.given).then_some(mode),
    )?;
    let stat = fstat(&fd).map_err(Refusal::errno(path, "stat"))?;
    if !is_ours(&stat) {
        return Err(foreign(path, &stat));
    }
    if candidate.given && writable_by_others(&stat) {
        return Err(too_open(path, &stat));
    }
    if (made || !candidate.given) && !suits(mode_of(&stat), mode) {
        fchmod(&fd, mode).map_err(Refusal::errno(path, "chmod"))?;
    }
    Ok(Directory {
        path: path.clone(),
        fd,
        ours: true,
        private: true,
    })
}

/// Whether a directory may stay as it is. One that others may pass through is shared with a service
/// of this user that lets others in: to narrow it would shut them out, and to leave it open costs a
/// service that does not nothing, since its own socket has mode 0600.
fn suits(found: Mode, wanted: Mode) -> bool {
    found == wanted || found == super::candidates::PASSABLE
}

/// The directory of an exact path. Nothing is made or changed, and it need not be ours alone: a
/// path below /run or /tmp will do as long as nobody else can take our socket away.
pub(super) fn open_existing(path: &Path) -> Result<Directory, Refusal> {
    let fd = open_parent(path, path, false)?;
    let stat = fstat(&fd).map_err(Refusal::errno(path, "stat"))?;
    Ok(Directory {
        path: path.to_owned(),
        fd,
        ours: is_ours(&stat),
        private: false,
    })
}

/// An absolute path, taken apart.
pub(super) fn parent_of(path: &Path) -> Result<(&Path, &OsStr), Refusal> {
    let parts = path.parent().zip(path.file_name());
    match parts.filter(|_| path.is_absolute()) {
        Some(parts) => Ok(parts),
        None => Err(Refusal::new(path, "not an absolute path to a name")),
    }
}

/// A directory in which nobody but root and we can rename or remove what is ours.
fn open_parent(path: &Path, parent: &Path, well_known: bool) -> Result<OwnedFd, Refusal> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    // Without the right to list it, as in a 0711 directory, it can still be worked in.
    let fd = match open_path(parent, flags, Mode::empty()) {
        Err(Errno::EACCES) => open_path(parent, flags | OFlag::O_PATH, Mode::empty()),
        opened => opened,
    };
    let named = |what: &str| format!("{} {what}", parent.display());
    let fd = fd
        .map_err(|errno| Refusal::new(path, named(&format!("cannot be used: {}", errno.desc()))))?;
    let stat = fstat(&fd).map_err(Refusal::errno(path, "stat"))?;
    let trusted = stat.st_uid == 0 || is_ours(&stat) || (well_known && may_be_root(&stat));
    if !trusted {
        return Err(Refusal::new(
            path,
            named(&format!("belongs to uid {}", stat.st_uid)),
        ));
    }
    if writable_by_others(&stat) && !mode_of(&stat).contains(Mode::S_ISVTX) {
        return Err(Refusal::new(
            path,
            named("is writable by others and not sticky"),
        ));
    }
    Ok(fd)
}

/// In a user namespace that does not know the real root, as rootless sandboxes have it, /tmp is
/// root's and looks like anybody's: it is taken for root's, since otherwise nothing would be left.
/// A liar could take our name away; who comes in is decided by credentials all the same.
fn may_be_root(stat: &FileStat) -> bool {
    Anybody::of_our_namespace().is_some_and(|anybody| anybody.uid == stat.st_uid)
}

/// Whether the directory was made; it is no error when something is there already.
fn make(parent: &OwnedFd, name: &OsStr, mode: Mode) -> Result<bool, Errno> {
    match mkdirat(parent, name, mode) {
        Ok(()) => Ok(true),
        Err(Errno::EEXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Opens it without following a link. `repair` is the mode for one that a umask of 0777 made
/// unreadable to ourselves.
fn open_own(
    path: &Path,
    parent: &OwnedFd,
    name: &OsStr,
    repair: Option<Mode>,
) -> Result<OwnedFd, Refusal> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    let errno = match opened {
        Ok(fd) => return Ok(fd),
        Err(errno) => errno,
    };
    let stat = fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
        .map_err(Refusal::errno(path, "stat"))?;
    if !is_kind(&stat, SFlag::S_IFDIR) {
        return Err(Refusal::squatted(path, "is no directory"));
    }
    if !is_ours(&stat) {
        return Err(foreign(path, &stat));
    }
    match repair {
        // Nobody else can have replaced it since the stat: the parent saw to that. So following
        // links, which is the only way that needs no newer system call, follows none.
        Some(mode) if errno == Errno::EACCES => {
            fchmodat(parent, name, mode, FchmodatFlags::FollowSymlink)
                .and_then(|()| openat(parent, name, flags, Mode::empty()))
                .map_err(Refusal::errno(path, "chmod"))
        }
        _ => Err(Refusal::errno(path, "open")(errno)),
    }
}

fn foreign(path: &Path, stat: &FileStat) -> Refusal {
    Refusal::squatted(path, format!("belongs to uid {}", stat.st_uid))
}

fn too_open(path: &Path, stat: &FileStat) -> Refusal {
    let mode = mode_of(stat).bits();
    Refusal::new(
        path,
        format!("is writable by its group or others (mode {mode:04o})"),
    )
}

/// Whether `path` still leads to the directory that `fd` holds.
pub(super) fn is_still_at(fd: impl AsFd, path: &Path) -> bool {
    let held = fstat(fd);
    let found = nix::sys::stat::stat(path);
    let same = |held: FileStat, found: FileStat| {
        (held.st_dev, held.st_ino) == (found.st_dev, found.st_ino)
    };
    held.ok()
        .zip(found.ok())
        .is_some_and(|(held, found)| same(held, found))
}
