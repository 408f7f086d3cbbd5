//! What the handler needs to know of aarch64.

use super::Registers;
use nix::libc;
use std::{arch::asm, mem::offset_of};

/// The kernel's `struct ucontext` (uapi/asm/ucontext.h, sigcontext.h), as far as it is written for
/// every signal.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Context {
    flags: u64,
    link: u64,
    /// The alternate signal stack of the thread; size 0 when it has none.
    pub(super) alternate: Alternate,
    /// The signals that the thread itself had blocked.
    pub(super) mask: u64,
    unused: [u64; 15],
    machine: Machine,
}

/// The kernel's `struct sigcontext`, whose last member asks for this alignment.
#[repr(C, align(16))]
#[derive(Debug)]
struct Machine {
    fault_address: u64,
    x0_to_x5: [u64; 6],
    x6: u64,
    x7: u64,
    x8: u64,
    x9_to_x28: [u64; 20],
    x29: u64,
    x30: u64,
    sp: u64,
    pc: u64,
}

/// The kernel's `stack_t`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Alternate {
    pub(super) start: u64,
    pub(super) flags: i32,
    pub(super) size: u64,
}

const _: [(); offset_of!(libc::ucontext_t, uc_stack)] = [(); offset_of!(Context, alternate)];
const _: [(); offset_of!(libc::ucontext_t, uc_sigmask)] = [(); offset_of!(Context, mask)];
const _: [(); offset_of!(libc::ucontext_t, uc_mcontext)] = [(); offset_of!(Context, machine)];
const _: [(); offset_of!(libc::mcontext_t, regs)] = [(); offset_of!(Machine, x0_to_x5)];
const _: [(); offset_of!(libc::mcontext_t, sp)] = [(); offset_of!(Machine, sp)];
const _: [(); offset_of!(libc::mcontext_t, pc)] = [(); offset_of!(Machine, pc)];

#[inline(always)]
pub(super) fn registers(context: &Context) -> Registers {
    let Machine {
        x0_to_x5: [x0, x1, x2, x3, x4, x5],
        x8,
        x29,
        x30,
        sp,
        pc,
        ..
    } = context.machine;
    Registers {
        pc,
        sp,
        fp: x29,
        lr: x30,
        call: [x8, x0, x1, x2, x3, x4, x5],
    }
}

/// The register that the ABI keeps the thread's control block in.
#[inline(always)]
pub(super) fn thread_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: tpidr_el0 may be read by every program and is a plain number here.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

/// The registers at this very place, for unwinding.
#[inline(always)]
pub(super) fn own_registers() -> Registers {
    let (pc, sp, fp, lr): (u64, u64, u64, u64);
    // SAFETY: copies four registers.
    unsafe {
        asm!(
            "adr {pc}, .",
            "mov {sp}, sp",
            "mov {fp}, x29",
            "mov {lr}, x30",
            pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp, lr = out(reg) lr,
            options(nomem, nostack, preserves_flags),
        );
    }
    Registers {
        pc,
        sp,
        fp,
        lr,
        ..Registers::default()
    }
}

/// The word at `address`, whoever else writes there: no access in the language's sense.
///
/// # Safety
/// The eight bytes are mapped and readable.
#[inline(always)]
pub(super) unsafe fn load(address: u64) -> u64 {
    let word: u64;
    // SAFETY: reads what the caller says may be read.
    unsafe {
        asm!("ldr {}, [{}]", out(reg) word, in(reg) address, options(nostack, readonly, preserves_flags));
    }
    word
}

/// A system call without libc: errno is not touched, nothing is a cancellation point.
///
/// # Safety
/// As the manual page of the call says.
#[inline(always)]
pub(super) unsafe fn call(number: libc::c_long, arguments: [u64; 6]) -> i64 {
    let [a, b, c, d, e, f] = arguments;
    let result: i64;
    // SAFETY: the kernel's convention: number in x8, result in x0, all else kept. What the call does
    // is on the caller.
    unsafe {
        asm!(
            "svc 0",
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f, in("x8") number,
            options(nostack),
        );
    }
    result
}
