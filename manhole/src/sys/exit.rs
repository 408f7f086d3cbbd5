//! A last word when the process ends by `exit` or by returning from `main`.

use nix::libc;
use std::sync::OnceLock;

static HOOK: OnceLock<fn()> = OnceLock::new();

/// Calls `hook` at process exit; only the first hook counts. Whether it is registered.
///
/// It runs on the thread that exits, among the host's own handlers, with every other thread
/// still running: it must be short, wait for nothing and take no lock that a thread could hold
/// for long. A panic in it is swallowed. A forked child that calls `exit` runs it as well.
pub(crate) fn on_exit(hook: fn()) -> bool {
    if HOOK.set(hook).is_err() {
        return false;
    }
    // SAFETY: atexit(3) stores the pointer; `run` is an `extern "C" fn()` that never unwinds. In
    // a shared object libc ties the handler to the object and runs it, at the latest, when that
    // is unloaded, so the code is always there.
    unsafe { libc::atexit(run) == 0 }
}

extern "C" fn run() {
    if let Some(hook) = HOOK.get() {
        let _ = std::panic::catch_unwind(hook);
    }
}
