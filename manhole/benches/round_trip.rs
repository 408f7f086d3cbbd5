//! What a command costs on an open connection: one at a time, and pipelined; beside an echo.
//!
//! `MANHOLE_BENCH_ROUNDS` (default 15) rounds of 1000 requests to each server in turn.

mod support;

use std::time::Instant;
use support::{
    Figures, Service, Table,
    figures::{median, nanos, per_second},
    floor,
    process::OneCore,
    service::{say, wait},
    setting,
    wire::Lines,
};

static REQUESTS: manhole::vars::Counter = manhole::vars::Counter::new("requests");
/// Requests of one server before the next one's turn.
const TURN: usize = 1000;
/// Requests under way when they are pipelined: both directions stay below a socket's buffer.
const DEPTH: usize = 50;

fn main() {
    match support::role().as_deref() {
        None => {
            let _core = OneCore::pin();
            compare("one core");
            drop(_core);
            compare("all cores, the scheduler's choice");
        }
        Some("echo") => floor::echo(),
        Some("relayed echo") => floor::relayed_echo(),
        Some("console") => {
            REQUESTS.add(1);
            say(manhole::install().path().expect("a socket").display());
            wait();
        }
        Some(other) => panic!("no role {other}"),
    }
}

/// A server, the line it is sent, and what was measured.
struct Contestant {
    what: &'static str,
    request: &'static str,
    lines: Lines,
    latency: Figures,
    rounds: Vec<f64>,
    rates: Vec<f64>,
}

impl Contestant {
    fn one_at_a_time(&mut self) {
        let mut turn = Figures::default();
        for _ in 0..TURN {
            turn.time(|| self.lines.ask(self.request.as_bytes(), 1));
        }
        self.rounds.push(turn.median());
        self.latency.extend(&turn);
    }

    fn pipelined(&mut self) {
        let batch = self.request.repeat(DEPTH);
        let start = Instant::now();
        for _ in 0..TURN / DEPTH {
            self.lines.ask(batch.as_bytes(), DEPTH);
        }
        self.rates.push(TURN as f64 / start.elapsed().as_secs_f64());
    }
}

fn compare(place: &str) {
    support::heading(&format!("A command on an open connection, {place}"));
    let mut echo = Service::start("echo");
    let mut relayed = Service::start("relayed echo");
    let mut console = Service::start("console");
    let path = console.line();
    let contestant = |what, request, lines| Contestant {
        what,
        request,
        lines,
        latency: Figures::default(),
        rounds: Vec::new(),
        rates: Vec::new(),
    };
    let mut all = [
        contestant("echo (the floor)", "version\n", Lines::plain(&echo.line())),
        contestant(
            "echo by way of another thread",
            "version\n",
            Lines::plain(&relayed.line()),
        ),
        contestant("version", "version\n", Lines::keep(&path)),
        contestant("vars get", "vars get requests\n", Lines::keep(&path)),
    ];
    for contestant in &mut all {
        contestant.lines.ask(contestant.request.as_bytes(), 1);
    }
    for _ in 0..setting("MANHOLE_BENCH_ROUNDS", 15) {
        all.iter_mut().for_each(Contestant::one_at_a_time);
        all.iter_mut().for_each(Contestant::pipelined);
    }
    report(&all);
}

fn report(all: &[Contestant]) {
    let floor = &all[0];
    let ratio = |mine: &[f64], floors: &[f64]| {
        let ratios = mine.iter().zip(floors).map(|(a, b)| a / b);
        format!("{:.2}", median(ratios.collect()))
    };
    let mut table = Table::new([
        "",
        "p50",
        "p99",
        "to the floor",
        "pipelined",
        "to the floor",
    ]);
    for contestant in all {
        table.row([
            contestant.what.to_owned(),
            nanos(contestant.latency.median()),
            nanos(contestant.latency.quantile(99.0)),
            ratio(&contestant.rounds, &floor.rounds),
            per_second(median(contestant.rates.clone())),
            ratio(&contestant.rates, &floor.rates),
        ]);
    }
    table.print();
}
