//! `GET /debug/vars`, a connection each, beside Go's expvar on a Unix socket, with the same client.
//!
//! The Go peer is built from `peers/expvar.go` when a `go` is found, and left out otherwise.
//! `MANHOLE_BENCH_ROUNDS` (default 15) rounds of 300 requests to each server in turn.

mod support;

use std::{path::PathBuf, process::Command};
use support::{
    Figures, Service, Table,
    figures::{median, nanos},
    floor,
    process::OneCore,
    service::{say, wait},
    setting,
    wire::get,
};

const TURN: usize = 300;
/// As in the peer.
const COUNTERS: usize = 20;

fn main() {
    match support::role().as_deref() {
        None => {
            let go = build_go();
            let core = OneCore::pin();
            compare("one core", go.as_ref());
            drop(core);
            compare("all cores, the scheduler's choice", go.as_ref());
        }
        Some("canned") => floor::canned(1000),
        Some("console") => serve(),
        Some(other) => panic!("no role {other}"),
    }
}

fn serve() {
    for number in 0..COUNTERS {
        let name = String::leak(format!("service.counter.{number:02}"));
        let counter = Box::leak(Box::new(manhole::vars::Counter::new(name)));
        counter.add(1_000_000 + number as u64);
    }
    say(manhole::install().path().expect("a socket").display());
    wait();
}

/// Builds the peer; `None`, with the reason said, where that cannot be.
fn build_go() -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/expvar.go");
    let target = std::env::temp_dir().join(format!("manhole-bench-expvar-{}", std::process::id()));
    let built = Command::new("go")
        .args(["build", "-o"])
        .args([target.as_os_str(), source.as_ref()])
        .env("GO111MODULE", "off")
        .status();
    match built {
        Ok(status) if status.success() => Some(target),
        other => {
            println!("the Go peer is left out: go build: {other:?}");
            None
        }
    }
}

/// A server and what was measured of it.
struct Contestant {
    what: &'static str,
    target: &'static str,
    path: String,
    _service: Service,
    latency: Figures,
    rounds: Vec<f64>,
}

impl Contestant {
    fn new(what: &'static str, target: &'static str, mut service: Service) -> Self {
        Self {
            what,
            target,
            path: service.line(),
            _service: service,
            latency: Figures::default(),
            rounds: Vec::new(),
        }
    }

    fn turn(&mut self) {
        let mut turn = Figures::default();
        for _ in 0..TURN {
            turn.time(|| get(&self.path, self.target));
        }
        self.rounds.push(turn.median());
        self.latency.extend(&turn);
    }
}

fn compare(place: &str, go: Option<&PathBuf>) {
    support::heading(&format!("GET /debug/vars, a connection each, {place}"));
    let mut all = vec![
        Contestant::new("manhole", "/debug/vars", Service::start("console")),
        Contestant::new("canned reply (the floor)", "/", Service::start("canned")),
    ];
    if let Some(go) = go {
        let own = "Go, its own variables only";
        all.push(Contestant::new(own, "/own", Service::peer(go)));
        let whole = "Go expvar, with memstats and cmdline";
        all.push(Contestant::new(whole, "/debug/vars", Service::peer(go)));
    }
    for _ in 0..setting("MANHOLE_BENCH_ROUNDS", 15) {
        all.iter_mut().for_each(Contestant::turn);
    }
    report(&all);
}

fn report(all: &[Contestant]) {
    let ours = &all[0];
    let mut table = Table::new(["", "body", "p50", "p99", "manhole's p50 to this"]);
    for contestant in all {
        let ratios = ours.rounds.iter().zip(&contestant.rounds);
        let body = get(&contestant.path, contestant.target).len();
        table.row([
            contestant.what.to_owned(),
            format!("{body} B"),
            nanos(contestant.latency.median()),
            nanos(contestant.latency.quantile(99.0)),
            format!("{:.2}", median(ratios.map(|(a, b)| a / b).collect())),
        ]);
    }
    table.print();
}
