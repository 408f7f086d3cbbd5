//! Step 2: advisory locks. One tells tmp cleaners that the directory is in use, the other keeps
//! two processes from taking each other's fresh socket for a stale one.

use super::directory::{Directory, is_kind, is_ours, mode_of};
use nix::{
    errno::Errno,
    fcntl::{FlockArg, OFlag, openat},
    sys::stat::{Mode, SFlag, fchmod, fstat},
};
use std::{
    os::fd::{AsRawFd, OwnedFd},
    thread::sleep,
    time::{Duration, Instant},
};

/// The file that binders and `manhole-cli clean` lock.
pub(super) const LOCK: &str = ".lock";
/// How long another binder is waited for; it needs about 100 us.
const PATIENCE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(5);

/// Held from before `bind` until after `listen`: a bound socket that does not listen yet refuses
/// connections like one that was left behind. Dropping it unlocks.
#[derive(Debug)]
pub(super) struct BindLock(#[allow(dead_code, reason = "closing it is the unlocking")] OwnedFd);

/// Takes the lock of a directory. `None` when it is busy or not to be had: then a name that
/// nobody else will use does without.
pub(super) fn take(directory: &Directory) -> Option<BindLock> {
    let flags =
        OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let fd = openat(&directory.fd, LOCK, flags, mode).ok()?;
    let stat = fstat(&fd).ok()?;
    if !is_kind(&stat, SFlag::S_IFREG) || !is_ours(&stat) {
        return None;
    }
    // A umask may have taken even our own access, which the next process would miss.
    if mode_of(&stat) != mode {
        fchmod(&fd, mode).ok()?;
    }
    let until = Instant::now() + PATIENCE;
    while let Err(errno) = flock(&fd, FlockArg::LockExclusiveNonblock) {
        if errno != Errno::EWOULDBLOCK || Instant::now() >= until {
            return None;
        }
        sleep(PAUSE);
    }
    Some(BindLock(fd))
}

/// Takes the shared lock on the directory itself for as long as its descriptor is open: with it
/// systemd-tmpfiles leaves the directory alone. Whoever cleans at this very moment, or a file
/// system without locks, is no reason not to listen; a socket that vanishes is bound anew.
pub(super) fn share(directory: &Directory) -> bool {
    directory.ours && flock(&directory.fd, FlockArg::LockSharedNonblock).is_ok()
}

/// nix's replacement for this call, `Flock`, panics when unlocking fails.
#[allow(deprecated)]
pub(super) fn flock(fd: &impl AsRawFd, how: FlockArg) -> Result<(), Errno> {
    nix::fcntl::flock(fd.as_raw_fd(), how)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::Scratch;
    use std::{
        fs::{self, File},
        os::unix::fs::{PermissionsExt, symlink},
    };

    fn directory(scratch: &Scratch) -> Directory {
        Directory {
            path: scratch.path().to_owned(),
            fd: File::open(scratch.path()).unwrap().into(),
            ours: true,
            private: true,
        }
    }

    #[test]
    fn one_holder_at_a_time_and_waiting_ends() {
        let scratch = Scratch::new();
        let directory = directory(&scratch);
        let held = take(&directory).unwrap();
        let before = Instant::now();
        assert!(take(&directory).is_none());
        let waited = before.elapsed();
        assert!(waited >= PATIENCE && waited < PATIENCE * 20, "{waited:?}");
        drop(held);
        assert!(take(&directory).is_some());
    }

    #[test]
    fn a_lock_file_that_is_none_is_not_used() {
        let scratch = Scratch::new();
        let path = scratch.path().join(LOCK);
        symlink("/tmp/elsewhere", &path).unwrap();
        assert!(take(&directory(&scratch)).is_none());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).unwrap();
        assert!(take(&directory(&scratch)).is_none());
        fs::remove_file(&path).unwrap();
        File::create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(take(&directory(&scratch)).is_some());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_directory_is_shared_unless_a_cleaner_holds_it() {
        let scratch = Scratch::new();
        let (one, other) = (directory(&scratch), directory(&scratch));
        assert!(share(&one) && share(&other));
        let cleaner = directory(&scratch);
        let exclusive = FlockArg::LockExclusiveNonblock;
        assert_eq!(flock(&cleaner.fd, exclusive), Err(Errno::EWOULDBLOCK));
        drop((one, other));
        flock(&cleaner.fd, exclusive).unwrap();
        assert!(!share(&directory(&scratch)));
    }
}
