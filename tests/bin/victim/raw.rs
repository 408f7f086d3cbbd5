//! What cannot be done to a process without `unsafe`, one function each.
#![allow(unsafe_code)]

use nix::{
    sys::signal::{SigHandler, Signal},
    unistd::ForkResult,
};
use std::ffi::CStr;

/// Lets SIGPIPE end the process, as in C programs; Rust's start-up code ignores it.
pub(crate) fn sigpipe_default() -> nix::Result<SigHandler> {
    // SAFETY: SIG_DFL is no handler of ours, so nothing of ours can run at a bad time.
    unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigDfl) }
}

/// Forks. The child has this thread only, with whatever locks others held; that is the point.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: glibc makes malloc usable in the child; the child touches no lock of this program but
    // those of the console, which promises that this works.
    unsafe { nix::unistd::fork() }
}

/// Forks, and the child becomes `program` at once.
pub(crate) fn fork_exec(program: &CStr, args: &[&CStr]) -> nix::Result<nix::unistd::Pid> {
    // SAFETY: the child calls execv and _exit only, both async-signal-safe.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let _ = nix::unistd::execv(program, args);
            exit_now(127)
        }
    }
}

/// Ends a forked child without running what the parent registered for its own end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit may be called at any time.
    unsafe { nix::libc::_exit(code) }
}
