//! How a service may end, and what is left of its console.

use crate::service;
use manhole_tests::{
    conn::Conn,
    text,
    victim::{self, Victim},
    wait,
};
use nix::sys::signal::Signal;
use std::{
    os::unix::process::ExitStatusExt,
    time::{Duration, Instant},
};

/// A victim with a client in the middle of a command, and one at the prompt.
fn in_use() -> (Victim, Conn, text::Prompt) {
    let mut victim = service();
    let socket = victim.socket();
    let prompt = text::Prompt::open(&socket);
    let mut running = Conn::open(&socket);
    running.send("app slow 300s\n");
    wait::until_true("it runs", || victim.tell("begun") == "1");
    (victim, running, prompt)
}

#[test]
fn every_orderly_end_removes_the_socket_and_is_not_delayed() {
    for deed in ["exit 3", "return", "panic_main", ""] {
        let (mut victim, mut running, mut prompt) = in_use();
        let socket = victim.socket();
        let started = Instant::now();
        match deed {
            "" => victim.release(),
            deed => victim.order(deed),
        }
        let code = victim.wait().code();
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{deed:?} took {:?}",
            started.elapsed()
        );
        let expected = match deed {
            "exit 3" => 3,
            "panic_main" => 101,
            _ => 0,
        };
        assert_eq!(code, Some(expected), "{deed:?}");
        assert!(!socket.exists(), "{deed:?}");
        running.read_to_end();
        prompt.conn().read_to_end();
    }
}

#[test]
fn signals_keep_their_meaning_and_what_is_left_can_be_told_from_life() {
    for (signal, number) in [
        (Signal::SIGTERM, 15),
        (Signal::SIGKILL, 9),
        (Signal::SIGINT, 2),
    ] {
        let (mut victim, mut running, _prompt) = in_use();
        let socket = victim.socket();
        victim.signal(signal);
        assert_eq!(victim.wait().signal(), Some(number));
        running.read_to_end();
        assert!(!victim::accepts(&socket), "nobody answers at what is left");
    }
}

#[test]
fn an_abort_is_an_abort() {
    let (mut victim, mut running, _prompt) = in_use();
    victim.order("abort");
    assert_eq!(victim.wait().signal(), Some(Signal::SIGABRT as i32));
    running.read_to_end();
}

#[test]
fn a_client_that_vanishes_never_kills_by_sigpipe() {
    let mut victim = service();
    victim.tell("sigpipe_default");
    let socket = victim.socket();
    for line in [
        "app big 5000000",
        "app stream 5000000",
        "vars watch 1 shop.*",
        "help",
    ] {
        for opening in ["", "mode keep\n"] {
            let mut conn = Conn::open(&socket);
            conn.send(format!("{opening}{line}\n"));
            conn.read_some(wait::PATIENCE);
            drop(conn);
        }
        let mut conn = Conn::open(&socket);
        let path = line.split(' ').take(2).collect::<Vec<_>>().join("/");
        conn.send(format!(
            "GET /cmd/{path}?size=5000000 HTTP/1.1\r\nHost: x\r\n\r\n"
        ));
        conn.read_some(wait::PATIENCE);
    }
    wait::until_true("it is idle again", || {
        text::run(&socket, "app echo on") == "on\n"
    });
    assert_eq!(victim.status(), "Listening");
}
