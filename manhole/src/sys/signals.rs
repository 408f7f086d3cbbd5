//! Our threads take no signals, except those that mean this very thread went wrong.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

/// What stays deliverable: faults are raised by the thread itself, and a blocked fault kills the
/// process without its own handler having had a chance; SYS is how a seccomp sandbox talks.
const SYNCHRONOUS: [Signal; 6] = [
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

fn ours() -> SigSet {
    let mut set = SigSet::all();
    for signal in SYNCHRONOUS {
        set.remove(signal);
    }
    set
}

/// Blocks every signal in the calling thread but SEGV, BUS, FPE, ILL, TRAP and SYS.
///
/// Threads it spawns inherit that. libc's two internal signals stay open (its wrapper sees to
/// it), so the host's `setuid` still reaches this thread.
pub(crate) fn block_all() {
    // The one documented error is a wrong `how`, which is a constant.
    let _ = ours().thread_set_mask();
}

/// Runs `spawn` with the same signals blocked and restores the caller's mask.
///
/// A thread inherits the mask of its maker: without this a signal could be delivered to a thread
/// of ours in the moment before it calls [`block_all`].
pub(crate) fn blocked_while<T>(spawn: impl FnOnce() -> T) -> T {
    let _restore = Restore(ours().thread_swap_mask(SigmaskHow::SIG_SETMASK).ok());
    spawn()
}

/// Puts the mask back, also when `spawn` unwinds.
struct Restore(Option<SigSet>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(mask) = self.0 {
            let _ = mask.thread_set_mask();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn mask() -> SigSet {
        SigSet::thread_get_mask().unwrap()
    }

    #[test]
    fn faults_stay_deliverable_and_nothing_else() {
        let masked = thread::spawn(|| {
            block_all();
            mask()
        });
        let masked = masked.join().unwrap();
        for signal in Signal::iterator() {
            let kernel_refuses = matches!(signal, Signal::SIGKILL | Signal::SIGSTOP);
            let expected = !SYNCHRONOUS.contains(&signal) && !kernel_refuses;
            assert_eq!(masked.contains(signal), expected, "{signal}");
        }
    }

    #[test]
    fn a_thread_is_born_deaf_and_its_maker_hears_again() {
        let before = mask();
        let born = blocked_while(|| thread::spawn(mask)).join().unwrap();
        assert!(born.contains(Signal::SIGTERM));
        assert_eq!(mask(), before);
        let unwound = std::panic::catch_unwind(|| blocked_while(|| panic!("no thread to be had")));
        assert!(unwound.is_err());
        assert_eq!(mask(), before);
    }
}
