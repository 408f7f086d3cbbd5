//! What a service pays for a console that nobody uses: the time of `install`, threads, descriptors,
//! memory, wake-ups; and whether a thousand cycles of install and shutdown leave anything behind.
//!
//! `MANHOLE_BENCH_SECONDS` (default 65, two ticks) is how long the idle console is watched,
//! `MANHOLE_BENCH_PROCESSES` (40) how many fresh processes install, `MANHOLE_BENCH_CYCLES` (1000).

mod support;

use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::File,
    thread,
    time::{Duration, Instant},
};
use support::{
    Figures, Service, Table,
    figures::{kib_change, nanos},
    process::Look,
    service::{fresh_dir, say, wait},
    setting, wire,
};

/// Counters of the idle service, so that the tick has something to look at.
static COUNTERS: [manhole::vars::Counter; 2] = [
    manhole::vars::Counter::new("requests"),
    manhole::vars::Counter::new("errors"),
];

fn main() {
    match support::role().as_deref() {
        None => {
            time_to_install();
            idle();
            cycles();
        }
        Some("thread") => timed(|| thread::Builder::new().spawn(thread::park).unwrap()),
        Some("no wait") => timed(|| manhole::builder().start_timeout(Duration::ZERO).install()),
        Some("default") => timed(manhole::install),
        Some("idle") => serve_idle(),
        Some("cycles") => serve_cycles(),
        Some(other) => panic!("no role {other}"),
    }
}

fn timed<T>(work: impl FnOnce() -> T) {
    let start = Instant::now();
    let result = work();
    say(start.elapsed().as_nanos());
    wait();
    drop(result);
}

/// The first install of a process, each in a fresh one, in turns.
fn time_to_install() {
    support::heading("install(), as its caller sees it");
    let rows = [
        ("floor: one thread spawned", "thread", false),
        ("start_timeout(0): does not wait", "no wait", false),
        ("default: waits until it listens", "default", false),
        ("default, bind lock held by another", "default", true),
    ];
    let mut figures = rows.map(|_| Figures::default());
    for _ in 0..setting("MANHOLE_BENCH_PROCESSES", 40) {
        for ((_, role, locked), figures) in rows.iter().zip(&mut figures) {
            let dir = fresh_dir();
            let _lock = locked.then(|| {
                let file = File::create(dir.join(".lock")).unwrap();
                Flock::lock(file, FlockArg::LockExclusive).unwrap()
            });
            figures.add(Duration::from_nanos(Service::start_in(role, dir).number()));
        }
    }
    let mut table = Table::new(["", "median", "p90", "worst"]);
    for ((what, ..), figures) in rows.iter().zip(&figures) {
        let at = |percent| nanos(figures.quantile(percent));
        table.row([(*what).to_owned(), at(50.0), at(90.0), at(100.0)]);
    }
    table.print();
}

fn serve_idle() {
    for counter in &COUNTERS {
        counter.add(1);
    }
    say("ready");
    wait();
    let console = manhole::install();
    say(console.path().expect("a socket").display());
    wait();
}

/// A console that nobody talks to, then one that answered once.
fn idle() {
    let seconds = setting("MANHOLE_BENCH_SECONDS", 65);
    support::heading(&format!(
        "A console that nobody uses, watched for {seconds} s"
    ));
    let mut service = Service::start("idle");
    service.line();
    let before = Look::at(service.pid());
    service.go();
    let path = service.line();
    thread::sleep(Duration::from_secs(1));
    let after = Look::at(service.pid());
    thread::sleep(Duration::from_secs(seconds));
    let later = Look::at(service.pid());
    wire::Lines::keep(&path).ask(b"version\n", 1);
    thread::sleep(Duration::from_secs(7));
    let used = Look::at(service.pid());

    let ours = |look: &Look| look.threads.get("manhole").cloned().unwrap_or_default();
    let memory = |look: &Look| {
        format!(
            "{} resident, of these {} its own, the rest mapped code",
            kib_change(before.rss, look.rss),
            kib_change(before.own, look.own)
        )
    };
    let woken = ours(&later).slept - ours(&after).slept;
    let mut table = Table::new(["", ""]);
    let mut row = |what: &str, figure: String| table.row([what.to_owned(), figure]);
    row("memory after install", memory(&after));
    row("memory after idling", memory(&later));
    row("memory after one command, idle again", memory(&used));
    row(
        "threads added",
        (after.count() - before.count()).to_string(),
    );
    row(
        "descriptors in the host's table",
        format!("{:+}", after.descriptors as i64 - before.descriptors as i64),
    );
    row(
        "descriptors in the console's own table",
        ours(&after).descriptors.to_string(),
    );
    row(
        &format!("wake-ups in {seconds} s (one is the tick of every 30 s)"),
        woken.to_string(),
    );
    table.print();
}

fn serve_cycles() {
    let cycle = || {
        let start = Instant::now();
        let console = manhole::install();
        assert_eq!(console.status(), manhole::Status::Listening);
        let installed = start.elapsed();
        let start = Instant::now();
        console.shutdown();
        (installed, start.elapsed())
    };
    cycle();
    say("ready");
    wait();
    for _ in 0..setting("MANHOLE_BENCH_CYCLES", 1000) {
        let (installed, shut) = cycle();
        say(installed.as_nanos());
        say(shut.as_nanos());
    }
    wait();
}

/// Whether installing and shutting down again and again leaves anything behind.
fn cycles() {
    let count = setting("MANHOLE_BENCH_CYCLES", 1000);
    support::heading(&format!(
        "{count} cycles of install and shutdown in one process"
    ));
    let mut service = Service::start("cycles");
    service.line();
    let before = Look::at(service.pid());
    service.go();
    let (mut installs, mut shutdowns) = (Figures::default(), Figures::default());
    for _ in 0..count {
        installs.add(Duration::from_nanos(service.number()));
        shutdowns.add(Duration::from_nanos(service.number()));
    }
    thread::sleep(Duration::from_secs(6)); // idle workers end after 5 s
    let after = Look::at(service.pid());
    let mut table = Table::new(["", "median", "p99"]);
    for (what, figures) in [("install", installs), ("shutdown", shutdowns)] {
        let at = |percent| nanos(figures.quantile(percent));
        table.row([what.to_owned(), at(50.0), at(99.0)]);
    }
    table.print();
    println!(
        "left behind after the first cycle's own: {} threads, {} descriptors, {} resident",
        after.count() as i64 - before.count() as i64,
        after.descriptors as i64 - before.descriptors as i64,
        kib_change(before.rss, after.rss),
    );
}
