//! Clients that take their time, with limits that tests can wait for.

use super::{connect_within, read_until, state};
use crate::{model::Level, session::clock::Limits};
use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

/// Soon enough to wait for.
const SOON: Duration = Duration::from_millis(30);
/// All limits so high that nothing ends by itself.
const NEVER: Limits = Limits {
    first_byte: Duration::from_secs(1000),
    partial: Duration::from_secs(1000),
    idle: Duration::from_secs(1000),
};

/// What comes when `input` was sent and nothing more is, until the connection is closed.
#[track_caller]
fn check(limits: Limits, input: &str, expected: &str) {
    let (mut client, _) = connect_within(Level::View, &state(), limits, input);
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.contains(expected), "{input:?}: {reply:?}");
    assert!(!expected.is_empty() || reply.is_empty(), "{reply:?}");
}

#[test]
fn the_limits_are_those_of_the_documents() {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let expected = Limits {
        first_byte: minutes(10),
        partial: minutes(1) / 2,
        idle: minutes(60),
    };
    assert_eq!(Limits::default(), expected);
}

#[test]
fn who_says_nothing_at_all_is_left_without_a_word() {
    let limits = Limits {
        first_byte: SOON,
        ..NEVER
    };
    check(limits, "", "");
}

#[test]
fn what_is_not_finished_is_not_waited_for() {
    let limits = Limits {
        partial: SOON,
        ..NEVER
    };
    check(
        limits,
        "GET / HT",
        "ERR timeout the first line was not finished",
    );
    check(
        limits,
        "GET / HTTP/1.1\r\nHost:",
        "HTTP/1.1 408 Request Timeout\r\n",
    );
    check(limits, "version", "ERR timeout nothing came for too long");
    check(
        limits,
        "version\nvers",
        "ERR timeout nothing came for too long",
    );
    check(
        limits,
        "mode keep\nvers",
        "ERR timeout nothing came for too long",
    );
    check(limits, "\nvers", "ERR timeout nothing came for too long");
    check(limits, "{\"id\":1", "\"code\":\"timeout\"");
}

#[test]
fn a_connection_that_is_not_used_is_closed() {
    let limits = Limits {
        idle: SOON,
        ..NEVER
    };
    check(
        limits,
        "\n",
        "ERR timeout nothing came for too long; connect again\n",
    );
    check(
        limits,
        "mode keep\nversion\n",
        "OK\nERR timeout nothing came for too long",
    );
    let asked = "{\"id\":1,\"command\":[\"version\"]}\n";
    check(limits, asked, "\"status\":\"ok\"");
    check(limits, asked, "\"code\":\"timeout\"");
}

#[test]
fn each_limit_is_for_its_own_kind_of_silence() {
    let hasty = Limits {
        first_byte: SOON,
        partial: SOON,
        ..NEVER
    };
    let (mut client, _) = connect_within(Level::View, &state(), hasty, "mode keep\n");
    std::thread::sleep(4 * SOON);
    client.write_all(b"version\n").unwrap();
    assert!(read_until(&mut client, "OK\n").contains("service"));
    // A command that takes longer than an idle client may stay is none.
    let hasty = Limits {
        idle: SOON,
        ..NEVER
    };
    let asked = "mode keep\nthreads\n";
    let (mut client, _) = connect_within(Level::View, &state(), hasty, asked);
    assert!(read_until(&mut client, "OK\n").contains("# threads "));
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.starts_with(b"ERR timeout "));
}
