//! `clean`: removes the sockets that dead processes left, and never a live one.
//!
//! A socket is stale when the process it is named after is dead *and* nobody accepts on it. A
//! socket that was bound a moment ago does not accept yet, so both are looked at while holding the lock that a
//! console holds from before it binds until it listens. Directories of containers are left alone:
//! they end with their container.

use std::{
    ffi::OsStr,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use manhole::client::{
    Kind, Root, Trouble, directories, is_kind, is_refused, names_of, pid_of_name, pids, reason,
    status,
};
use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg, OFlag, openat},
    sys::stat::{Mode, SFlag, fstat},
    unistd::{UnlinkatFlags, geteuid, unlinkat},
};

use crate::{plain::escape, report::Outcome};

/// How long to wait for the lock of a directory; a console holds it for less than a millisecond.
const PATIENCE: Duration = Duration::from_millis(200);

/// A socket that nobody serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) path: PathBuf,
}

/// The stale sockets in the default directories of our own root, without locks: for counting.
pub(crate) fn stale() -> Vec<Stale> {
    let Ok(root) = Root::ours() else {
        return Vec::new();
    };
    let alive = living();
    let mut stale = Vec::new();
    for directory in directories(&root, None) {
        let Ok(fd) = root.open(&directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY) else {
            continue;
        };
        let names = names_of(&fd).unwrap_or_default();
        let dead = names.iter().filter(|name| is_stale(&fd, name, &alive));
        stale.extend(dead.map(|name| Stale {
            path: directory.join(name),
        }));
    }
    stale
}

/// Runs `clean`.
pub(crate) fn clean(dry_run: bool) -> Outcome {
    let root =
        Root::ours().map_err(|error| Trouble::io(Kind::Failed, "failed to open /", &error))?;
    let mut failed = false;
    let mut removed = 0;
    for directory in directories(&root, None) {
        let Ok(fd) = root.open(&directory, OFlag::O_RDONLY | OFlag::O_DIRECTORY) else {
            continue;
        };
        match clean_directory(&directory, &fd, dry_run) {
            Ok(count) => removed += count,
            Err(trouble) => {
                eprintln!("manhole-cli: {}", escape(&trouble));
                failed = true;
            }
        }
    }
    if removed == 0 && !failed {
        println!("No stale sockets.");
    }
    Ok(failed.then_some(Kind::Failed))
}

/// Removes what is stale in one directory; how many that were.
fn clean_directory(directory: &Path, fd: &OwnedFd, dry_run: bool) -> Result<usize, String> {
    let candidates = names_of(fd).unwrap_or_default();
    let alive = living();
    if !candidates.iter().any(|name| is_stale(fd, name, &alive)) {
        return Ok(0);
    }
    let lock = lock(fd).map_err(|why| format!("left {} alone: {why}", directory.display()))?;
    // Again, now that nobody can be between bind and listen.
    let (alive, mut removed) = (living(), 0);
    for name in candidates.iter().filter(|name| is_stale(fd, name, &alive)) {
        let path = directory.join(name);
        let shown = path.display().to_string();
        if dry_run {
            println!("would remove {}", escape(&shown));
        } else {
            unlinkat(fd, name.as_os_str(), UnlinkatFlags::NoRemoveDir)
                .map_err(|error| format!("failed to remove {shown}: {}", reason(&error.into())))?;
            println!("removed {}", escape(&shown));
        }
        removed += 1;
    }
    drop(lock);
    Ok(removed)
}

/// Takes the lock that consoles take to bind. In somebody else's directory it is never created: as
/// ours it would lock them out.
fn lock(directory: &OwnedFd) -> Result<Flock<OwnedFd>, String> {
    let ours = fstat(directory).is_ok_and(|stat| stat.st_uid == geteuid().as_raw());
    let mut flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    if ours {
        flags |= OFlag::O_CREAT;
    }
    let mut file = openat(directory, ".lock", flags, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|error| format!("its .lock: {}", reason(&error.into())))?;
    if !is_kind(&file, SFlag::S_IFREG) {
        return Err("its .lock is no plain file".to_owned());
    }
    let deadline = Instant::now() + PATIENCE;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = back,
            Err((_, Errno::EWOULDBLOCK)) => return Err("somebody holds its .lock".to_owned()),
            Err((_, error)) => return Err(format!("its .lock: {}", reason(&error.into()))),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Every pid that is in use, in any pid namespace that we can see: a directory may be shared by
/// several.
fn living() -> std::collections::BTreeSet<i32> {
    let numbers = pids().into_iter().flat_map(|pid| match status(pid) {
        Ok(status) => status.pids,
        Err(_) => vec![pid],
    });
    numbers.collect()
}

fn is_stale(directory: &OwnedFd, name: &OsStr, alive: &std::collections::BTreeSet<i32>) -> bool {
    let Some(pid) = pid_of_name(Path::new(name)) else {
        return false;
    };
    !alive.contains(&pid) && refuses(directory, name)
}

/// Whether this is a socket on which nobody listens; no byte is sent.
fn refuses(directory: &OwnedFd, name: &OsStr) -> bool {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let Ok(socket) = openat(directory, name, flags, Mode::empty()) else {
        return false;
    };
    is_kind(&socket, SFlag::S_IFSOCK) && is_refused(&socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::net::UnixListener};

    /// A pid that nobody has: above the highest that the kernel gives.
    const DEAD: i32 = 4_194_400;

    fn scratch(name: &str) -> (PathBuf, OwnedFd) {
        let dir = std::env::temp_dir().join(format!("manhole-clean-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        let fd = OwnedFd::from(fs::File::open(&dir).unwrap());
        (dir, fd)
    }

    fn left(dir: &Path) -> Vec<String> {
        let names = fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_sockets_of_dead_processes_that_nobody_serves_go() {
        let (dir, fd) = scratch("all");
        let me = std::process::id();
        let dead = dir.join(format!("{DEAD}.sock"));
        let alternate = dir.join(format!("{DEAD}-0a1b2c3d.sock"));
        let served = dir.join(format!("{}.sock", DEAD + 1));
        let alive = dir.join(format!("{me}.sock"));
        drop(UnixListener::bind(&dead).unwrap());
        drop(UnixListener::bind(&alternate).unwrap());
        let _listener = UnixListener::bind(&served).unwrap();
        drop(UnixListener::bind(&alive).unwrap());
        fs::write(dir.join(format!("{}.sock", DEAD + 2)), "a file").unwrap();
        std::os::unix::fs::symlink(&dead, dir.join(format!("{}.sock", DEAD + 3))).unwrap();
        assert_eq!(clean_directory(&dir, &fd, true), Ok(2));
        assert_eq!(left(&dir).len(), 7, "six and the lock");
        assert_eq!(clean_directory(&dir, &fd, false), Ok(2));
        let names = left(&dir);
        assert!(!dead.exists() && !alternate.exists() && served.exists() && alive.exists());
        assert_eq!(names.len(), 5, "{names:?}");
        assert_eq!(clean_directory(&dir, &fd, false), Ok(0));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_directory_whose_lock_is_held_is_left_alone() {
        let (dir, fd) = scratch("lock");
        drop(UnixListener::bind(dir.join(format!("{DEAD}.sock"))).unwrap());
        let held = lock(&fd).unwrap();
        let refused = clean_directory(&dir, &fd, false).unwrap_err();
        assert!(refused.ends_with("somebody holds its .lock"), "{refused}");
        drop(held);
        assert_eq!(clean_directory(&dir, &fd, false), Ok(1));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_lock_that_is_no_file_is_not_opened() {
        let (dir, fd) = scratch("fifo");
        nix::unistd::mkfifo(&dir.join(".lock"), Mode::S_IRWXU).unwrap();
        assert_eq!(lock(&fd).unwrap_err(), "its .lock is no plain file");
        fs::remove_dir_all(dir).unwrap();
    }
}
