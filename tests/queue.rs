//! How much of what we sent the other side has not read yet; the one thing that takes `unsafe` here.
#![allow(unsafe_code)]

use std::os::{fd::AsRawFd, unix::net::UnixStream};

nix::ioctl_read_bad!(outq, nix::libc::TIOCOUTQ, nix::libc::c_int);

/// Bytes of memory that our unread data take in the kernel; 0 once all was read.
pub(crate) fn unread(stream: &UnixStream) -> i32 {
    let mut bytes = 0;
    // SAFETY: the descriptor is open as long as `stream` is borrowed, and the kernel writes one int
    // to where the pointer of a live one points (unix(7), SIOCOUTQ).
    let asked = unsafe { outq(stream.as_raw_fd(), &mut bytes) };
    asked.map_or(0, |_| bytes)
}
