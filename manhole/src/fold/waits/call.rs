//! What the system call of a blocked thread says, or the function that made it.

use super::{
    super::{frames::Item, path},
    Wait, WaitKind,
    callers::of_futex,
};
use crate::{
    model::stack::{Call, ThreadStack},
    sys::calls::{self, Shape},
};

/// The low half of an argument: ints in registers may have anything above.
pub(super) fn low(call: &Call, at: usize) -> u32 {
    let argument = call.arguments.get(at).copied().unwrap_or(0);
    (argument & 0xffff_ffff) as u32
}

/// What the system call says.
pub(super) fn wait(thread: &ThreadStack, items: &[Item<'_>]) -> Wait {
    let Some(call) = &thread.call else {
        return match thread.state {
            'R' => Wait::default(),
            _ => by_leaf(items, None).unwrap_or_else(|| match items.is_empty() {
                true => Wait::new(WaitKind::Unknown),
                // It was about to sleep, or has just woken up.
                false => Wait::default(),
            }),
        };
    };
    let Some(number) = call.number else {
        return by_leaf(items, Some(call)).unwrap_or(Wait::new(WaitKind::Unknown));
    };
    match calls::find(number) {
        Some((_, Shape::Restarted)) => {
            by_leaf(items, Some(call)).unwrap_or(Wait::new(WaitKind::Unknown))
        }
        Some((name, shape)) => by_shape(name, shape, Some(call)),
        None => Wait::new(WaitKind::Number(number)),
    }
}

fn by_shape(name: &'static str, shape: Shape, call: Option<&Call>) -> Wait {
    let argument = |at: usize| call.and_then(|call| call.arguments.get(at)).copied();
    match shape {
        Shape::Futex => Wait {
            address: argument(0),
            timed: argument(3).is_some_and(|timeout| timeout != 0),
            ..Wait::new(WaitKind::Futex)
        },
        Shape::Sleep => Wait::new(WaitKind::Sleep),
        Shape::Events => Wait::new(WaitKind::Events(name)),
        Shape::Descriptor => Wait {
            fd: call.map(|call| low(call, 0)),
            on: call.and_then(|call| call.on.clone()),
            ..Wait::new(WaitKind::Descriptor(name))
        },
        Shape::Plain | Shape::Restarted => Wait::new(WaitKind::Call(name)),
    }
}

/// What the function says that made the call; `None` when it is not known to make one.
fn by_leaf(items: &[Item<'_>], call: Option<&Call>) -> Option<Wait> {
    let leaf = items.first()?;
    let (name, shape) = match path::c_name(&leaf.name.path) {
        "nanosleep" | "clock_nanosleep" | "usleep" | "sleep" => ("sleep", Shape::Sleep),
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" => ("epoll", Shape::Events),
        "poll" | "ppoll" => ("poll", Shape::Events),
        "select" | "pselect" | "pselect64" => ("select", Shape::Events),
        "read" | "readv" | "pread" | "pread64" => ("read", Shape::Descriptor),
        "recv" | "recvfrom" | "recvmsg" => ("recv", Shape::Descriptor),
        "write" | "writev" | "pwrite" | "pwrite64" => ("write", Shape::Descriptor),
        "send" | "sendto" | "sendmsg" => ("send", Shape::Descriptor),
        "accept" | "accept4" => ("accept", Shape::Descriptor),
        "connect" => ("connect", Shape::Descriptor),
        "fsync" | "fdatasync" => ("fsync", Shape::Descriptor),
        "flock" => ("flock", Shape::Descriptor),
        "wait4" | "waitpid" | "waitid" => ("wait for a child", Shape::Plain),
        "sigtimedwait" | "sigwaitinfo" | "sigwait" | "sigsuspend" | "pause" => {
            ("wait for a signal", Shape::Plain)
        }
        "lll_lock_wait" | "lll_lock_wait_private" | "futex_abstimed_wait_common" => {
            ("futex", Shape::Futex)
        }
        name if name.starts_with("pthread_cond_") || name.starts_with("sem_") => {
            ("futex", Shape::Futex)
        }
        "syscall" if is_futex(items) => ("futex", Shape::Futex),
        _ => return None,
    };
    Some(by_shape(name, shape, call))
}

/// Whether what called `syscall` waits on futexes.
fn is_futex(items: &[Item<'_>]) -> bool {
    let caller = items.get(1).map(|item| &item.name);
    caller.is_some_and(|name| {
        let of = name.of.as_str();
        name.path.contains("futex")
            || matches!(of, "parking_lot" | "parking_lot_core" | "once_cell")
            || (of == "std" && of_futex(items) != WaitKind::Futex)
    })
}

/// Whether a futex is awaited as std's and glibc's mutexes do: at the value 2, and without a limit.
pub(super) fn is_like_mutex(thread: &ThreadStack) -> bool {
    let call = thread.call.as_ref();
    call.is_some_and(|call| low(call, 2) == 2 && call.arguments.get(3) == Some(&0))
}
