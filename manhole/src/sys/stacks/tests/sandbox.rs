//! A sandbox that lets the console do less.

use super::*;
use crate::sys::{memory::read_own, testing::in_a_child};

/// In a child only: has the kernel refuse one system call with `errno`, for every thread to come.
fn refuse(call: libc::c_long, errno: Errno) -> bool {
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let result = libc::BPF_RET | libc::BPF_K;
    let mut steps = [
        step(load, 0, 0, 0), // the number of the call is what seccomp_data begins with
        step(equal, 0, 1, call as u32),
        step(result, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        step(result, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: prctl(2) reads the program, which is complete and ends on every way.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const program,
            ) == 0
    }
}

#[test]
fn without_process_vm_readv_there_are_registers() {
    for errno in [Errno::EPERM, Errno::ENOSYS] {
        in_a_child(|| {
            let refused = refuse(libc::SYS_process_vm_readv, errno);
            let victim = Victim::new(spin_softly);
            let kept = look_at(victim.tid);
            let registers = kept.registers.pc != 0 && kept.registers.sp != 0;
            let mut there = [0; 100];
            let by_file = read_own(kept.registers.pc, &mut there) == there.len();
            let nothing = kept.stack.is_empty() && !kept.cut && kept.depth.is_none();
            refused && registers && nothing && by_file
        });
    }
}

#[test]
fn a_sandbox_that_refuses_the_signal_is_named() {
    in_a_child(|| {
        let refused = refuse(libc::SYS_rt_tgsigqueueinfo, Errno::EPERM);
        let victim = Victim::new(spin_softly);
        let result = ask(libc::SIGURG, victim.tid, PATIENCE);
        refused && result.err() == Some(Missing::Refused(Errno::EPERM))
    });
}

#[test]
fn a_sandbox_that_refuses_the_handler_is_named() {
    in_a_child(|| {
        let victim = Victim::new(spin_softly);
        let refused = refuse(libc::SYS_rt_sigaction, Errno::EACCES);
        let result = look(own_signal(), &[victim.tid], PATIENCE);
        refused && result.err() == Some(Unusable::Refused(Errno::EACCES))
    });
}
