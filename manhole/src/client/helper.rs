//! Connecting as another user: this program started once more, with the target's ids.
//!
//! Inside a rootless container the host's root is an unmapped id, which no console lets in; the
//! ids of the target itself are fine. Credentials are taken by the kernel at `connect()`, so the
//! child only has to call that on a socket it inherits, and the connection is ours.

use std::{
    io,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Command, Stdio},
};

use super::connect::{connect_fd, new_socket};

/// The hidden word that makes this program a helper.
pub const WORD: &str = "__connect";

/// Connects to the inode `target` with the ids of `uid` and `gid`; only root can.
///
/// # Errors
/// As `connect`, or when the child could not be started.
pub(super) fn connect_as(
    target: &OwnedFd,
    uid: u32,
    gid: u32,
    ourselves: &[&str],
) -> io::Result<UnixStream> {
    let socket = new_socket()?;
    // Without its environment: the child runs as somebody else, and needs nothing of ours.
    let status = Command::new("/proc/self/exe")
        .args(ourselves)
        .arg(WORD)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(socket.try_clone()?))
        .stdout(Stdio::from(target.try_clone()?))
        .stderr(Stdio::null())
        .gid(gid)
        .uid(uid)
        .status()?;
    match status.code() {
        Some(0) => Ok(UnixStream::from(socket)),
        Some(errno) => Err(io::Error::from_raw_os_error(errno)),
        None => Err(io::Error::other("the helper process was killed")),
    }
}

/// What the helper does: connects its standard input to the inode that its standard output holds.
/// Returns the exit code, which is the number of the error.
pub fn run() -> u8 {
    match connect_fd(0, 1) {
        Ok(()) => 0,
        Err(error) => error
            .raw_os_error()
            .and_then(|errno| u8::try_from(errno).ok())
            .filter(|errno| *errno != 0)
            .unwrap_or(nix::libc::EIO as u8),
    }
}
