//! For tests: a forked child in which anything may be changed, and a directory to play in.

pub(crate) mod memory;

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

/// Runs `body` in a process that has nothing else to do: the test calls itself, by its path and name.
/// For what a process has only one of, and other tests use as well.
#[track_caller]
pub(crate) fn alone(path: &str, name: &str, body: impl FnOnce()) {
    let path = path.split_once("::").map_or("", |(_, path)| path);
    let whole = format!("{path}::{name}");
    let mut arguments = std::env::args();
    if arguments.any(|it| it == "--exact") && std::env::args().any(|it| it == whole) {
        return body();
    }
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", &whole]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{whole}: {said}");
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

/// Calls `f` from code that has no unwind information, in the image or made at run time.
pub(crate) type Detour = unsafe extern "C" fn(f: extern "C" fn());

#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".globl manhole_tests_bare",
    "manhole_tests_bare: sub rsp, 0x48",
    "call rdi",
    "add rsp, 0x48",
    "ret",
    ".globl manhole_tests_barer",
    "manhole_tests_barer: push rbx",
    "sub rsp, 0x100",
    "call manhole_tests_bare",
    "add rsp, 0x100",
    "pop rbx",
    "ret",
);
#[cfg(target_arch = "aarch64")]
std::arch::global_asm!(
    ".globl manhole_tests_bare",
    "manhole_tests_bare: sub sp, sp, 64",
    "str x30, [sp, 56]",
    "blr x0",
    "ldr x30, [sp, 56]",
    "add sp, sp, 64",
    "ret",
    ".globl manhole_tests_barer",
    "manhole_tests_barer: sub sp, sp, 128",
    "str x30, [sp, 120]",
    "bl manhole_tests_bare",
    "ldr x30, [sp, 120]",
    "add sp, sp, 128",
    "ret",
);

unsafe extern "C" {
    fn manhole_tests_bare(f: extern "C" fn());
    fn manhole_tests_barer(f: extern "C" fn());
}

/// By way of one function that no row is for.
pub(crate) fn through_bare_code(f: extern "C" fn()) {
    // SAFETY: it calls `f` and returns, as its code above says.
    unsafe { manhole_tests_bare(f) }
}

/// By way of two.
pub(crate) fn through_barer_code(f: extern "C" fn()) {
    // SAFETY: as above.
    unsafe { manhole_tests_barer(f) }
}

/// By way of code made at run time: these instructions, which must call the address that the first
/// argument is.
pub(crate) fn through_new_code(code: &[u8], f: extern "C" fn()) {
    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};
    let length = std::num::NonZeroUsize::new(4096).unwrap();
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a fresh private mapping, written within its bounds before it becomes code, which is
    // called as the caller promises; it stays for the life of the test process.
    unsafe {
        let start = mmap_anonymous(None, length, access, MapFlags::MAP_PRIVATE).unwrap();
        std::ptr::copy_nonoverlapping(code.as_ptr(), start.as_ptr().cast(), code.len());
        mprotect(start, 4096, ProtFlags::PROT_READ | ProtFlags::PROT_EXEC).unwrap();
        let call: Detour = std::mem::transmute(start.as_ptr());
        call(f);
    }
}

/// Loads a library of the system and returns the address of a function in it.
#[cfg(target_env = "gnu")]
pub(crate) fn load(library: &std::ffi::CStr, function: &std::ffi::CStr) -> Option<u64> {
    // SAFETY: dlopen(3) and dlsym(3) with NUL-terminated names; libraries of the C library itself do
    // nothing when they are loaded.
    unsafe {
        let library = nix::libc::dlopen(library.as_ptr(), nix::libc::RTLD_NOW);
        let found = (!library.is_null()).then(|| nix::libc::dlsym(library, function.as_ptr()))?;
        (!found.is_null()).then_some(found as u64)
    }
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
