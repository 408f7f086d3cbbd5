//! What copying the stacks of all threads costs: how long it takes, and for how long a thread pauses.
//!
//! The engine is built into this program: what is measured is the copy, without unwinding and names.
//! `MANHOLE_BENCH_ROUNDS` (default 50) is how often everybody is asked. Where others compete for the
//! cores, `chrt -f 20` in front gives figures that mean something.
#![allow(
    unsafe_code,
    reason = "the engine, and threads in places where they are"
)]

mod support;
#[allow(dead_code, unused_imports, unreachable_pub)]
#[path = "../src/sys/mod.rs"]
mod sys;

use nix::{
    libc,
    time::{ClockId, clock_gettime},
};
use std::{
    cell::Cell,
    hint::black_box,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use support::{Figures, Service, Table, figures::nanos, service::say, setting};
use sys::stacks::{Copied, Missing, collect};

fn main() {
    match support::role().as_deref() {
        None => {
            all_threads();
            pauses();
        }
        Some("pauses") => serve_pauses(),
        Some(threads) => serve_waiting(threads.parse().unwrap()),
    }
}

/// Threads that wait in four kinds of places, 5 to 30 calls deep.
fn all_threads() {
    support::heading("All threads, each waiting 5 to 30 calls deep");
    let mut table = Table::new([
        "threads",
        "all, median",
        "p90",
        "CPU time of a thread, p50",
        "p99",
        "bytes copied",
    ]);
    for threads in ["10", "100", "1000"] {
        let mut service = Service::start(threads);
        let [a, b, c, d, e] = [(); 5].map(|()| service.line());
        table.row([threads.to_owned(), a, b, c, d, e]);
    }
    table.print();
}

/// From the handler's first instruction to its last.
fn pauses() {
    support::heading("The pause of a thread: the time its handler takes");
    let mut service = Service::start("pauses");
    let mut table = Table::new(["threads", "bytes copied", "p50", "p90", "p99", "worst"]);
    for _ in 0..=DEPTHS.len() {
        table.row([(); 6].map(|()| service.line()));
    }
    table.print();
}

const DEPTHS: [usize; 4] = [0, 10, 50, 200];

static NEVER: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

#[inline(never)]
fn deep(calls: usize, then: &dyn Fn()) {
    let filling = [calls; 16];
    black_box(&filling);
    match calls {
        0 => then(),
        _ => deep(calls - 1, then),
    }
    black_box(&filling);
}

fn wait_in(place: usize, pipe: i32) {
    let mut byte = 0_u8;
    match place % 4 {
        0 => drop(NEVER.1.wait(NEVER.0.lock().unwrap())),
        1 => thread::sleep(Duration::from_secs(10_000)),
        // SAFETY: read(2) and poll(2) write to what is given to them here, and nobody writes to the
        // pipe: they do not come back.
        2 => drop(unsafe { libc::read(pipe, (&raw mut byte).cast(), 1) }),
        _ => loop {
            let mut entry = libc::pollfd {
                fd: pipe,
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: as above.
            unsafe { libc::poll(&raw mut entry, 1, -1) };
        },
    }
}

fn spawn(calls: usize, then: impl Fn() + Send + 'static) -> u32 {
    let (send, receive) = mpsc::channel();
    let body = move || {
        send.send(nix::unistd::gettid().as_raw()).unwrap();
        deep(calls, &then);
    };
    let builder = thread::Builder::new().stack_size(512 << 10);
    builder.spawn(body).unwrap();
    receive.recv().unwrap() as u32
}

/// CPU time of a thread of ours; a clock id is made of its tid as in pthread_getcpuclockid(3).
fn cpu(tid: u32) -> Duration {
    let clock = ClockId::from_raw((!(tid as i32)) << 3 | 6);
    clock_gettime(clock).unwrap().into()
}

fn ask(tids: &[u32], bytes: &mut usize) {
    let mut each = |_: u32, copied: Result<Copied<'_>, Missing>| match copied {
        Ok(copied) => *bytes += copied.stack.len(),
        Err(missing) => say(format!("{missing:?}")),
    };
    collect(
        libc::SIGURG,
        &mut tids.iter().copied(),
        Duration::from_secs(1),
        &|| true,
        &mut each,
    )
    .unwrap();
}

fn serve_waiting(threads: usize) {
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = std::os::fd::AsRawFd::as_raw_fd(&reader);
    let tids: Vec<u32> = (0..threads)
        .map(|number| spawn(5 + number % 25, move || wait_in(number, pipe)))
        .collect();
    thread::sleep(Duration::from_millis(300));
    let (mut all, mut each) = (Figures::default(), Figures::default());
    let mut bytes = 0;
    ask(&tids, &mut bytes);
    let rounds = setting("MANHOLE_BENCH_ROUNDS", 50);
    for _ in 0..rounds {
        thread::sleep(Duration::from_millis(5));
        let before: Vec<Duration> = tids.iter().map(|tid| cpu(*tid)).collect();
        bytes = 0;
        all.time(|| ask(&tids, &mut bytes));
        thread::sleep(Duration::from_millis(1));
        for (tid, before) in tids.iter().zip(before) {
            each.add(cpu(*tid) - before);
        }
    }
    say(nanos(all.median()));
    say(nanos(all.quantile(90.0)));
    say(nanos(each.median()));
    say(nanos(each.quantile(99.0)));
    say(bytes / threads);
}

/// The engine's handler, for [`timed`].
static HANDLER: AtomicUsize = AtomicUsize::new(0);
/// How long it took last, in nanoseconds.
static PAUSE: AtomicU64 = AtomicU64::new(0);
static OVER: AtomicBool = AtomicBool::new(false);

/// Runs the engine's handler with a clock on both sides. The threads here block the engine's signal
/// and get this one instead, without a value, which the handler takes for one that lost it.
extern "C" fn timed(signal: libc::c_int, info: *mut i32, context: *mut libc::c_void) {
    type Handler = extern "C" fn(libc::c_int, *mut i32, *mut libc::c_void);
    let handler = HANDLER.load(Ordering::Relaxed);
    // SAFETY: `info` is the kernel's siginfo_t, whose code, pid and uid are these words; the address
    // is the engine's handler, as sigaction(2) told it.
    unsafe {
        info.add(2).write(libc::SI_USER);
        info.add(4).write(0);
        info.add(5).write(0);
        let start = Instant::now();
        std::mem::transmute::<usize, Handler>(handler)(signal, info, context);
        PAUSE.store(start.elapsed().as_nanos() as u64, Ordering::Relaxed);
    }
}

/// Asks one thread, and has it answer by [`timed`].
fn ask_timed(tid: u32, figures: &mut Figures) -> usize {
    let (looks, mut bytes) = (Cell::new(0), 0);
    let after_asking = || {
        looks.set(looks.get() + 1);
        if looks.get() == 2 {
            // SAFETY: tgkill(2) takes numbers; the signal has a handler.
            unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, libc::SIGUSR2) };
        }
        true
    };
    let mut each =
        |_: u32, copied: Result<Copied<'_>, Missing>| bytes = copied.unwrap().stack.len();
    PAUSE.store(0, Ordering::Relaxed);
    let patience = Duration::from_secs(10);
    collect(
        libc::SIGURG,
        &mut [tid].into_iter(),
        patience,
        &after_asking,
        &mut each,
    )
    .unwrap();
    while PAUSE.load(Ordering::Relaxed) == 0 {
        thread::yield_now();
    }
    figures.add(Duration::from_nanos(PAUSE.load(Ordering::Relaxed)));
    bytes
}

fn prepare() {
    collect(
        libc::SIGURG,
        &mut std::iter::empty(),
        Duration::ZERO,
        &|| true,
        &mut |_, _| (),
    )
    .unwrap();
    // SAFETY: zeroed is a valid sigaction; what is installed is made for it. The mask is changed
    // before any other thread is started, so all of them inherit it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGURG, std::ptr::null(), &raw mut action);
        HANDLER.store(action.sa_sigaction, Ordering::Relaxed);
        action.sa_sigaction = timed as *const () as usize;
        libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut());
    }
    let mut urgent = nix::sys::signal::SigSet::empty();
    urgent.add(nix::sys::signal::Signal::SIGURG);
    urgent.thread_block().unwrap();
}

fn serve_pauses() {
    prepare();
    let rounds = setting("MANHOLE_BENCH_ROUNDS", 50);
    let (reader, _writer) = std::io::pipe().unwrap();
    let pipe = std::os::fd::AsRawFd::as_raw_fd(&reader);
    let tids: Vec<u32> = (0..100)
        .map(|number| spawn(5 + number % 25, move || wait_in(number, pipe)))
        .collect();
    thread::sleep(Duration::from_millis(100));
    let (mut figures, mut bytes) = (Figures::default(), 0);
    for _ in 0..rounds {
        bytes = tids.iter().map(|tid| ask_timed(*tid, &mut figures)).sum();
    }
    row("100 that wait", bytes / tids.len(), &figures);
    for calls in DEPTHS {
        let tid = spawn(calls, compute);
        let mut figures = Figures::default();
        for _ in 0..rounds * 20 {
            bytes = ask_timed(tid, &mut figures);
        }
        row(
            &format!("one that computes, {calls} calls deep"),
            bytes,
            &figures,
        );
        OVER.store(true, Ordering::Relaxed);
        while OVER.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}

fn compute() {
    while !OVER.load(Ordering::Relaxed) {
        black_box(0);
    }
    OVER.store(false, Ordering::Relaxed);
}

fn row(what: &str, bytes: usize, figures: &Figures) {
    say(what);
    say(bytes);
    for percent in [50.0, 90.0, 99.0, 100.0] {
        say(nanos(figures.quantile(percent)));
    }
}
