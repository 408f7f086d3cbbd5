//! The clocks that the probes use, in nanoseconds.

use nix::time::{ClockId, clock_gettime};

/// A tick of the kernel's interfaces: 1/100 s on every architecture that Rust runs Linux on.
pub(crate) const TICK_NS: u64 = 10_000_000;

/// CLOCK_MONOTONIC: for everything that is measured.
pub(crate) fn monotonic_ns() -> u64 {
    read(ClockId::CLOCK_MONOTONIC).unwrap_or(0)
}

/// Time since the machine started, sleep included: what start times of processes and threads count
/// in.
pub(crate) fn since_boot_ns() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return read(ClockId::CLOCK_BOOTTIME);
    #[cfg(not(target_os = "linux"))]
    None
}

/// CPU time of the whole process, ended threads included; 0.3 us.
pub(crate) fn process_cpu_ns() -> Option<u64> {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// CPU time of one thread of the process, in nanoseconds; 0.3 us.
pub(crate) fn thread_cpu_ns(tid: u32) -> Option<u64> {
    // How Linux writes the scheduler's clock of a thread as an id: CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED.
    let id = (!i32::try_from(tid).ok()? << 3) | 4 | 2;
    read(ClockId::from_raw(id))
}

/// CPU time of the calling thread; 0.3 us.
pub(crate) fn own_cpu_ns() -> u64 {
    read(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap_or(0)
}

/// How long ago something was that began `start_ticks` after the machine did.
pub(crate) fn age_ns(start_ticks: u64) -> Option<u64> {
    Some(since_boot_ns()?.saturating_sub(start_ticks.checked_mul(TICK_NS)?))
}

fn read(id: ClockId) -> Option<u64> {
    let time = clock_gettime(id).ok()?;
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u64::try_from(time.tv_nsec()).ok()?;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_run_forward() {
        let (monotonic, cpu) = (monotonic_ns(), process_cpu_ns().unwrap());
        assert!(monotonic > 0 && monotonic_ns() >= monotonic);
        assert!(process_cpu_ns().unwrap() >= cpu);
        let me = nix::unistd::gettid().as_raw() as u32;
        let mine = thread_cpu_ns(me).unwrap();
        assert!(mine > 0 && mine <= own_cpu_ns());
        assert!(own_cpu_ns() <= process_cpu_ns().unwrap());
        assert_eq!(thread_cpu_ns(u32::MAX), None);
    }
}
