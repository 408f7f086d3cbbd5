//! The system calls that block, by the numbers of the machine this is built for.

/// What a blocking call waits for, as far as its number and arguments say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A futex: lock, condition variable, park, join.
    Futex,
    /// Time.
    Sleep,
    /// Events of descriptors that are listed elsewhere.
    Events,
    /// The descriptor that is its first argument.
    Descriptor,
    /// Something the name says.
    Plain,
    /// What it waited for before it was interrupted: only the kernel's function tells.
    Restarted,
}

/// The name of a call in answers, and its shape; `None` when it is not known to block.
pub(crate) fn find(number: i64) -> Option<(&'static str, Shape)> {
    CALLS
        .iter()
        .find(|(own, _, _)| *own == number)
        .map(|(_, name, shape)| (*name, *shape))
}

type Call = (i64, &'static str, Shape);

#[cfg(not(target_os = "linux"))]
const CALLS: [Call; 0] = [];

#[cfg(target_os = "linux")]
use linux::CALLS;

#[cfg(target_os = "linux")]
mod linux {
    use super::{
        Call,
        Shape::{Descriptor, Events, Futex, Plain, Restarted, Sleep},
    };
    use nix::libc;

    /// Where `c_long` has 32 bits the numbers need a cast, elsewhere it is none.
    #[allow(clippy::unnecessary_cast)]
    const fn call(number: libc::c_long, name: &'static str, shape: super::Shape) -> Call {
        (number as i64, name, shape)
    }

    pub(super) const CALLS: &[Call] = &[
        call(libc::SYS_futex, "futex", Futex),
        call(libc::SYS_nanosleep, "sleep", Sleep),
        call(libc::SYS_clock_nanosleep, "sleep", Sleep),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_epoll_wait, "epoll", Events),
        call(libc::SYS_epoll_pwait, "epoll", Events),
        call(libc::SYS_epoll_pwait2, "epoll", Events),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_poll, "poll", Events),
        call(libc::SYS_ppoll, "poll", Events),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_select, "select", Events),
        call(libc::SYS_pselect6, "select", Events),
        call(libc::SYS_io_uring_enter, "io_uring", Events),
        call(libc::SYS_io_getevents, "aio", Events),
        call(libc::SYS_read, "read", Descriptor),
        call(libc::SYS_readv, "read", Descriptor),
        call(libc::SYS_pread64, "read", Descriptor),
        call(libc::SYS_preadv, "read", Descriptor),
        call(libc::SYS_preadv2, "read", Descriptor),
        call(libc::SYS_write, "write", Descriptor),
        call(libc::SYS_writev, "write", Descriptor),
        call(libc::SYS_pwrite64, "write", Descriptor),
        call(libc::SYS_pwritev, "write", Descriptor),
        call(libc::SYS_pwritev2, "write", Descriptor),
        call(libc::SYS_recvfrom, "recv", Descriptor),
        call(libc::SYS_recvmsg, "recv", Descriptor),
        call(libc::SYS_recvmmsg, "recv", Descriptor),
        call(libc::SYS_sendto, "send", Descriptor),
        call(libc::SYS_sendmsg, "send", Descriptor),
        call(libc::SYS_sendmmsg, "send", Descriptor),
        call(libc::SYS_sendfile, "send", Descriptor),
        #[cfg(not(any(target_arch = "s390x", target_arch = "x86")))]
        call(libc::SYS_accept, "accept", Descriptor),
        call(libc::SYS_accept4, "accept", Descriptor),
        call(libc::SYS_connect, "connect", Descriptor),
        call(libc::SYS_fsync, "fsync", Descriptor),
        call(libc::SYS_fdatasync, "fsync", Descriptor),
        call(libc::SYS_fallocate, "fallocate", Descriptor),
        call(libc::SYS_ftruncate, "truncate", Descriptor),
        call(libc::SYS_flock, "flock", Descriptor),
        call(libc::SYS_fcntl, "fcntl lock", Descriptor),
        call(libc::SYS_ioctl, "ioctl", Descriptor),
        call(libc::SYS_close, "close", Descriptor),
        call(libc::SYS_getdents64, "read directory", Descriptor),
        call(libc::SYS_splice, "splice", Descriptor),
        call(libc::SYS_openat, "open", Plain),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_open, "open", Plain),
        call(libc::SYS_statx, "stat", Plain),
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        call(libc::SYS_newfstatat, "stat", Plain),
        call(libc::SYS_unlinkat, "unlink", Plain),
        call(libc::SYS_renameat2, "rename", Plain),
        call(libc::SYS_sync, "sync", Plain),
        call(libc::SYS_wait4, "wait for a child", Plain),
        call(libc::SYS_waitid, "wait for a child", Plain),
        #[cfg(target_arch = "x86_64")]
        call(libc::SYS_pause, "wait for a signal", Plain),
        call(libc::SYS_rt_sigtimedwait, "wait for a signal", Plain),
        call(libc::SYS_rt_sigsuspend, "wait for a signal", Plain),
        call(libc::SYS_mq_timedreceive, "message queue", Plain),
        #[cfg(target_pointer_width = "64")]
        call(libc::SYS_mmap, "mmap", Plain),
        call(libc::SYS_munmap, "munmap", Plain),
        call(libc::SYS_mprotect, "mprotect", Plain),
        call(libc::SYS_madvise, "madvise", Plain),
        call(libc::SYS_execve, "exec", Plain),
        call(libc::SYS_clone, "clone", Plain),
        call(libc::SYS_membarrier, "membarrier", Plain),
        call(libc::SYS_restart_syscall, "", Restarted),
    ];
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn no_number_stands_twice() {
        let mut numbers: Vec<i64> = CALLS.iter().map(|(number, _, _)| *number).collect();
        numbers.sort_unstable();
        assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn numbers_are_this_machines() {
        assert_eq!(find(202), Some(("futex", Shape::Futex)));
        assert_eq!(find(45), Some(("recv", Shape::Descriptor)));
        assert_eq!(find(9999), None);
    }
}
