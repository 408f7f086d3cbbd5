//! Who is on the other end of a Unix socket, as the kernel noted it at `connect()`.

use nix::{
    libc,
    sys::socket::{getsockopt, sockopt::PeerCredentials},
};
use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

/// Credentials of a peer: integers, never parsed from text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Process id in our pid namespace; 0 when it lies outside. A hint, never a proof.
    pub pid: i32,
    /// Effective user id in our user namespace; the overflow uid when it has none there.
    pub uid: u32,
    /// Effective group id, likewise.
    pub gid: u32,
}

/// The credentials of the process that called `connect()` or, seen from a client, `listen()`.
///
/// # Errors
/// What `getsockopt(SO_PEERCRED)` says: the descriptor is no socket.
pub(crate) fn credentials(socket: impl AsFd) -> io::Result<Credentials> {
    let peer = getsockopt(&socket.as_fd(), PeerCredentials)?;
    Ok(Credentials {
        pid: peer.pid(),
        uid: peer.uid(),
        gid: peer.gid(),
    })
}

/// The supplementary groups of the peer, without its effective group.
///
/// # Errors
/// What `getsockopt(SO_PEERGROUPS)` says: a kernel before 4.13, or a list that keeps growing.
pub(crate) fn groups(socket: impl AsFd) -> io::Result<Vec<u32>> {
    let socket = socket.as_fd();
    let mut groups = vec![0; 32];
    // The kernel answers ERANGE with the size it needs. The list was fixed at `connect()`, so
    // one repetition is enough; a few more cost nothing and a liar is cut off.
    for _ in 0..4 {
        match fill(socket, &mut groups) {
            Ok(count) => {
                groups.truncate(count);
                return Ok(groups);
            }
            Err((libc::ERANGE, needed)) => groups.resize(needed.clamp(groups.len(), MOST), 0),
            Err((errno, _)) => return Err(io::Error::from_raw_os_error(errno)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ERANGE))
}

/// NGROUPS_MAX: no process has more.
const MOST: usize = 65_536;

/// The number of groups written to `groups`, or the errno and the number there would be.
fn fill(socket: BorrowedFd<'_>, groups: &mut [u32]) -> Result<usize, (i32, usize)> {
    const SIZE: usize = size_of::<libc::gid_t>();
    let mut bytes = libc::socklen_t::try_from(size_of_val(groups)).unwrap_or(0);
    // SAFETY: unix(7) and the kernel's sk_getsockopt: at most `bytes` bytes of gid_t (u32) are
    // written to the buffer, and `bytes` is set to what was written, or on ERANGE to what is
    // needed. `bytes` is the size of the slice, which is borrowed mutably for the call; every bit
    // pattern is a valid u32; the descriptor is borrowed, so it is open.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    let count = bytes as usize / SIZE;
    match status {
        0 => Ok(count.min(groups.len())),
        _ => Err((nix::errno::Errno::last_raw(), count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_pair_is_on_both_ends_ourselves() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = credentials(&ours).unwrap();
        assert_eq!((peer.uid, peer.gid), (process::euid(), process::egid()));
        assert_eq!(peer.pid, std::process::id() as i32);
        let mut expected: Vec<u32> = nix::unistd::getgroups()
            .unwrap()
            .into_iter()
            .map(|gid| gid.as_raw())
            .collect();
        let mut found = groups(&ours).unwrap();
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_buffer_that_is_too_small_is_told_the_size() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let have = groups(&ours).unwrap().len();
        match fill(ours.as_fd(), &mut []) {
            Ok(count) => assert_eq!((count, have), (0, 0)),
            Err((errno, needed)) => assert_eq!((errno, needed), (libc::ERANGE, have)),
        }
    }

    #[test]
    fn a_pipe_has_no_peer() {
        let (reader, _writer) = std::io::pipe().unwrap();
        assert!(credentials(&reader).is_err());
        assert!(groups(&reader).is_err());
    }
}
