//! The stacks of all threads of a live process: over the console's socket, and by the tools that
//! people use today, gdb and eu-stack (Debian: gdb, elfutils), in turns.
//!
//! A contestant's time is what a person waits: from the request, or the start of the program, to the
//! end of the answer. The pause is what the process suffers: the longest that one of its threads, which
//! wants to run each millisecond, did not, less than which nobody gets on a machine like this.
//! `MANHOLE_BENCH_ROUNDS` (default 15) is how often ours is asked, peers a fifth of that.

mod support;

use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};
use support::{
    Figures, Service, Table,
    figures::{kib_change, median, nanos},
    process::Look,
    service::{say, wait},
    setting, waiting, wire,
};

fn main() {
    match support::role().as_deref() {
        None => {
            contest();
            memory();
        }
        Some(threads) => serve(threads.parse().unwrap()),
    }
}

/// What became of one contestant with one number of threads.
#[derive(Default)]
struct Score {
    times: Figures,
    pauses: Figures,
}

/// The first contestant, asking a program that has no debug information.
const PLAIN: &str = "stacks, without debug information";

/// A contestant: its name, how to have the stacks of a process, and how many rounds are for one of
/// ours.
type Contestant = (&'static str, fn(&Target) -> Option<Duration>, u64);

const CONTESTANTS: [Contestant; 6] = [
    ("stacks", |target| ours(target, "stacks"), 1),
    ("stacks, until all are copied and unwound", looked, 1),
    ("stacks --full", |target| ours(target, "stacks --full"), 1),
    ("stacks --json", |target| ours(target, "stacks --json"), 1),
    (
        "eu-stack -p",
        |target| peer("eu-stack", &["-p", &target.pid]),
        5,
    ),
    ("gdb -batch -ex 'thread apply all bt'", gdb, 5),
];

struct Target {
    pid: String,
    socket: String,
}

fn ours(target: &Target, line: &str) -> Option<Duration> {
    let start = Instant::now();
    let reply = wire::batch(&target.socket, line);
    let time = start.elapsed();
    assert!(!reply.starts_with("ERR"), "{reply}");
    Some(time)
}

/// What an answer says of itself: without names, folding and rendering.
fn looked(target: &Target) -> Option<Duration> {
    let reply = wire::batch(&target.socket, "stacks --json");
    let after = reply.split_once("\"took_ns\":").expect("took_ns").1;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next();
    Some(Duration::from_nanos(digits.unwrap().parse().unwrap()))
}

fn gdb(target: &Target) -> Option<Duration> {
    let words = ["-nx", "-batch", "-ex", "thread apply all bt", "-p"];
    let mut words = words.to_vec();
    words.push(&target.pid);
    peer("gdb", &words)
}

/// Runs a program to its end; `None` where it is not installed.
fn peer(program: &str, words: &[&str]) -> Option<Duration> {
    let start = Instant::now();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let time = start.elapsed();
    let frames = String::from_utf8_lossy(&output.stdout);
    assert!(frames.contains("deep"), "{program} {words:?}: {frames}");
    Some(time)
}

fn contest() {
    support::heading("The stacks of all threads, each waiting 5 to 30 calls deep");
    let mut table = Table::new([
        "threads",
        "contestant",
        "median",
        "p90",
        "to stacks",
        "to its look",
        "longest pause, median",
    ]);
    for threads in [10, 100, 1000] {
        let (mut service, target) = start(threads);
        let mut scores = CONTESTANTS.map(|_| Score::default());
        for round in 0..setting("MANHOLE_BENCH_ROUNDS", 15) {
            for ((_, run, each), score) in CONTESTANTS.iter().zip(&mut scores) {
                if round.is_multiple_of(*each) {
                    ask(&mut service);
                    let Some(time) = run(&target) else { continue };
                    score.times.add(time);
                    score.pauses.add(Duration::from_nanos(ask(&mut service)));
                }
            }
        }
        plain(threads, &mut table, &scores);
        let [whole, look] = [0, 1].map(|at: usize| scores[at].times.median());
        for ((name, ..), score) in CONTESTANTS.iter().zip(&scores) {
            if score.times.is_empty() {
                continue;
            }
            table.row([
                threads.to_string(),
                (*name).to_owned(),
                nanos(score.times.median()),
                nanos(score.times.quantile(90.0)),
                format!("{:.1}", score.times.median() / whole),
                format!("{:.1}", score.times.median() / look),
                nanos(score.pauses.median()),
            ]);
        }
    }
    table.print();
}

/// The row of [`PLAIN`].
fn plain(threads: usize, table: &mut Table, scores: &[Score]) {
    let Some(service) = Service::start_stripped(&threads.to_string()) else {
        return;
    };
    let (mut service, target) = ready(service);
    let mut score = Score::default();
    for _ in 0..setting("MANHOLE_BENCH_ROUNDS", 15) {
        ask(&mut service);
        score.times.add(ours(&target, "stacks").unwrap());
        score.pauses.add(Duration::from_nanos(ask(&mut service)));
    }
    let to = |other: &Score| format!("{:.2}", score.times.median() / other.times.median());
    table.row([
        threads.to_string(),
        PLAIN.to_owned(),
        nanos(score.times.median()),
        nanos(score.times.quantile(90.0)),
        to(&scores[0]),
        to(&scores[1]),
        nanos(score.pauses.median()),
    ]);
}

/// The longest pause since it was asked before, in nanoseconds.
fn ask(service: &mut Service) -> u64 {
    service.go();
    service.number()
}

/// A service with so many threads, each come to rest, that was looked at once: symbols are read then
/// for the first time.
fn start(threads: usize) -> (Service, Target) {
    ready(Service::start(&threads.to_string()))
}

fn ready(mut service: Service) -> (Service, Target) {
    let socket = service.line();
    let pid = service.pid().to_string();
    let target = Target { pid, socket };
    thread::sleep(Duration::from_millis(500));
    (service, target)
}

fn serve(threads: usize) {
    static LONGEST: AtomicU64 = AtomicU64::new(0);
    waiting::threads(threads);
    let beat = thread::Builder::new().name("heartbeat".to_owned());
    let heart = || {
        loop {
            let start = Instant::now();
            thread::sleep(Duration::from_millis(1));
            let gap = u64::try_from(start.elapsed().as_nanos()).unwrap();
            LONGEST.fetch_max(gap, Ordering::Relaxed);
        }
    };
    beat.spawn(heart).unwrap();
    let console = manhole::install();
    say(console.path().expect("a socket").display());
    loop {
        wait();
        say(LONGEST.swap(0, Ordering::Relaxed));
    }
}

/// What the first look costs, and what is left of it.
fn memory() {
    support::heading("Memory of a process with 1,000 threads that is looked at");
    let (service, target) = start(1000);
    let mut table = Table::new([
        "",
        "resident",
        "of these its own",
        "of these its threads' stacks",
        "took",
    ]);
    let before = Look::at(service.pid());
    let stacks = of_stacks(service.pid());
    let mut row = |what: &str, took: String| {
        let now = Look::at(service.pid());
        table.row([
            what.to_owned(),
            kib_change(before.rss, now.rss),
            kib_change(before.own, now.own),
            kib_change(stacks, of_stacks(service.pid())),
            took,
        ]);
    };
    for (what, times) in [
        ("after the first look", 1),
        ("after the second", 1),
        ("after the tenth", 8),
    ] {
        let looks = (0..times).filter_map(|_| ours(&target, "stacks"));
        let looks: Vec<f64> = looks.map(|time| time.as_nanos() as f64).collect();
        row(what, nanos(median(looks)));
    }
    thread::sleep(Duration::from_secs(7)); // idle workers end after 5 s
    row("seven seconds later", String::new());
    table.print();
}

/// Bytes of the threads' stacks that have been touched: each thread's handler and the kernel's frame
/// for it need up to 4 KiB where the thread may never have been before.
fn of_stacks(pid: u32) -> u64 {
    let maps = fs::read_to_string(format!("/proc/{pid}/smaps")).unwrap();
    let size = format!(" {} kB", waiting::STACK >> 10);
    let (mut is_stack, mut sum) = (false, 0);
    for line in maps.lines() {
        if let Some(rest) = line.strip_prefix("Size:") {
            is_stack = rest.ends_with(&size);
        }
        if let Some(rest) = line.strip_prefix("Anonymous:").filter(|_| is_stack) {
            let kilobytes = rest.trim().trim_end_matches(" kB");
            sum += kilobytes.parse::<u64>().unwrap() << 10;
        }
    }
    sum
}
