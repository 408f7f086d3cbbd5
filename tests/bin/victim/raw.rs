//! What cannot be done to a process without `unsafe`, one function each.
#![allow(unsafe_code)]

use nix::{
    errno::Errno,
    libc,
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

/// Changes the environment, for children and whoever reads it from now on.
pub(crate) fn set_env(name: &str, value: &str) {
    // SAFETY: no other thread of this program reads or writes the environment but the console's, which
    // has done so at its installation.
    unsafe { std::env::set_var(name, value) }
}

/// Ends a forked child without running what the parent registered for its own end.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit may be called at any time.
    unsafe { libc::_exit(code) }
}

/// From now on this thread, and those that it starts, get `errno` instead of each of `calls`.
pub(crate) fn refuse(calls: &[libc::c_long], errno: Errno) -> nix::Result<()> {
    let program = filter(calls, errno);
    let length = u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?;
    let program = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
    };
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: PR_SET_SECCOMP reads the program, whose instructions outlive the call, and copies it.
    Errno::result(unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program,
        )
    })
    .map(drop)
}

/// Looks at the number of the call only: the tests know their own architecture.
fn filter(calls: &[libc::c_long], errno: Errno) -> Vec<libc::sock_filter> {
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let answer = |k| step(libc::BPF_RET | libc::BPF_K, 0, 0, k);
    let refused = answer(libc::SECCOMP_RET_ERRNO | errno as u32);
    let compare = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    // `nr` is the first field of `struct seccomp_data`.
    let mut program = vec![step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for call in calls {
        program.extend([step(compare, 0, 1, *call as u32), refused]);
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}
