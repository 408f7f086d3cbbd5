//! A sandbox of the service's own making: a real seccomp filter, not a tracer that plays one.

use super::{Answer, process::done, raw};
use nix::{errno::Errno, libc};

pub(crate) fn perform(name: &str, words: &[&str]) -> Option<Answer> {
    match (name, words) {
        ("refuse", [errno, calls @ ..]) => Some(refuse(errno, calls)),
        _ => None,
    }
}

/// `refuse EPERM close_range unshare`: from now on this thread, and all that it starts, get the
/// errno instead of these calls.
fn refuse(errno: &str, calls: &[&str]) -> Answer {
    let errno = match errno {
        "EPERM" => Errno::EPERM,
        "ENOSYS" => Errno::ENOSYS,
        _ => return Err(format!("no errno {errno}")),
    };
    let numbers: Result<Vec<libc::c_long>, String> =
        calls.iter().map(|call| number(call)).collect();
    done(raw::refuse(&numbers?, errno))
}

fn number(call: &str) -> Result<libc::c_long, String> {
    Ok(match call {
        "close_range" => libc::SYS_close_range,
        "unshare" => libc::SYS_unshare,
        "process_vm_readv" => libc::SYS_process_vm_readv,
        "rt_tgsigqueueinfo" => libc::SYS_rt_tgsigqueueinfo,
        "tgkill" => libc::SYS_tgkill,
        "timer_create" => libc::SYS_timer_create,
        "pidfd_open" => libc::SYS_pidfd_open,
        "pidfd_getfd" => libc::SYS_pidfd_getfd,
        "madvise" => libc::SYS_madvise,
        "perf_event_open" => libc::SYS_perf_event_open,
        _ => return Err(format!("no call {call}")),
    })
}
