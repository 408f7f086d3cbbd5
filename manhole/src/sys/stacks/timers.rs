//! Timers of the kernel that count processor time and send our signal.
//!
//! By system calls of our own: libc's wrappers would do, but for errno, which a guard in a thread of
//! the host leaves alone. A timer ends with the process image, and is not there in a forked child,
//! whose memory says it is: so who drops one looks at whose it is.

use super::arch;
use nix::{errno::Errno, libc};

/// Whose processor time is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// One thread's, by id. The signal goes to it.
    Thread(u32),
    /// All threads'. The signal goes to whichever runs when a period ends (Linux 6.4; before, mostly
    /// to the main thread).
    Process,
}

/// A timer of this process; deleted when dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    id: i32,
    pid: u32,
}

/// The kernel's `struct sigevent`.
#[repr(C)]
#[derive(Debug)]
struct Event {
    value: u64,
    signal: i32,
    notify: i32,
    tid: i32,
    rest: [i32; 11],
}

const _: [(); 64] = [(); size_of::<Event>()];

/// The kernel's `struct __kernel_itimerspec`: seconds and nanoseconds of the period and of the time
/// until the first end.
#[repr(C)]
#[derive(Debug)]
struct Setting([i64; 4]);

const SECOND: u64 = 1_000_000_000;

impl Timer {
    /// Has `signal` with `value` sent each `period_ns` of processor time, for the first time after
    /// `first_ns` (at least 1). About 2 us.
    ///
    /// # Errors
    /// EAGAIN: the user has as many signals and timers as RLIMIT_SIGPENDING allows. EINVAL: the thread
    /// has ended.
    pub(super) fn new(
        clock: Clock,
        signal: i32,
        value: u64,
        period_ns: u64,
        first_ns: u64,
    ) -> Result<Self, Errno> {
        let timer = Self::create(clock, signal, value)?;
        let (period, first) = (period_ns.max(1), first_ns.max(1));
        let parts = [
            period / SECOND,
            period % SECOND,
            first / SECOND,
            first % SECOND,
        ];
        let setting = Setting(parts.map(u64::cast_signed));
        // SAFETY: timer_settime(2) reads `setting`, which has its layout; the timer is ours. The signal
        // has our handler (the caller has looked), so nobody dies of it.
        let set = unsafe {
            let setting = &raw const setting as u64;
            arch::call(
                libc::SYS_timer_settime,
                [timer.id as u64, 0, setting, 0, 0, 0],
            )
        };
        checked(set).map(|()| timer)
    }

    fn create(clock: Clock, signal: i32, value: u64) -> Result<Self, Errno> {
        let (clock, notify, tid) = match clock {
            // How Linux writes the scheduler's clock of a thread as an id: CPUCLOCK_PERTHREAD |
            // CPUCLOCK_SCHED.
            Clock::Thread(tid) => (
                (!(tid as i32) << 3) | 4 | 2,
                libc::SIGEV_THREAD_ID,
                tid as i32,
            ),
            Clock::Process => (libc::CLOCK_PROCESS_CPUTIME_ID, libc::SIGEV_SIGNAL, 0),
        };
        let event = Event {
            value,
            signal,
            notify,
            tid,
            rest: [0; 11],
        };
        let mut id = 0_i32;
        // SAFETY: timer_create(2) reads `event`, which has its layout, and writes an int to `id`.
        let created = unsafe {
            let (event, id) = (&raw const event as u64, &raw mut id as u64);
            arch::call(libc::SYS_timer_create, [clock as u64, event, id, 0, 0, 0])
        };
        let pid = std::process::id();
        checked(created).map(|()| Self { id, pid })
    }

    /// Its number, for who keeps it where no value can be kept; [`Timer::of`] makes it a timer again.
    pub(super) fn into_id(self) -> u32 {
        let id = self.id;
        std::mem::forget(self);
        id as u32
    }

    /// The timer that [`into_id`](Self::into_id) was called on, in this very process.
    pub(super) fn of(id: u32) -> Self {
        Self {
            id: id as i32,
            pid: std::process::id(),
        }
    }
}

impl Drop for Timer {
    /// A signal of it may still be on its way.
    fn drop(&mut self) {
        if self.pid == std::process::id() {
            // SAFETY: timer_delete(2) of a timer that this value alone stands for, in the process that
            // made it.
            unsafe { arch::call(libc::SYS_timer_delete, [self.id as u64, 0, 0, 0, 0, 0]) };
        }
    }
}

fn checked(result: i64) -> Result<(), Errno> {
    match result {
        0 => Ok(()),
        error => Err(Errno::from_raw(error.unsigned_abs() as i32)),
    }
}
