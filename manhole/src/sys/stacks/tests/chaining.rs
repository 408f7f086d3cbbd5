//! The host's own use of the signal.

use super::*;
use crate::sys::testing::in_a_child;
use std::sync::atomic::AtomicU64;

static SEEN: AtomicU32 = AtomicU32::new(0);
static VALUE: AtomicU64 = AtomicU64::new(0);
static MASKED: AtomicU32 = AtomicU32::new(0);

/// What the handler of a host sees, as bits: SIGUSR1, SIGUSR2 and the signal itself are blocked.
fn masked(signal: i32) -> u32 {
    let bits = [libc::SIGUSR1, libc::SIGUSR2, signal].map(|signal| u32::from(blocked(signal)));
    bits[0] | bits[1] << 1 | bits[2] << 2
}

extern "C" fn long(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    assert!(!context.is_null());
    // SAFETY: the kernel's, passed on; the signals of these tests carry a value or zeros.
    let value = unsafe { (*info).si_value().sival_ptr as u64 };
    VALUE.store(value, Ordering::SeqCst);
    MASKED.store(masked(signal), Ordering::SeqCst);
    SEEN.fetch_add(1, Ordering::SeqCst);
    nix::errno::Errno::set_raw(libc::EXDEV);
}

extern "C" fn short(signal: i32) {
    MASKED.store(masked(signal), Ordering::SeqCst);
    SEEN.fetch_add(1, Ordering::SeqCst);
}

/// With SIGUSR2 blocked by the thread itself and a look at another thread before and after, sends
/// itself the signal by `send`; how often the host's handler ran, and with what blocked.
fn host(handler: usize, flags: i32, send: impl Fn(i32)) -> (u32, u32) {
    let signal = own_signal();
    install(signal, handler, flags, &[libc::SIGUSR1]);
    change_mask(libc::SIG_BLOCK, libc::SIGUSR2);
    let victim = Victim::new(spin_softly);
    let before = ask(signal, victim.tid, PATIENCE).is_ok();
    send(signal);
    send(signal);
    let after = ask(signal, victim.tid, PATIENCE).is_ok();
    drop(victim);
    let kept = !blocked(libc::SIGUSR1) && blocked(libc::SIGUSR2) && !blocked(signal);
    match before && after && kept {
        true => (SEEN.load(Ordering::SeqCst), MASKED.load(Ordering::SeqCst)),
        false => (u32::MAX, 0),
    }
}

fn by_raise(signal: i32) {
    // SAFETY: raise(3) takes a number.
    unsafe { libc::raise(signal) };
}

/// The kernel prefers the leader, which in a forked child is the calling thread.
fn by_kill(signal: i32) {
    // SAFETY: kill(2) takes numbers.
    unsafe { libc::kill(libc::getpid(), signal) };
}

fn by_queue(signal: i32) {
    let value = libc::sigval {
        sival_ptr: 0xfeed_face as *mut libc::c_void,
    };
    // SAFETY: sigqueue(3) takes numbers.
    unsafe { libc::sigqueue(libc::getpid(), signal, value) };
}

#[test]
fn the_hosts_handler_runs_as_it_asked_to() {
    let check = |handler: usize, flags: i32, expected: (u32, u32)| {
        in_a_child(move || host(handler, flags, by_raise) == expected);
    };
    let (long, short) = (long as *const () as usize, short as *const () as usize);
    check(long, libc::SA_SIGINFO, (2, 0b111));
    check(short, 0, (2, 0b111));
    check(short, libc::SA_NODEFER, (2, 0b011));
    check(long, libc::SA_SIGINFO | libc::SA_RESETHAND, (1, 0b111));
    check(libc::SIG_IGN, 0, (0, 0));
}

#[test]
fn the_hosts_signals_arrive_however_they_are_sent() {
    let long = long as *const () as usize;
    in_a_child(move || host(long, libc::SA_SIGINFO, by_kill).0 == 2);
    in_a_child(move || {
        host(long, libc::SA_SIGINFO, by_queue).0 == 2 && VALUE.load(Ordering::SeqCst) == 0xfeed_face
    });
}

/// A signal that claims to be ours: queued by this process, with a value. Without the number that
/// only we know it is the host's.
#[test]
fn what_only_looks_like_ours_is_the_hosts() {
    let long = long as *const () as usize;
    in_a_child(move || {
        let signal = own_signal();
        install(signal, long, libc::SA_SIGINFO, &[]);
        let victim = Victim::new(spin_softly);
        let before = ask(signal, victim.tid, PATIENCE).is_ok();
        for slot in 0..64 {
            let forged = value::pack(area::magic().wrapping_add(1), 0, slot);
            let _ = send::Sender::new(signal).send(me(), forged);
        }
        before && SEEN.load(Ordering::SeqCst) == 64
    });
}

/// With the true number but for a slot that nobody armed: late, and nobody's business.
#[test]
fn what_comes_late_is_nobodys() {
    let long = long as *const () as usize;
    in_a_child(move || {
        let signal = own_signal();
        install(signal, long, libc::SA_SIGINFO, &[]);
        let victim = Victim::new(spin_softly);
        let before = ask(signal, victim.tid, PATIENCE).is_ok();
        for slot in 0..64 {
            let late = value::pack(area::magic(), 0, slot);
            let _ = send::Sender::new(signal).send(me(), late);
        }
        before && SEEN.load(Ordering::SeqCst) == 0 && ask(signal, victim.tid, PATIENCE).is_ok()
    });
}

/// At the limit of pending signals the kernel delivers a standard signal without its value. One
/// that no other test asks with: the child starts with what was installed before.
#[test]
fn a_signal_that_lost_its_value_is_answered() {
    let long = long as *const () as usize;
    in_a_child(move || {
        install(libc::SIGIO, long, libc::SA_SIGINFO, &[]);
        let victim = Victim::new(spin_softly);
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: setrlimit(2) reads the structure.
        unsafe { libc::setrlimit(libc::RLIMIT_SIGPENDING, &raw const none) };
        let answered = ask(libc::SIGIO, victim.tid, PATIENCE);
        let refused = ask(own_signal(), victim.tid, PATIENCE);
        let untold = SEEN.load(Ordering::SeqCst) == 0;
        answered.is_ok() && untold && refused.err() == Some(Missing::Refused(Errno::EAGAIN))
    });
}

#[test]
fn a_handler_that_the_host_installs_later_is_left_alone() {
    let signal = own_signal();
    let victim = Victim::new(spin_softly);
    ask(signal, victim.tid, PATIENCE).unwrap();
    let short = short as *const () as usize;
    install(signal, short, 0, &[]);
    let refused = look(signal, &[victim.tid], SHORT).unwrap_err();
    assert_eq!(refused, Unusable::Taken(short as u64));
    install(signal, libc::SIG_DFL, 0, &[]);
    let refused = look(signal, &[victim.tid], SHORT).unwrap_err();
    assert_eq!(refused, Unusable::Taken(0));
    assert!(look_at(victim.tid).depth.is_some(), "another signal serves");
}

#[test]
fn a_signal_that_cannot_have_a_handler_is_refused() {
    for signal in [0, -1, libc::SIGKILL, 65, i32::MAX] {
        let refused = look(signal, &[], SHORT).unwrap_err();
        assert_eq!(refused, Unusable::Refused(Errno::EINVAL), "{signal}");
    }
}

#[test]
fn errno_stays_what_it_was() {
    let victim = Victim::new(|back| {
        Errno::set_raw(4711);
        spin(back);
        Errno::last_raw()
    });
    for _ in 0..100 {
        look_at(victim.tid);
    }
    assert_eq!(victim.join(), 4711);
}
