//! Clients that are slow on purpose. Their bounds are in minutes and part of what is promised, so
//! these tests wait for them; they run side by side, and longer than any other.

use crate::service;
use manhole_tests::{conn::Conn, http, text, victim::Victim, wait};
use std::{
    path::PathBuf,
    sync::LazyLock,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// More than any of the bounds here.
const LONG: Duration = Duration::from_secs(240);

/// All of them begin when the first of them does, and each test waits for its own.
static TRIED: LazyLock<[std::sync::Mutex<Option<JoinHandle<()>>>; 5]> = LazyLock::new(|| {
    [
        stopped_reader,
        crawling_reader,
        slow_head,
        partial_line,
        slow_http_reader,
    ]
    .map(|try_it| std::sync::Mutex::new(Some(thread::spawn(try_it))))
});

fn join(number: usize) {
    let handle = TRIED[number].lock().expect("nobody panics here").take();
    if let Err(panic) = handle.expect("each is joined once").join() {
        let why = panic
            .downcast_ref::<String>()
            .map_or("no words", String::as_str);
        panic!("{why}");
    }
}

#[test]
fn a_reader_that_stops_is_left_after_30_s_and_its_command_cancelled() {
    join(0);
}

#[test]
fn a_reader_at_a_byte_a_second_is_left_in_bounded_time() {
    join(1);
}

#[test]
fn a_head_that_dribbles_in_is_cut_off_after_30_s() {
    join(2);
}

#[test]
fn a_line_that_is_never_finished_is_cut_off_after_30_s() {
    join(3);
}

#[test]
fn a_slow_reader_of_http_is_left_as_well() {
    join(4);
}

fn victim() -> (Victim, PathBuf) {
    let mut victim = service();
    let socket = victim.socket();
    (victim, socket)
}

/// Waits until the application's streaming command has seen that nobody reads.
fn cancelled(victim: &mut Victim) {
    wait::within(LONG, "the command is told", || {
        (victim.tell("cancelled") == "1").then_some(())
    });
}

fn stopped_reader() {
    let (mut victim, socket) = victim();
    let mut conn = Conn::open(&socket);
    let started = Instant::now();
    conn.send("app stream 200000000\n");
    cancelled(&mut victim);
    let took = started.elapsed();
    assert!((25..120).contains(&took.as_secs()), "after {took:?}");
    assert!(
        text::run(&socket, "version").starts_with("service"),
        "nobody else noticed"
    );
}

fn crawling_reader() {
    let (mut victim, socket) = victim();
    let mut conn = Conn::open(&socket);
    let started = Instant::now();
    conn.send("app stream 200000000\n");
    let mut told = false;
    while !told && started.elapsed() < LONG {
        let more = conn.read_exact_or_end(1);
        thread::sleep(Duration::from_secs(1)); // the byte a second that this is about
        told = more.is_empty() || victim.tell("cancelled") == "1";
    }
    cancelled(&mut victim);
    let took = started.elapsed();
    // To the kernel it looks stopped: no buffer is ever emptied whole.
    assert!((25..200).contains(&took.as_secs()), "after {took:?}");
}

fn slow_http_reader() {
    let (mut victim, socket) = victim();
    let mut conn = Conn::open(&socket);
    let started = Instant::now();
    conn.send("GET /cmd/app/stream?size=200000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    cancelled(&mut victim);
    let took = started.elapsed();
    assert!((25..120).contains(&took.as_secs()), "after {took:?}");
    drop(conn);
}

fn slow_head() {
    let (_victim, socket) = victim();
    let mut conn = Conn::open(&socket);
    let started = Instant::now();
    conn.send("GET / HTTP/1.1\r\n");
    let reply = loop {
        if conn.try_send("X-Slow: 1\r\n").is_err() {
            break Vec::new();
        }
        match conn.read_some(Duration::from_secs(2)) {
            None => assert!(started.elapsed() < LONG, "it goes on for ever"),
            Some(reply) => break reply,
        }
    };
    let took = started.elapsed();
    assert!((25..120).contains(&took.as_secs()), "after {took:?}");
    let rest = conn.read_to_end();
    let reply = [reply, rest].concat();
    assert_eq!(http::parse(&reply).status, 408);
}

fn partial_line() {
    let (_victim, socket) = victim();
    let mut conn = Conn::open(&socket);
    let started = Instant::now();
    conn.send("app ec");
    let reply = conn.text_to_end();
    let took = started.elapsed();
    assert!((25..120).contains(&took.as_secs()), "after {took:?}");
    text::expect_error(&reply, "timeout");
}
