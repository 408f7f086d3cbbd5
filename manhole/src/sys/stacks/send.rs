//! One signal to one thread of this process, with a value.

use super::{arch, value::Info};
use nix::{
    errno::Errno,
    libc,
    unistd::{getpid, getuid},
};

/// Who sends: looked up once for many signals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sender {
    pid: i32,
    uid: u32,
    signal: i32,
}

impl Sender {
    pub(super) fn new(signal: i32) -> Self {
        Self {
            pid: getpid().as_raw(),
            uid: getuid().as_raw(),
            signal,
        }
    }

    /// Queues the signal for thread `tid`. It may go on to be blocked there, or be merged with one
    /// that is pending already: no answer is normal.
    ///
    /// # Errors
    /// ESRCH: the thread is gone. EAGAIN: too many signals are pending. EPERM, ENOSYS: a sandbox.
    pub(super) fn send(&self, tid: u32, value: u64) -> Result<(), Errno> {
        let info = Info::new(self.signal, self.pid, self.uid, value);
        let arguments = [
            self.pid as u64,
            u64::from(tid),
            self.signal as u64,
            &raw const info as u64,
            0,
            0,
        ];
        // SAFETY: rt_tgsigqueueinfo(2) reads a siginfo_t, which `Info` has the size and layout of. The
        // signal has our handler (the caller has just looked), so nobody dies of it.
        match unsafe { arch::call(libc::SYS_rt_tgsigqueueinfo, arguments) } {
            0 => Ok(()),
            error => Err(Errno::from_raw(error.unsigned_abs() as i32)),
        }
    }

    /// Whether thread `tid` ended. Costs 0.2 us.
    pub(super) fn is_gone(&self, tid: u32) -> bool {
        let arguments = [self.pid as u64, u64::from(tid), 0, 0, 0, 0];
        // SAFETY: tgkill(2) without a signal sends nothing.
        let error = unsafe { arch::call(libc::SYS_tgkill, arguments) };
        error == -i64::from(libc::ESRCH)
    }
}
