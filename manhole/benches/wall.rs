//! What it costs to sample the clock of all threads: processor time of the service while somebody does, and
//! while nobody does, in turns.
//!
//! `waiting` threads stand 5 to 30 calls deep; `working` ones do 1 ms of work and sleep 7 ms, over and over.
//! Looks are what the samples stand on, and the reused of these are those for which nobody was interrupted.
//! What the application pays for labels and for profiles of its own stands below.
//! `MANHOLE_BENCH_ROUNDS` (default 3) is how often each is measured, two seconds a time.

mod support;

use nix::time::{ClockId, clock_gettime};
use std::{
    cell::Cell,
    hint::black_box,
    thread,
    time::{Duration, Instant},
};
use support::{
    Service, Table,
    figures::{median, nanos},
    service::{say, wait},
    setting, waiting, wire,
};

/// How long is measured, and how long the sampler has to begin.
const MEASURED: Duration = Duration::from_secs(2);
const BEGINNING: Duration = Duration::from_millis(700);

/// Threads that wait, threads that work, and the rate.
const CASES: [(usize, usize, u32); 6] = [
    (10, 0, 49),
    (100, 0, 49),
    (100, 10, 49),
    (100, 10, 99),
    (1000, 0, 49),
    (1000, 50, 49),
];

fn main() {
    match support::role().as_deref() {
        None => {
            contest();
            said();
        }
        Some(role) => {
            let (waiting, working) = role.split_once('+').unwrap();
            serve(waiting.parse().unwrap(), working.parse().unwrap());
        }
    }
}

fn contest() {
    support::heading("Sampling the clock of all threads (wall): processor time of the service");
    let mut table = Table::new([
        "waiting",
        "working",
        "hz",
        "without",
        "while sampled",
        "cost, of a core",
        "ratio",
        "looks a second",
        "reused",
    ]);
    for (waiting, working, hz) in CASES {
        let mut service = Service::start(&format!("{waiting}+{working}"));
        let socket = service.line();
        thread::sleep(Duration::from_millis(500));
        let [mut without, mut with, mut looks, mut reused] = [const { Vec::new() }; 4];
        for _ in 0..setting("MANHOLE_BENCH_ROUNDS", 3) {
            without.push(cores(&mut service));
            let socket = socket.clone();
            let sampling = thread::spawn(move || {
                wire::batch(&socket, &format!("wall 4 --hz {hz} --format json"))
            });
            thread::sleep(BEGINNING);
            with.push(cores(&mut service));
            let reply = sampling.join().unwrap();
            let [samples, again, ns] =
                ["samples", "reused", "window_ns"].map(|name| of(&reply, name));
            looks.push(samples / ns * 1e9);
            reused.push(again / samples);
        }
        let (without, with) = (median(without), median(with));
        table.row([
            waiting.to_string(),
            working.to_string(),
            hz.to_string(),
            format!("{:.1} %", 100.0 * without),
            format!("{:.1} %", 100.0 * with),
            format!("{:.1} %", 100.0 * (with - without)),
            match working {
                0 => "-".to_owned(),
                _ => format!("{:.2}", with / without),
            },
            format!("{:.0}", median(looks)),
            format!("{:.0} %", 100.0 * median(reused)),
        ]);
    }
    table.print();
}

/// A number of the report in a reply.
fn of(reply: &str, name: &str) -> f64 {
    let report = reply.split_once("\"report\":").map_or("", |(_, rest)| rest);
    let (_, number) = report.split_once(&format!("\"{name}\":")).unwrap();
    let number: String = number.chars().take_while(char::is_ascii_digit).collect();
    number.parse().unwrap()
}

/// Processor time that the service takes, in cores.
fn cores(service: &mut Service) -> f64 {
    let mut cpu = || {
        service.go();
        service.number()
    };
    let (start, before) = (Instant::now(), cpu());
    thread::sleep(MEASURED);
    let (time, after) = (start.elapsed(), cpu());
    (after - before) as f64 / time.as_nanos() as f64
}

fn serve(waiting: usize, working: usize) {
    waiting::threads(waiting);
    for number in 0..working {
        let thread = thread::Builder::new().name(format!("worker-{number}"));
        let body = move || waiting::deep(8 + number % 10, &work);
        thread.spawn(body).unwrap();
    }
    let console = manhole::install();
    say(console.path().expect("a socket").display());
    loop {
        wait();
        let cpu = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
        say(cpu.tv_sec() as u64 * 1_000_000_000 + cpu.tv_nsec() as u64);
    }
}

/// A millisecond of work, then seven without.
fn work() {
    loop {
        let mut sum = 0_u64;
        for number in 0..200_000 {
            sum = black_box(sum.wrapping_mul(31).wrapping_add(number));
        }
        black_box(sum);
        thread::sleep(Duration::from_millis(7));
    }
}

/// What the application pays, whether somebody samples or not.
fn said() {
    support::heading("Labels of a thread, and things in a profile of one's own");
    let mut table = Table::new(["what", "each, median"]);
    let things = manhole::profile("bench/things").unwrap();
    let mut rows = Vec::new();
    let label = || drop(manhole::label("tenant", "acme"));
    rows.push(("a label, set and taken back".to_owned(), each(&label)));
    let outer = manhole::label("service", "checkout");
    rows.push(("the same within another one".to_owned(), each(&label)));
    drop(outer);
    for depth in [5, 20, 50] {
        let time = Cell::new(0.0);
        let track = || drop(black_box(things.track()));
        waiting::deep(depth, &|| time.set(each(&track)));
        let what = format!("a thing, tracked and dropped, {depth} calls deep");
        rows.push((what, time.get()));
    }
    for (what, time) in rows {
        table.row([what, nanos(time)]);
    }
    table.print();
}

/// How long `work` takes each time, in nanoseconds.
fn each(work: &dyn Fn()) -> f64 {
    let rounds = (0..50).map(|_| {
        let start = Instant::now();
        (0..1000).for_each(|_| work());
        start.elapsed().as_nanos() as f64 / 1000.0
    });
    median(rounds.collect())
}
