//! What cannot be done without `unsafe`, one function each: handlers, stacks for them, libraries.
#![allow(unsafe_code)]

use nix::libc;
use std::{
    ffi::{CStr, c_int, c_void},
    io,
    ptr::{self, NonNull},
};

/// What the kernel calls.
pub(crate) type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
/// What a plugin exports: see `plugin.rs`.
pub(crate) type Entry = extern "C" fn(u64) -> u64;

fn done(result: c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes `handler` the process's own for `signal`; it must do what is async-signal-safe only.
pub(crate) fn handle(signal: c_int, handler: Handler, flags: c_int) -> io::Result<()> {
    // SAFETY: all bytes 0 are a valid sigaction: no handler, no flags, nothing blocked.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as *const () as usize;
    action.sa_flags = flags | libc::SA_SIGINFO;
    // SAFETY: `action` lives through the call, and the caller vouches for the handler.
    done(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) })
}

/// Who sent a signal, as the kernel says it.
pub(crate) fn sender(info: *mut libc::siginfo_t) -> i32 {
    // SAFETY: a handler with SA_SIGINFO is given a siginfo_t that lives as long as it runs.
    unsafe { (*info).si_pid() }
}

/// Queues `signal` to this process with a value.
pub(crate) fn queue(signal: c_int, value: usize) -> io::Result<()> {
    let value = libc::sigval {
        sival_ptr: ptr::without_provenance_mut(value),
    };
    // SAFETY: no memory is involved; the value is a number for whoever receives it.
    done(unsafe { libc::sigqueue(libc::getpid(), signal, value) })
}

/// Sends `signal` to one thread of this process.
pub(crate) fn to_thread(tid: i32, signal: c_int) -> io::Result<()> {
    let pid = std::process::id() as libc::pid_t;
    // SAFETY: no memory is involved.
    match unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives this thread a stack of `size` bytes for its handlers; std's own is replaced. It is never
/// given back.
pub(crate) fn alternate_stack(size: usize) -> io::Result<()> {
    let memory: &'static mut [u8] = Vec::leak(vec![0; size]);
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: size,
    };
    // SAFETY: the memory is leaked, so it outlives the thread, and nobody else writes to it.
    done(unsafe { libc::sigaltstack(&stack, ptr::null_mut()) })
}

/// Starts a child as vfork does, so that this thread sleeps uninterruptibly until the child has
/// ended; the child has its own copy of the memory and ends after `seconds`.
pub(crate) fn wait_uninterruptibly(seconds: u32) -> io::Result<()> {
    let flags = libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: without CLONE_VM this is fork: the child runs on a copy and calls only sleep and
    // _exit, both async-signal-safe.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match child {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: see above.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::sleep(seconds);
                libc::_exit(0)
            }
        }
        child => {
            // SAFETY: waits for our own child; the status may be left out.
            unsafe { libc::waitpid(child as libc::pid_t, ptr::null_mut(), 0) };
            Ok(())
        }
    }
}

/// A loaded library; it stays loaded when this is dropped.
pub(crate) struct Library(NonNull<c_void>);

// SAFETY: a handle of dlopen may be used and closed by any thread.
unsafe impl Send for Library {}

impl Library {
    pub(crate) fn open(path: &CStr) -> Result<Self, String> {
        // SAFETY: the plugin has no initialisers of its own.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        NonNull::new(handle).map(Self).ok_or_else(why)
    }

    /// The exported function `name`, which may be called for as long as the library is loaded.
    pub(crate) fn entry(&self, name: &CStr) -> Result<Entry, String> {
        // SAFETY: the handle is open, the name ends with a 0.
        let symbol = unsafe { libc::dlsym(self.0.as_ptr(), name.as_ptr()) };
        if symbol.is_null() {
            return Err(why());
        }
        // SAFETY: the functions that a plugin exports all have this type.
        Ok(unsafe { std::mem::transmute::<*mut c_void, Entry>(symbol) })
    }

    /// Unloads it. Nobody may be in it any more.
    pub(crate) fn close(self) -> Result<(), String> {
        // SAFETY: the handle is open, and dropped with this call.
        match unsafe { libc::dlclose(self.0.as_ptr()) } {
            0 => Ok(()),
            _ => Err(why()),
        }
    }
}

fn why() -> String {
    // SAFETY: dlerror returns a string that lives until the next call on this thread, or nothing.
    let error = unsafe { libc::dlerror().as_ref() };
    let Some(error) = error else {
        return "no reason given".to_owned();
    };
    // SAFETY: see above; it ends with a 0.
    unsafe { CStr::from_ptr(error) }
        .to_string_lossy()
        .into_owned()
}
