//! For tests: a forked child in which anything may be changed, and a directory to play in.

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// Fails unless `check` returns true in a forked child; see [`child_says`].
#[track_caller]
pub(crate) fn in_a_child(check: impl FnOnce() -> bool) {
    assert!(child_says(check), "the child says no");
}

/// Forks, runs `check` in the child, and returns what it returned.
///
/// The child is a copy with one thread: `check` may call the system and allocate (glibc and musl
/// see to their own locks), but must not print or panic, since another thread of the test runner
/// may have held the lock of standard output.
pub(crate) fn child_says(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: fork(2) with more than one thread leaves the child to async-signal-safe calls. What
    // the checks do beyond that is allocate, which glibc and musl make safe after fork; the child
    // ends by _exit and runs neither destructors nor the test runner's code.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let status = if check() { 0 } else { 1 };
            // SAFETY: _exit(2) ends the process at once and touches nothing.
            unsafe { nix::libc::_exit(status) }
        }
        ForkResult::Parent { child } => waitpid(child, None) == Ok(WaitStatus::Exited(child, 0)),
    }
}

/// In a child only: becomes root of a user namespace that knows nobody else, as rootless sandboxes
/// do. False where the system does not allow that.
pub(crate) fn become_lonely_root() -> bool {
    let uid = super::euid();
    // After a change of uid the files in /proc are root's until this.
    let _ = nix::sys::prctl::set_dumpable(true);
    // SAFETY: unshare(2) takes a number; it fails in a process with more than one thread.
    let entered = unsafe { nix::libc::unshare(nix::libc::CLONE_NEWUSER) } == 0;
    entered && fs::write("/proc/self/uid_map", format!("0 {uid} 1")).is_ok()
}

/// A directory of its own below /tmp, mode 1777 like /tmp, removed with everything in it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/tmp/mh-test-{}-{number}", std::process::id());
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
