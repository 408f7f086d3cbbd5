//! What the handler needs to know of x86_64.

use super::Registers;
use nix::libc;
use std::{arch::asm, mem::offset_of};

/// The kernel's `struct ucontext` (uapi/asm/ucontext.h, sigcontext.h), as far as it is written for
/// every signal. libc's type of that name is longer.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Context {
    flags: u64,
    link: u64,
    /// The alternate signal stack of the thread; size 0 when it has none.
    pub(super) alternate: Alternate,
    r8: u64,
    r9: u64,
    r10: u64,
    r11_to_r15: [u64; 5],
    rdi: u64,
    rsi: u64,
    rbp: u64,
    rbx: u64,
    rdx: u64,
    rax: u64,
    rcx: u64,
    rsp: u64,
    rip: u64,
    eflags_to_cr2: [u64; 6],
    fpstate: u64,
    reserved: [u64; 8],
    /// The signals that the thread itself had blocked.
    pub(super) mask: u64,
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
const _: [(); offset_of!(libc::ucontext_t, uc_mcontext)] = [(); offset_of!(Context, r8)];
const _: [(); offset_of!(Context, rip)] =
    [(); offset_of!(Context, r8) + 8 * libc::REG_RIP as usize];
const _: [(); offset_of!(libc::ucontext_t, uc_sigmask)] = [(); offset_of!(Context, mask)];

#[inline(always)]
pub(super) fn registers(context: &Context) -> Registers {
    Registers {
        pc: context.rip,
        sp: context.rsp,
        fp: context.rbp,
        lr: 0,
        call: [
            context.rax,
            context.rdi,
            context.rsi,
            context.rdx,
            context.r10,
            context.r8,
            context.r9,
        ],
    }
}

/// The word that fs points to, which the ABI makes a pointer to itself.
#[inline(always)]
pub(super) fn thread_pointer() -> u64 {
    let pointer: u64;
    // SAFETY: the ABI for thread-local storage (ELF Handling For TLS, 3.4.6) puts the address of the
    // thread control block at fs:0 in every thread; all code that has an errno reads there as well.
    unsafe {
        asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags, pure));
    }
    pointer
}

/// The registers at this very place, for unwinding.
#[inline(always)]
pub(super) fn own_registers() -> Registers {
    let (pc, sp, fp): (u64, u64, u64);
    // SAFETY: copies three registers.
    unsafe {
        asm!(
            "lea {pc}, [rip]",
            "mov {sp}, rsp",
            "mov {fp}, rbp",
            pc = out(reg) pc, sp = out(reg) sp, fp = out(reg) fp,
            options(nomem, nostack, preserves_flags),
        );
    }
    Registers {
        pc,
        sp,
        fp,
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
        asm!("mov {}, [{}]", out(reg) word, in(reg) address, options(nostack, readonly, preserves_flags));
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
    // SAFETY: the kernel's convention: number and result in rax, rcx and r11 lost, all else kept.
    // What the call does is on the caller.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}
