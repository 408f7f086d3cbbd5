//! A subscriber of `tracing` or a logger of `log` that hangs for good on a pipe nobody reads: the
//! console answers on, drops what cannot be handed over, counts it, and `info` says so.
//!
//! A program of its own, since it plays the service too:
//! `cargo test -p manhole --features tracing,log --test facades`.

#[path = "support/ask.rs"]
mod ask;

use ask::ask;
use std::{
    io::{BufRead, BufReader, Read, Write, pipe},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// Says which part this process plays.
const ROLE: &str = "MANHOLE_FACADES_ROLE";
/// More records than may wait for a listener.
const COMMANDS: usize = 400;

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("tracing") => {
            tracing::subscriber::set_global_default(Wedged::new()).expect("the first subscriber");
            serve();
        }
        Ok("log") => {
            log::set_logger(Box::leak(Box::new(Wedged::new()))).expect("the first logger");
            log::set_max_level(log::LevelFilter::Trace);
            serve();
        }
        _ => ["tracing", "log"].into_iter().for_each(check),
    }
}

/// A full pipe: whoever writes to it waits for ever.
struct Wedged {
    full: Mutex<std::io::PipeWriter>,
    _reader: std::io::PipeReader,
}

impl Wedged {
    fn new() -> Self {
        let (reader, writer) = pipe().expect("a pipe");
        let full = Mutex::new(writer);
        Self {
            full,
            _reader: reader,
        }
    }

    fn say(&self, line: &str) {
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        // A pipe takes 64 KiB.
        for _ in 0..1000 {
            let _ = writeln!(full, "{line:100}");
        }
    }
}

impl tracing::Subscriber for Wedged {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        self.say(event.metadata().target());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl log::Log for Wedged {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &log::Record<'_>) {
        self.say(record.target());
    }
    fn flush(&self) {}
}

/// The service: says where its console is, and lives until its standard input ends.
fn serve() {
    let dir = format!("/tmp/mh-facades-{}", std::process::id());
    std::fs::create_dir(&dir).expect("a directory of our own");
    let console = manhole::builder().socket_dir(&dir).install();
    println!("{}", console.path().expect("a socket").display());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    let _ = std::fs::remove_dir_all(&dir); // with the socket in it
}

fn check(facade: &str) {
    let exe = std::env::current_exe().expect("this program");
    let mut service = Command::new(exe)
        .env(ROLE, facade)
        .env_remove("MANHOLE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a service");
    let mut path = String::new();
    let stdout = service.stdout.take().expect("its standard output");
    BufReader::new(stdout).read_line(&mut path).expect("a path");
    let path = path.trim();
    for _ in 0..COMMANDS {
        assert!(ask(path, "version").starts_with("service "), "{facade}");
    }
    let info = ask(path, "info");
    assert!(
        info.contains("audit records of the console were dropped"),
        "{facade}: {info}"
    );
    assert!(info.contains("or a subscriber"), "{facade}: {info}");
    // What changes something waits for its record a moment, and not for ever.
    assert!(ask(path, "gc run").contains("after"), "{facade}");
    assert!(
        ask(path, "audit").contains("gc run"),
        "{facade}: our own audit has it"
    );
    drop(service.stdin.take());
    let ended = service.wait().expect("its end");
    assert!(ended.success(), "{facade}: {ended}");
    println!("{facade}: {COMMANDS} commands beside a subscriber that hangs, all answered");
}
