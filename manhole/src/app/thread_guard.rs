//! Short-lived threads say that they are there.

use crate::sys::stacks::{self, Guard};
use std::marker::PhantomData;

/// Has the calling thread sampled from now on by whoever profiles the processor, until the guard is
/// dropped.
///
/// Threads are found by themselves within 10 ms of their start, so only those need this that live about
/// as long: what they do before is known to a profile by chance only, and shown as such.
///
/// ```
/// std::thread::spawn(|| {
///     let _guard = manhole::thread_guard();
///     // three milliseconds of work
/// });
/// ```
///
/// Costs 2 ns while nobody profiles, and then 5 us at the start and the end. It allocates nothing and
/// waits for nobody.
pub fn thread_guard() -> ThreadGuard {
    ThreadGuard {
        _guard: match cfg!(feature = "stub") {
            true => None,
            false => stacks::guard(),
        },
        of_this_thread: PhantomData,
    }
}

/// A thread that is sampled; see [`thread_guard`].
#[must_use = "the thread is sampled until this is dropped"]
#[derive(Debug)]
pub struct ThreadGuard {
    _guard: Option<Guard>,
    of_this_thread: PhantomData<*const ()>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_while_nobody_samples() {
        crate::sys::testing::alone(
            module_path!(),
            "nothing_is_done_while_nobody_samples",
            || {
                assert!(thread_guard()._guard.is_none());
                assert_eq!(std::fs::read_to_string("/proc/self/timers").unwrap(), "");
            },
        );
    }
}
