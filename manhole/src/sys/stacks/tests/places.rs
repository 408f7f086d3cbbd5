//! Where threads are when they are asked.

use super::*;
use crate::sys::memory::read_own;
use nix::sys::mman;
use std::{
    io::{Read, Write},
    num::NonZeroUsize,
    os::fd::AsRawFd,
    sync::{Condvar, Mutex},
};

/// Asks ten times, and each time the thread's own pattern is in the copy, which is what is there.
#[track_caller]
fn check(tid: u32) -> Kept {
    for _ in 0..10 {
        let kept = look_at(tid);
        assert!(holds(&kept.stack, &pattern(tid)), "another thread's stack");
        assert_eq!(kept.depth, Some(kept.stack.len() as u64));
        assert!(!kept.cut);
    }
    look_at(tid)
}

#[test]
fn a_thread_that_computes() {
    let victim = Victim::new(spin);
    check(victim.tid);
}

#[test]
fn a_thread_that_sleeps_or_is_parked() {
    let until = |back: &AtomicBool| back.load(Ordering::SeqCst);
    let asleep = Victim::new(move |back| {
        while !until(back) {
            thread::sleep(Duration::from_millis(50));
        }
    });
    check(asleep.tid);
    let parked = Victim::new(move |back| {
        while !until(back) {
            thread::park_timeout(Duration::from_millis(50));
        }
    });
    check(parked.tid);
}

#[test]
fn a_thread_that_waits_for_a_condition() {
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let theirs = pair.clone();
    let victim = Victim::new(move |_| {
        let (mutex, condition) = &*theirs;
        drop(
            condition
                .wait_while(mutex.lock().unwrap(), |done| !*done)
                .unwrap(),
        );
    });
    let kept = check(victim.tid);
    *pair.0.lock().unwrap() = true;
    pair.1.notify_all();
    assert_eq!(kept.registers.sp % 8, 0);
}

/// A call that is restarted shows its number and arguments; the bytes at the program counter are
/// the instruction that makes it.
#[test]
fn a_thread_that_reads_shows_what_from() {
    let (mut reader, mut writer) = std::io::pipe().unwrap();
    let fd = reader.as_raw_fd();
    let victim = Victim::new(move |_| reader.read(&mut [0; 3]).unwrap());
    let until_it_reads = || loop {
        let kept = check(victim.tid);
        if kept.registers.call[0] == libc::SYS_read as u64 {
            return kept;
        }
    };
    let kept = until_it_reads();
    assert_eq!(kept.registers.call[1], fd as u64);
    assert_eq!(kept.registers.call[3], 3);
    if cfg!(target_arch = "x86_64") {
        let mut code = [0; 2];
        assert_eq!(read_own(kept.registers.pc, &mut code), 2);
        assert_eq!(code, [0x0f, 0x05]);
    }
    writer.write_all(b"abc").unwrap();
    assert_eq!(victim.join(), 3);
}

#[test]
fn a_thread_that_polls() {
    let victim = Victim::new(|back| {
        while !back.load(Ordering::SeqCst) {
            // SAFETY: poll(2) without descriptors only waits.
            unsafe { libc::poll(std::ptr::null_mut(), 0, 50) };
        }
    });
    check(victim.tid);
}

#[test]
fn the_main_thread() {
    let kept = look_at(std::process::id());
    let depth = kept.depth.unwrap();
    assert!((200..8 << 20).contains(&depth), "{depth}");
    assert!(!kept.stack.is_empty());
}

/// Calls itself until it uses more stack than is copied.
#[inline(never)]
fn dig(calls: usize, back: &AtomicBool) -> usize {
    let filling = [calls; 128];
    std::hint::black_box(&filling);
    let below = match calls {
        0 => {
            spin(back);
            0
        }
        _ => dig(calls - 1, back),
    };
    below + std::hint::black_box(&filling).len()
}

#[test]
fn a_deep_stack_is_cut_and_its_depth_known() {
    let victim = Victim::new(|back| dig(300, back));
    let kept = loop {
        let kept = look_at(victim.tid);
        if kept.cut {
            break kept;
        }
    };
    assert_eq!(kept.stack.len(), 64 << 10);
    assert!(kept.depth.unwrap() > 64 << 10);
    let mut there = vec![0; 4096];
    assert_eq!(read_own(kept.registers.sp + (60 << 10), &mut there), 4096);
}

/// A stack of our own: `pages` that can be used between two that cannot be touched.
pub(super) fn fresh_stack(pages: usize) -> (usize, usize) {
    let page = crate::sys::page_size() as usize;
    let length = NonZeroUsize::new((pages + 2) * page).unwrap();
    let access = mman::ProtFlags::PROT_READ | mman::ProtFlags::PROT_WRITE;
    // SAFETY: a fresh mapping; its first and last page are closed to everybody. It stays for good.
    unsafe {
        let start = mman::mmap_anonymous(None, length, access, mman::MapFlags::MAP_PRIVATE);
        let start = start.unwrap();
        let none = mman::ProtFlags::PROT_NONE;
        mman::mprotect(start, page, none).unwrap();
        mman::mprotect(start.byte_add((pages + 1) * page), page, none).unwrap();
        let first = start.as_ptr() as usize + page;
        (first, first + pages * page)
    }
}

static ON_ALTERNATE: AtomicBool = AtomicBool::new(false);
static LEAVE_ALTERNATE: AtomicBool = AtomicBool::new(false);

extern "C" fn stays(_: libc::c_int) {
    ON_ALTERNATE.store(true, Ordering::SeqCst);
    spin(&LEAVE_ALTERNATE);
}

#[test]
fn a_thread_on_its_alternate_stack() {
    let (start, end) = fresh_stack(16);
    let signal = own_signal();
    install(signal, stays as *const () as usize, libc::SA_ONSTACK, &[]);
    let victim = Victim::new(move |_| {
        let stack = libc::stack_t {
            ss_sp: start as *mut libc::c_void,
            ss_flags: 0,
            ss_size: end - start,
        };
        // SAFETY: sigaltstack(2) is given memory that nobody else uses and that stays.
        unsafe {
            assert_eq!(libc::sigaltstack(&raw const stack, std::ptr::null_mut()), 0);
            libc::raise(signal);
        }
    });
    while !ON_ALTERNATE.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let kept = look_at(victim.tid);
    LEAVE_ALTERNATE.store(true, Ordering::SeqCst);
    let sp = kept.registers.sp as usize;
    assert!((start..end).contains(&sp));
    assert_eq!(kept.stack.len(), end - sp);
    assert_eq!((kept.cut, kept.depth), (false, None));
}

#[cfg(target_arch = "x86_64")]
extern "C" fn on_foreign_stack(back: &AtomicBool) {
    let mark = pattern(0xabcdef);
    std::hint::black_box(&mark);
    ON_FOREIGN.store(true, Ordering::SeqCst);
    spin(back);
    std::hint::black_box(&mark);
}

#[cfg(target_arch = "x86_64")]
static ON_FOREIGN: AtomicBool = AtomicBool::new(false);

/// As coroutine libraries do it: the stack pointer goes somewhere else.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_thread_on_a_stack_of_its_own_making() {
    let (start, end) = fresh_stack(8);
    let victim = Victim::new(move |back| {
        // SAFETY: the stack pointer is kept in a register that the callee preserves, and is at a
        // multiple of 16 at the call, as the ABI wants it; the function does not unwind.
        unsafe {
            std::arch::asm!(
                "mov r12, rsp", "mov rsp, {top}", "call {entry}", "mov rsp, r12",
                top = in(reg) end - 64, entry = in(reg) on_foreign_stack as *const (),
                in("rdi") back, out("r12") _, clobber_abi("C"),
            );
        }
    });
    while !ON_FOREIGN.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    let kept = look_at(victim.tid);
    let sp = kept.registers.sp as usize;
    assert!((start..end).contains(&sp));
    assert_eq!(
        kept.stack.len(),
        end - sp,
        "up to the page that cannot be read"
    );
    assert!(holds(&kept.stack, &pattern(0xabcdef)));
    assert_eq!((kept.cut, kept.depth), (false, None));
}

/// The signal stays pending, and is of no use to anybody when it comes.
#[test]
fn a_thread_that_blocks_the_signal() {
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::new(AtomicBool::new(false));
    let (theirs, says) = (open.clone(), is_open.clone());
    let (send, receive) = mpsc::channel();
    let victim = Victim::new(move |back| {
        change_mask(libc::SIG_BLOCK, libc::SIGURG);
        send.send(()).unwrap();
        spin(&theirs);
        change_mask(libc::SIG_UNBLOCK, libc::SIGURG);
        says.store(true, Ordering::SeqCst);
        spin(back);
    });
    receive.recv().unwrap();
    let other = Victim::new(spin);
    for _ in 0..3 {
        assert_eq!(
            ask(libc::SIGURG, victim.tid, SHORT).unwrap_err(),
            Missing::Silent
        );
        check(other.tid); // in the same slot
    }
    open.store(true, Ordering::SeqCst);
    spin(&is_open);
    check(other.tid);
    check(victim.tid);
}
