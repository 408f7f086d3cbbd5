//! Real threads, in the places where threads are, ask and answer.

mod bare;
mod chaining;
mod interruptions;
mod lifecycle;
mod places;
mod pool;
mod sandbox;
mod ticks;

use super::*;
use nix::{libc, sys::signal::SigSet};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
        mpsc,
    },
    thread,
};

/// More than any thread needs to answer, however busy the machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// For threads that will not answer.
const SHORT: Duration = Duration::from_millis(20);

/// What is kept of a [`Copied`].
#[derive(Clone, Debug)]
struct Kept {
    registers: Registers,
    stack: Vec<u8>,
    cut: bool,
    depth: Option<u64>,
}

fn me() -> u32 {
    u32::try_from(nix::unistd::gettid().as_raw()).unwrap()
}

type Heard = Vec<(u32, Result<Kept, Missing>)>;

fn look(signal: i32, tids: &[u32], patience: Duration) -> Result<Heard, Unusable> {
    let mut heard = Vec::new();
    let mut each = |tid: u32, result: Result<Copied<'_>, Missing>| {
        let kept = result.map(|copied| Kept {
            registers: copied.registers,
            stack: copied.stack.to_vec(),
            cut: copied.cut,
            depth: copied.depth,
        });
        heard.push((tid, kept));
    };
    collect(
        signal,
        &mut tids.iter().copied(),
        patience,
        &|| true,
        &mut each,
    )?;
    assert_eq!(heard.len(), tids.len(), "each is heard of once");
    Ok(heard)
}

/// What one thread says to `signal`.
fn ask(signal: i32, tid: u32, patience: Duration) -> Result<Kept, Missing> {
    let (of, result) = look(signal, &[tid], patience).unwrap().remove(0);
    assert_eq!(of, tid);
    result
}

fn look_at(tid: u32) -> Kept {
    ask(libc::SIGURG, tid, PATIENCE).unwrap()
}

/// A thread that goes to some place, with a pattern on its stack, until it is told to come back.
struct Victim<T: Send + 'static = ()> {
    tid: u32,
    back: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<T>>,
}

impl<T: Send + 'static> Victim<T> {
    fn new(place: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let back = Arc::new(AtomicBool::new(false));
        let (send, receive) = mpsc::channel();
        let theirs = back.clone();
        let body = move || {
            let mark = pattern(me());
            std::hint::black_box(&mark);
            send.send(me()).unwrap();
            let result = place(&theirs);
            std::hint::black_box(&mark);
            result
        };
        let thread = Some(thread::spawn(body));
        let tid = receive.recv().unwrap();
        Self { tid, back, thread }
    }

    /// Tells it to come back, and what it brings.
    fn join(mut self) -> T {
        self.back.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl<T: Send> Drop for Victim<T> {
    fn drop(&mut self) {
        self.back.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn pattern(tid: u32) -> [u8; 48] {
    std::array::from_fn(|at| (at as u8).wrapping_mul(7) ^ (tid >> (8 * (at % 3))) as u8)
}

fn holds(stack: &[u8], what: &[u8]) -> bool {
    stack.windows(what.len()).any(|window| window == what)
}

fn spin(back: &AtomicBool) {
    while !back.load(Ordering::SeqCst) {
        std::hint::spin_loop();
    }
}

/// The same without keeping a core from others.
fn spin_softly(back: &AtomicBool) {
    while !back.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(5));
    }
}

/// A signal that no other test uses.
fn own_signal() -> i32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    libc::SIGRTMIN() + 3 + NEXT.fetch_add(1, Ordering::Relaxed) as i32
}

/// Installs a handler, as a host does.
fn install(signal: i32, handler: usize, flags: i32, blocked: &[i32]) {
    // SAFETY: zeroed is a valid sigaction, `handler` one of the handlers of these tests with the shape
    // that `flags` say; they do what handlers may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        for signal in blocked {
            libc::sigaddset(&raw mut action.sa_mask, *signal);
        }
        let installed = libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        assert_eq!(installed, 0);
    }
}

/// The signals that the calling thread blocks.
fn blocked(signal: i32) -> bool {
    let mask = SigSet::thread_get_mask().unwrap();
    // SAFETY: sigismember(3) reads the set.
    unsafe { libc::sigismember(mask.as_ref(), signal) == 1 }
}

fn change_mask(how: i32, signal: i32) {
    // SAFETY: sigemptyset(3), sigaddset(3) and pthread_sigmask(3) on a set of our own.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        assert_eq!(
            libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()),
            0
        );
    }
}
