//! For tests: a forked child in which anything may be changed, and a directory to play in.

use nix::{
    sys::wait::{WaitStatus, waitpid},
    unistd::{ForkResult, fork},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

/// Fails unless `check` returns true in a forked child; see [`child_says`].
#[track_caller]
pub(crate) fn in_a_child(check: impl FnOnce() -> bool) {
    assert!(child_says(check), "the child says no");
}

/// Forks, runs `check` in the child, and returns what it returned.
///
/// The child is a copy with one thread: `check` may call the system and allocate (glibc and musl
/// see to their own locks), but must not print or panic, since another thread of the test runner
/// may have held the lock of standard output.
pub(crate) fn child_says(check: impl FnOnce() -> bool) -> bool {
    // SAFETY: fork(2) with more than one thread leaves the child to async-signal-safe calls. What
    // the checks do beyond that is allocate, which glibc and musl make safe after fork; the child
    // ends by _exit and runs neither destructors nor the test runner's code.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let status = if check() { 0 } else { 1 };
            // SAFETY: _exit(2) ends the process at once and touches nothing.
            unsafe { nix::libc::_exit(status) }
        }
        ForkResult::Parent { child } => waitpid(child, None) == Ok(WaitStatus::Exited(child, 0)),
    }
}

/// In a child only: becomes root of a user namespace that knows nobody else, as rootless sandboxes
/// do. False where the system does not allow that.
pub(crate) fn become_lonely_root() -> bool {
    let uid = super::euid();
    // After a change of uid the files in /proc are root's until this.
    let _ = nix::sys::prctl::set_dumpable(true);
    // SAFETY: unshare(2) takes a number; it fails in a process with more than one thread.
    let entered = unsafe { nix::libc::unshare(nix::libc::CLONE_NEWUSER) } == 0;
    entered && fs::write("/proc/self/uid_map", format!("0 {uid} 1")).is_ok()
}

/// The registers of this very place and a copy of the stack from here on, at most `most` bytes.
#[inline(never)]
pub(crate) fn copy_of_here(most: usize) -> (super::stacks::Registers, Vec<u8>) {
    let (pc, sp, fp, lr): (u64, u64, u64, u64);
    // SAFETY: reads four registers and changes none; the addresses are numbers from here on.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", "xor {:e}, {3:e}",
            out(reg) pc, out(reg) sp, out(reg) fp, out(reg) lr, options(nomem, nostack));
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("adr {}, .", "mov {}, sp", "mov {}, x29", "mov {}, x30",
            out(reg) pc, out(reg) sp, out(reg) fp, out(reg) lr, options(nomem, nostack));
    }
    let mut stack = vec![0; most];
    let copied = super::memory::read_own(sp, &mut stack);
    stack.truncate(copied);
    let registers = super::stacks::Registers {
        pc,
        sp,
        fp,
        lr,
        call: [0; 7],
    };
    (registers, stack)
}

/// The return addresses on this thread's stack as the C++ unwinder sees them, innermost first: the
/// first is in this function.
#[inline(never)]
pub(crate) fn libgccs_view() -> Vec<u64> {
    use nix::libc::{c_int, c_void};
    unsafe extern "C-unwind" {
        fn _Unwind_Backtrace(
            each: extern "C-unwind" fn(*mut c_void, *mut c_void) -> c_int,
            argument: *mut c_void,
        ) -> c_int;
        fn _Unwind_GetIP(context: *mut c_void) -> usize;
    }
    extern "C-unwind" fn each(context: *mut c_void, list: *mut c_void) -> c_int {
        // SAFETY: `list` is what is passed below, and the context is valid during the call.
        unsafe { (*list.cast::<Vec<u64>>()).push(_Unwind_GetIP(context) as u64) };
        0
    }
    let mut list: Vec<u64> = Vec::with_capacity(512);
    // SAFETY: as the Itanium ABI for exceptions declares it; `list` outlives the call.
    unsafe { _Unwind_Backtrace(each, (&raw mut list).cast()) };
    // libgcc shows the end of a stack as a frame at 0.
    list.retain(|address| *address != 0);
    list
}

/// Has a thread run `handler` for `signal`, which nobody else in the tests may use.
pub(crate) fn interrupt(tid: u32, signal: i32, handler: extern "C" fn(i32)) {
    use nix::{
        libc,
        sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction},
    };
    let flags = SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::Handler(handler), flags, SigSet::empty());
    // SAFETY: sigaction(2): what the handler may do is the caller's business.
    unsafe { sigaction(Signal::try_from(signal).unwrap(), &action) }.unwrap();
    // SAFETY: tgkill(2) takes three numbers.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, std::process::id(), tid, signal) };
    assert_eq!(sent, 0);
}

/// A directory of its own below /tmp, mode 1777 like /tmp, removed with everything in it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = format!("/tmp/mh-test-{}-{number}", std::process::id());
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o1777)).unwrap();
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
