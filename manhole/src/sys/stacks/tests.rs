//! Real threads, in places where threads are.

use super::*;
use nix::libc;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// What is kept of a [`Copied`].
#[derive(Debug, Clone)]
struct Kept {
    registers: Registers,
    stack: Vec<u8>,
    cut: bool,
    depth: Option<u64>,
}

fn me() -> u32 {
    nix::unistd::gettid().as_raw() as u32
}

fn look(signal: i32, tids: &[u32], patience: Duration) -> Vec<(u32, Result<Kept, Missing>)> {
    let mut heard = Vec::new();
    let mut each = |tid: u32, result: Result<Copied<'_>, Missing>| {
        let kept = result.map(|copied| {
            assert_eq!(copied.tid, tid);
            Kept {
                registers: copied.registers,
                stack: copied.stack.to_vec(),
                cut: copied.cut,
                depth: copied.depth,
            }
        });
        heard.push((tid, kept));
    };
    collect(signal, tids, patience, &|| true, &mut each).unwrap();
    assert_eq!(heard.len(), tids.len());
    heard
}

fn look_at(tid: u32) -> Kept {
    look(libc::SIGURG, &[tid], PATIENCE).remove(0).1.unwrap()
}

/// A thread with a pattern on its stack that goes to `place` until it is told to come back.
struct Victim {
    tid: u32,
    back: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

fn pattern(tid: u32) -> [u8; 64] {
    std::array::from_fn(|at| at as u8 ^ (tid >> (at % 3)) as u8)
}

impl Victim {
    fn new(place: impl FnOnce(&AtomicBool) + Send + 'static) -> Self {
        let back = Arc::new(AtomicBool::new(false));
        let (send, receive) = mpsc::channel();
        let theirs = back.clone();
        let body = move || {
            let mark = pattern(me());
            std::hint::black_box(&mark);
            send.send(me()).unwrap();
            place(&theirs);
            std::hint::black_box(&mark);
        };
        let thread = Some(thread::spawn(body));
        let tid = receive.recv().unwrap();
        Self { tid, back, thread }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.back.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn holds(stack: &[u8], what: &[u8]) -> bool {
    stack.windows(what.len()).any(|window| window == what)
}

fn spin(back: &AtomicBool) {
    while !back.load(Ordering::SeqCst) {
        std::hint::spin_loop();
    }
}

#[test]
fn a_busy_thread_copies_its_stack() {
    let victim = Victim::new(spin);
    for _ in 0..100 {
        let kept = look_at(victim.tid);
        assert!(holds(&kept.stack, &pattern(victim.tid)));
        assert_eq!(kept.depth, Some(kept.stack.len() as u64));
        assert!(!kept.cut);
    }
}
