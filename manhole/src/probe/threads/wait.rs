//! What a thread waits for, from its files `syscall` and `wchan`.
//!
//! `syscall` has the call's number and arguments, so futex addresses and descriptors are known. A
//! daemon that dropped root may not read its own; then `wchan`, the kernel function that it sleeps
//! in, tells at least the kind of wait.

use crate::{
    probe::fds::{Descriptor, Socket},
    sys::calls::{self, Shape},
};

/// What a thread waits for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wait {
    /// For nothing: it is on a core or ready for one.
    Nothing,
    /// A futex: a lock, a condition variable, a parked thread, a join.
    Futex(Futex),
    /// Time.
    Sleep,
    /// Events: epoll, poll, select, io_uring.
    Events(&'static str),
    /// A call on one descriptor: "recv", "read", "accept", "fsync".
    Descriptor(OnDescriptor),
    /// A call that its name explains: "wait for a child".
    Call(&'static str),
    /// A call without a name here.
    Number(i64),
    /// A function of the kernel; nothing better is known.
    Kernel(String),
    /// Not known.
    Unknown,
}

/// A wait on a futex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Futex {
    /// Its address; `None` where only `wchan` could be read.
    pub address: Option<u64>,
    /// The value waited on is 2 and there is no time-out: so wait std's and glibc's mutexes. A
    /// condition variable that was notified exactly twice looks alike, hence "probably".
    pub mutex: bool,
}

/// A call on a descriptor of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OnDescriptor {
    /// What it does: "recv".
    pub call: &'static str,
    /// On which descriptor.
    pub fd: u32,
    /// What that is; `None` when it was closed meanwhile.
    pub descriptor: Option<Descriptor>,
    /// The socket behind it.
    pub socket: Option<Socket>,
}

impl Wait {
    /// What the line of a `syscall` file says; `None` when `wchan` has to tell.
    pub(crate) fn from_syscall(line: &str) -> Option<Self> {
        let line = line.trim();
        if line == "running" {
            return Some(Wait::Nothing);
        }
        let mut words = line.split_ascii_whitespace();
        let number: i64 = words.next()?.parse().ok()?;
        if number < 0 {
            return None;
        }
        let mut arguments =
            words.map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).ok());
        let mut argument = || arguments.next().flatten();
        let Some((name, shape)) = calls::find(number) else {
            return Some(Wait::Number(number));
        };
        Some(match shape {
            Shape::Restarted => return None,
            Shape::Sleep => Wait::Sleep,
            Shape::Events => Wait::Events(name),
            Shape::Plain => Wait::Call(name),
            Shape::Futex => {
                let (address, _operation, value, timeout) =
                    (argument()?, argument()?, argument()?, argument()?);
                Wait::Futex(Futex {
                    address: Some(address),
                    // The value is an int; the register's upper half may hold anything.
                    mutex: value & 0xffff_ffff == 2 && timeout == 0,
                })
            }
            Shape::Descriptor => Wait::Descriptor(OnDescriptor {
                call: name,
                fd: u32::try_from(argument()? & 0xffff_ffff).ok()?,
                descriptor: None,
                socket: None,
            }),
        })
    }

    /// What the kernel's function says.
    pub(crate) fn from_wchan(function: Option<&str>) -> Self {
        let Some(function) = function.filter(|name| !name.is_empty() && *name != "0") else {
            return Wait::Unknown;
        };
        let begins = |starts: &[&str]| starts.iter().any(|start| function.starts_with(start));
        match function {
            _ if begins(&["futex_", "do_futex"]) => Wait::Futex(Futex {
                address: None,
                mutex: false,
            }),
            _ if begins(&["hrtimer_nanosleep", "do_nanosleep", "common_nsleep"]) => Wait::Sleep,
            _ if begins(&["ep_poll", "do_epoll_wait"]) => Wait::Events("epoll"),
            _ if begins(&["poll_schedule_timeout", "do_poll", "do_sys_poll"]) => {
                Wait::Events("poll")
            }
            _ if begins(&["do_select", "core_sys_select"]) => Wait::Events("select"),
            _ if begins(&["io_cqring_wait"]) => Wait::Events("io_uring"),
            // Threads that the kernel adds for io_uring, waiting for work.
            _ if begins(&["io_wq_worker", "io_sq_thread"]) => Wait::Events("io_uring worker"),
            _ if begins(&["inet_csk_accept", "unix_accept"]) => Wait::Call("accept"),
            _ if begins(&["pipe_read", "anon_pipe_read"]) => Wait::Call("read pipe"),
            _ if begins(&["sk_wait_data", "unix_stream_read", "unix_stream_data_wait"]) => {
                Wait::Call("recv")
            }
            _ if begins(&["do_wait", "kernel_wait4", "kernel_waitid"]) => {
                Wait::Call("wait for a child")
            }
            _ if begins(&["do_sigtimedwait", "sigsuspend", "do_sigsuspend"]) => {
                Wait::Call("wait for a signal")
            }
            _ => Wait::Kernel(function.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn the_call_and_its_arguments_say_what_is_awaited() {
        let check = |line: &str, expected: Option<Wait>| {
            assert_eq!(Wait::from_syscall(line), expected, "{line}");
        };
        let futex = |address, mutex| {
            Some(Wait::Futex(Futex {
                address: Some(address),
                mutex,
            }))
        };
        check("running\n", Some(Wait::Nothing));
        check(
            "202 0x7f00 0x89 0x2 0x0 0x0 0xffffffff 0x7ffe 0x7f4e\n",
            futex(0x7f00, true),
        );
        check(
            "202 0x7f00 0x89 0x2 0x7fff 0x0 0xffffffff 0x7ffe 0x7f4e",
            futex(0x7f00, false),
        );
        check(
            "202 0x7f00 0x89 0xffffffff 0x0 0x0 0x0 0x0 0x0",
            futex(0x7f00, false),
        );
        check(
            "230 0x1 0x1 0x7ffb 0x0 0x0 0x7ffb 0x7ffb 0x7ffb",
            Some(Wait::Sleep),
        );
        check(
            "232 0x4 0x7ffb 0x400 0xffffffff 0x0 0x0 0x0 0x0",
            Some(Wait::Events("epoll")),
        );
        check(
            "61 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x0",
            Some(Wait::Call("wait for a child")),
        );
        check(
            "333 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x0",
            Some(Wait::Number(333)),
        );
        check("219 0x4 0x0 0x0 0x0 0x0 0x0 0x0 0x0", None);
        check("-1 0x7ffe 0x7f4e", None);
        check("", None);
        let Some(Wait::Descriptor(on)) = Wait::from_syscall("45 0x1f 0x0 0x0 0x0 0x0 0x0 0x0 0x0")
        else {
            panic!("no descriptor");
        };
        assert_eq!((on.call, on.fd), ("recv", 31));
    }

    #[test]
    fn the_kernels_function_tells_the_kind() {
        let check = |name: &str, expected: Wait| assert_eq!(Wait::from_wchan(Some(name)), expected);
        let futex = Wait::Futex(Futex {
            address: None,
            mutex: false,
        });
        check("futex_wait_queue", futex.clone());
        check("futex_wait_queue_me", futex);
        check("hrtimer_nanosleep", Wait::Sleep);
        check("ep_poll", Wait::Events("epoll"));
        check("inet_csk_accept", Wait::Call("accept"));
        check(
            "folio_wait_bit_common",
            Wait::Kernel("folio_wait_bit_common".into()),
        );
        check("0", Wait::Unknown);
        assert_eq!(Wait::from_wchan(None), Wait::Unknown);
    }
}
