//! What the handler must do without: the allocator, and all but a little of the thread's stack.

use super::*;
use crate::sys::short_of_memory::visits;

/// Computes and sleeps in turns, without memory from the allocator.
fn frugal(back: &AtomicBool) -> u64 {
    let before = visits();
    while !back.load(Ordering::SeqCst) {
        (0..10_000).for_each(|_| std::hint::spin_loop());
        let pause = libc::timespec {
            tv_sec: 0,
            tv_nsec: 100_000,
        };
        // SAFETY: nanosleep(2) reads `pause`.
        unsafe { libc::nanosleep(&raw const pause, std::ptr::null_mut()) };
    }
    visits() - before
}

#[test]
fn the_handler_never_comes_to_the_allocator() {
    let victims: Vec<Victim<u64>> = (0..4).map(|_| Victim::new(frugal)).collect();
    let tids: Vec<u32> = victims.iter().map(|victim| victim.tid).collect();
    for _ in 0..200 {
        for (_, kept) in look(libc::SIGURG, &tids, PATIENCE).unwrap() {
            assert!(!kept.unwrap().stack.is_empty());
        }
    }
    for victim in victims {
        assert_eq!(victim.join(), 0);
    }
}

extern "C" fn allocates(_: libc::c_int) {
    std::hint::black_box(Box::new(1));
}

/// The same with a handler of a host that does: the test above can fail.
#[test]
fn a_handler_that_comes_to_the_allocator_is_noticed() {
    let signal = own_signal();
    install(signal, allocates as *const () as usize, 0, &[]);
    let victim = Victim::new(frugal);
    ask(signal, victim.tid, PATIENCE).unwrap();
    let nobody = value::pack(area::magic().wrapping_add(1), 0, 0);
    send::Sender::new(signal).send(victim.tid, nobody).unwrap();
    ask(signal, victim.tid, PATIENCE).unwrap();
    assert_eq!(victim.join(), 2, "a request, and giving it back");
}

/// What the handler itself needs; not optimised it is far more. The disassembly of a release build
/// is checked for the smaller figure in `tests/suite/stacks_handler.rs`.
#[cfg(target_arch = "x86_64")]
const OWN: usize = if cfg!(debug_assertions) { 3072 } else { 640 };

/// Runs on its last bytes of stack, without an alternate one, until it is told to come back.
#[cfg(target_arch = "x86_64")]
fn on_the_last(room: usize, start: usize, back: &AtomicBool) {
    let none = libc::stack_t {
        ss_sp: std::ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    let mut usual = none;
    // SAFETY: sigaltstack(2) reads and writes these structures. The loop uses no stack; it is left with
    // the stack pointer that it was entered with.
    unsafe {
        libc::sigaltstack(&raw const none, &raw mut usual);
        std::arch::asm!(
            "mov r12, rsp", "mov rsp, {lowest}",
            "2: pause", "cmp byte ptr [{back}], 0", "je 2b",
            "mov rsp, r12",
            lowest = in(reg) start + room, back = in(reg) back.as_ptr(), out("r12") _,
        );
        libc::sigaltstack(&raw const usual, std::ptr::null_mut());
    }
}

/// In children, since a stack that is too small is the end of them.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_thread_with_hardly_any_stack_left_answers() {
    // SAFETY: getauxval(3) takes a number; what the kernel's part of a signal's frame needs at most.
    let kernels = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) } as usize;
    let answers = |room: usize| {
        crate::sys::testing::child_says(|| {
            let _ = nix::sys::prctl::set_dumpable(false); // no core file of what ends here
            let (start, _) = super::places::fresh_stack(4);
            let victim = Victim::new(move |back| on_the_last(room, start, back));
            (0..20).all(|_| !look_at(victim.tid).stack.is_empty())
        })
    };
    assert!(answers(kernels + OWN));
    assert!(!answers(kernels / 2), "the room is what counts");
}
