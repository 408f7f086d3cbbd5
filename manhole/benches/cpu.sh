#!/bin/bash
# Profiles of the processor, by manhole and by the crate pprof, each in a process of its own: how many of
# the samples come and how right the shares are, what memory it takes, what a sample costs at what depth,
# and how much slower a loop of the service is meanwhile.
#
# Usage: manhole/benches/cpu.sh [SECONDS]      (default 10; building takes a minute or two)
set -eu
seconds=${1:-10}
library=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset CARGO_TARGET_DIR
mkdir "$work/src"

cat > "$work/Cargo.toml" <<TOML
[package]
name = "profiled"
version = "0.1.0"
edition = "2024"

[dependencies]
libc = "0.2"
manhole = { path = "$library" }
pprof = "0.15"
serde_json = "1"

[profile.release]
debug = "line-tables-only"

[workspace]
TOML

cat > "$work/src/main.rs" <<'RUST'
use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Duration,
};

static OVER: AtomicBool = AtomicBool::new(false);

/// What a profiler says: periods by thread, and what it cost on threads of its own, in nanoseconds.
struct Seen {
    counts: BTreeMap<String, u64>,
    own_ns: Option<u64>,
}

/// Profiles for as long as `work` takes.
fn profile(who: &str, hz: i32, seconds: u64, work: impl FnOnce() + Send) -> Seen {
    match who {
        "manhole" => ours(hz, seconds, work),
        "pprof" => peers(hz, work),
        _ => {
            work();
            Seen { counts: BTreeMap::new(), own_ns: None }
        }
    }
}

fn ours(hz: i32, seconds: u64, work: impl FnOnce() + Send) -> Seen {
    let path = manhole::install().path().expect("a socket");
    let mut stream = UnixStream::connect(path).unwrap();
    write!(stream, "cpu {seconds} --hz {hz} --json\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    // Where the kernel lists timers, the work begins when the window does.
    while fs::read_to_string("/proc/self/timers").is_ok_and(|timers| timers.is_empty()) {
        thread::sleep(Duration::from_millis(1));
    }
    work();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let json: serde_json::Value = serde_json::from_str(&reply).expect(&reply);
    let data = &json["data"];
    let mut counts = BTreeMap::new();
    for (thread, weight) in data["threads"].as_array().unwrap().iter().zip(data["weights"].as_array().unwrap()) {
        let name = thread["name"].as_str().unwrap().to_owned();
        *counts.entry(name).or_default() += weight["samples"].as_u64().unwrap();
    }
    Seen { counts, own_ns: data["report"]["own_cpu_ns"].as_u64() }
}

fn peers(hz: i32, work: impl FnOnce()) -> Seen {
    let guard = pprof::ProfilerGuardBuilder::default()
        .frequency(hz)
        .blocklist(&["libc", "libgcc", "pthread", "vdso"])
        .build()
        .unwrap();
    work();
    let report = guard.report().build().unwrap();
    let mut counts = BTreeMap::new();
    for (frames, count) in &report.data {
        *counts.entry(frames.thread_name.clone()).or_default() += *count as u64;
    }
    Seen { counts, own_ns: None }
}

fn cpu_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn burn(ns: u64) {
    let until = cpu_ns() + ns;
    while cpu_ns() < until {
        (0..500).for_each(|_| std::hint::spin_loop());
    }
}

#[inline(never)]
fn below(depth: u32, ns: u64) -> u64 {
    let kept = black_box([u64::from(depth); 2]);
    match depth {
        0 | 1 => burn(ns),
        _ => drop(black_box(below(depth - 1, ns))),
    }
    black_box(kept)[0]
}

/// 50, 25, 15 and 10 % of a core, in pieces of 10 ms.
fn accuracy(who: &str, hz: i32, seconds: u64) {
    const SHARES: [u64; 4] = [50, 25, 15, 10];
    let used = [const { AtomicU64::new(0) }; 4];
    let seen = thread::scope(|scope| {
        let go = AtomicBool::new(false);
        let go: &'static AtomicBool = Box::leak(Box::new(go));
        for (share, used) in SHARES.iter().zip(&used) {
            let body = move || {
                while !go.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(1));
                }
                let begin = cpu_ns();
                while !OVER.load(Ordering::SeqCst) {
                    burn(share * 100_000);
                    thread::sleep(Duration::from_micros((100 - share) * 100));
                }
                used.store(cpu_ns() - begin, Ordering::SeqCst);
                thread::sleep(Duration::from_secs(3)); // its name is asked for
            };
            thread::Builder::new().name(format!("share-{share}")).spawn_scoped(scope, body).unwrap();
        }
        profile(who, hz, seconds + 2, || {
            go.store(true, Ordering::SeqCst);
            thread::sleep(Duration::from_secs(seconds));
            OVER.store(true, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(500));
        })
    });
    let used: Vec<f64> = used.iter().map(|ns| ns.load(Ordering::SeqCst) as f64).collect();
    let count = |share: &u64| seen.counts.get(&format!("share-{share}")).copied().unwrap_or(0) as f64;
    let counts: Vec<f64> = SHARES.iter().map(count).collect();
    let (all, counted): (f64, f64) = (used.iter().sum(), counts.iter().sum());
    let error = used.iter().zip(&counts).map(|(used, count)| (used / all - count / counted.max(1.0)).abs() * 100.0);
    let worst = error.fold(0.0, f64::max);
    println!(
        "| {who:<7} | {hz:>4} | {counted:>7} | {:>7.2} % | {worst:>6.2} |",
        counted * 100.0 / (all * hz as f64 / 1e9)
    );
}

/// A thread that computes below so many calls: periods, and what each takes on other threads.
fn depth(who: &str, depth: u32, seconds: u64) {
    let mut used = 0;
    let deep = &mut used;
    let seen = profile(who, 1000, seconds + 1, move || {
        let work = move || {
            below(depth, seconds * 500_000_000);
            cpu_ns()
        };
        *deep = thread::Builder::new().name("deep".to_owned()).spawn(work).unwrap().join().unwrap();
    });
    let count = seen.counts.get("deep").copied().unwrap_or(0);
    let own = seen.own_ns.map_or("with the host's".to_owned(), |ns| format!("{:.2} % of a core", ns as f64 / (seconds + 1) as f64 / 1e7));
    println!("| {who:<7} | {depth:>5} | {count:>7} | {:>7.2} % | {own} |", count as f64 * 1e8 / used as f64);
}

/// Resident memory while it runs, and at its most, over what it was before.
fn memory(who: &str, seconds: u64) {
    let rss = |what: &str| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap()
    };
    if who == "manhole" {
        manhole::install();
        thread::sleep(Duration::from_millis(300));
    }
    let (before, mut during) = (rss("VmRSS"), 0);
    let peak = rss("VmHWM");
    profile(who, 99, seconds, || {
        for depth in [10, 50, 200] {
            below(depth, seconds * 200_000_000);
        }
        during = rss("VmRSS");
    });
    println!("| {who:<7} | {:>+8} | {:>+8} | {:>+8} |", during - before, rss("VmHWM") - peak, rss("VmRSS") - before);
}

/// Processor time of a fixed loop in milliseconds, at 99 Hz.
fn work(who: &str) {
    let mut took = 0;
    profile(who, 99, 2, || {
        let begin = cpu_ns();
        let mut number = 1_u64;
        for _ in 0..400_000_000_u64 {
            number = black_box(number.wrapping_mul(31) ^ 7);
        }
        took = cpu_ns() - begin;
    });
    println!("{:.2}", took as f64 / 1e6);
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match words[2].as_str() {
        "accuracy" => accuracy(&words[1], number(3) as i32, number(4)),
        "depth" => depth(&words[1], number(3) as u32, number(4)),
        "memory" => memory(&words[1], number(3)),
        _ => work(&words[1]),
    }
}
RUST

(cd "$work" && cargo build --quiet --release)
run() { "$work/target/release/profiled" "$@" 2> /dev/null; } # the console says where it listens
echo
echo "## Processor profiles, $seconds s each ($(nproc) cores, $(rustc --version | cut -d' ' -f1,2))"
echo
echo "| by      | Hz   | samples | expected  | worst error of a share, points |"
echo "|---------|------|---------|-----------|--------|"
for hz in 100 1000; do
    for who in manhole pprof; do run "$who" accuracy "$hz" "$seconds"; done
done
echo
echo "One thread at 1000 Hz. What is done on other threads is the console's, names included."
echo
echo "| by      | depth | samples | expected  | on other threads |"
echo "|---------|-------|---------|-----------|------------------|"
for depth in 10 50 200; do
    for who in manhole pprof; do run "$who" depth "$depth" "$seconds"; done
done
echo
echo "Resident KiB over what it was before, at 99 Hz:"
echo
echo "| by      | during   | peak     | after    |"
echo "|---------|----------|----------|----------|"
for who in manhole pprof; do run "$who" memory "$seconds"; done
echo
echo "Processor time of a fixed loop at 99 Hz, ms, medians of 9 rounds in turns:"
echo
for round in 1 2 3 4 5 6 7 8 9; do
    for who in nobody manhole pprof; do echo "$who $(run "$who" loop)"; done
done | sort -k1,1 -k2,2n | awk '{ all[$1] = all[$1] " " $2; n[$1]++ } END { for (who in all) { split(all[who], v, " "); print "- " who ": " v[int((n[who] + 1) / 2)] } }'
