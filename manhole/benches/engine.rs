//! What copying the stacks of all threads costs: how long it takes, and what a thread loses by it.
//!
//! The engine is built into this program: what is measured is the copy, without unwinding and names.
//! `MANHOLE_BENCH_ROUNDS` (default 100) is how often everybody is asked.
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
    hint::black_box,
    sync::{
        Condvar, Mutex,
        atomic::{AtomicI32, AtomicU64, Ordering},
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
            one_busy_thread();
        }
        Some("busy") => serve_busy(),
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
        "CPU of a thread, p50",
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

/// What a thread that computes loses each time, in CPU time of its own.
fn one_busy_thread() {
    support::heading("A thread that computes, asked alone: CPU time lost each time");
    let mut service = Service::start("busy");
    let mut table = Table::new(["calls deep", "stack", "p50", "p90", "p99"]);
    for _ in 0..5 {
        let row = [(); 5].map(|()| service.line());
        table.row(row);
    }
    table.print();
}

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
        tids,
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
    let rounds = setting("MANHOLE_BENCH_ROUNDS", 100);
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

/// The longest step of the busy thread's clock since it was last taken, in nanoseconds.
static LONGEST: AtomicU64 = AtomicU64::new(0);
static BUSY_ON: AtomicI32 = AtomicI32::new(1);

fn compute() {
    pin(BUSY_ON.load(Ordering::Relaxed));
    let own = ClockId::CLOCK_THREAD_CPUTIME_ID;
    let mut last: Duration = clock_gettime(own).unwrap().into();
    loop {
        let now: Duration = clock_gettime(own).unwrap().into();
        let step = (now - last).as_nanos() as u64;
        LONGEST.fetch_max(step, Ordering::Relaxed);
        last = now;
    }
}

fn pin(core: i32) {
    // SAFETY: CPU_SET(3) writes the set, which is zeroed and ours; sched_setaffinity(2) reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(core as usize, &mut set);
        libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
    }
}

extern "C" fn nothing(_: libc::c_int) {}

fn serve_busy() {
    pin(0);
    // SAFETY: a handler that does nothing, for a signal that nobody else here uses.
    unsafe { libc::signal(libc::SIGUSR2, nothing as *const () as usize) };
    let rounds = setting("MANHOLE_BENCH_ROUNDS", 100) * 20;
    let floor = spawn(1, compute);
    let mut empty = Figures::default();
    for _ in 0..rounds {
        // SAFETY: tgkill(2) takes numbers; the signal has a handler.
        measure(&mut empty, || unsafe {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), floor, libc::SIGUSR2);
            thread::sleep(Duration::from_micros(100));
        });
    }
    row("floor: an empty handler", "", &empty);
    for calls in [0, 10, 50, 200] {
        BUSY_ON.store(1, Ordering::Relaxed);
        let tid = spawn(calls, compute);
        thread::sleep(Duration::from_millis(20));
        let mut figures = Figures::default();
        let mut bytes = 0;
        for _ in 0..rounds {
            bytes = 0;
            measure(&mut figures, || ask(&[tid], &mut bytes));
        }
        row(&calls.to_string(), &format!("{bytes}"), &figures);
        let _ = Instant::now();
    }
}

fn measure(figures: &mut Figures, work: impl FnOnce()) {
    thread::sleep(Duration::from_micros(200));
    LONGEST.store(0, Ordering::Relaxed);
    work();
    thread::sleep(Duration::from_micros(50));
    figures.add(Duration::from_nanos(LONGEST.load(Ordering::Relaxed)));
}

fn row(what: &str, stack: &str, figures: &Figures) {
    say(what);
    say(stack);
    for percent in [50.0, 90.0, 99.0] {
        say(nanos(figures.quantile(percent)));
    }
}
