//! Our threads are ordinary ones, whoever makes them.

use nix::libc;

/// Gives up a real-time policy that the calling thread inherited.
///
/// A thread inherits the policy of its maker. A service that installs the console from a real-time
/// thread must not have its processors taken by a client of ours that asks without end. Giving such
/// a policy up needs no right; where even that is refused, things stay as they are.
pub(crate) fn be_ordinary() {
    if is_real_time() {
        // SAFETY: sched_param is a plain structure of numbers, for which zero is valid, and the
        // priority that SCHED_OTHER wants. sched_setscheduler(2) reads it; 0 is the calling thread.
        unsafe {
            let param: libc::sched_param = std::mem::zeroed();
            libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const param);
        }
    }
}

fn is_real_time() -> bool {
    // SAFETY: sched_getscheduler(2) takes a number; 0 is the calling thread.
    let policy = unsafe { libc::sched_getscheduler(0) };
    let policy = policy & !libc::SCHED_RESET_ON_FORK;
    matches!(
        policy,
        libc::SCHED_FIFO | libc::SCHED_RR | libc::SCHED_DEADLINE
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;

    #[test]
    fn an_inherited_real_time_policy_is_given_up() {
        in_a_child(|| {
            // SAFETY: as above; the child's only thread asks for itself.
            let refused = unsafe {
                let mut param: libc::sched_param = std::mem::zeroed();
                param.sched_priority = 1;
                libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param)
            };
            if refused != 0 {
                return true; // not allowed here
            }
            let inherited = std::thread::spawn(|| {
                let before = is_real_time();
                be_ordinary();
                (before, is_real_time())
            });
            inherited.join().ok() == Some((true, false)) && is_real_time()
        });
    }
}
