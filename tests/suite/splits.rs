//! However the bytes arrive, the conversation is the same.

use crate::service;
use manhole_tests::{conn::Conn, http, normal};
use std::path::Path;

/// Sends `input` in two pieces, split at `at`, the second after the first was read, and reads to
/// the end.
fn split(socket: &Path, input: &[u8], at: usize) -> Vec<u8> {
    let mut conn = Conn::open(socket);
    conn.send(&input[..at]);
    conn.settle();
    conn.send(&input[at..]);
    conn.half_close();
    conn.read_to_end()
}

/// Requires the same reply wherever `input` is split; what changes by the run is normalised.
fn check(socket: &Path, input: &str) {
    check_where(socket, input, |_| true);
}

fn check_where(socket: &Path, input: &str, possible: impl Fn(&[u8]) -> bool) {
    let whole = reply(&split(socket, input.as_bytes(), 0));
    assert!(!whole.trim().is_empty(), "{input:?}");
    for at in (1..input.len()).filter(|at| possible(&input.as_bytes()[..*at])) {
        let found = reply(&split(socket, input.as_bytes(), at));
        assert_eq!(found, whole, "{input:?} split at {at}");
    }
}

fn reply(bytes: &[u8]) -> String {
    normal::text(&String::from_utf8_lossy(bytes), &[])
}

#[test]
fn text_in_batch_mode() {
    let mut victim = service();
    let input = "app echo 'a b'; version # why\r\nnope\napp echo \u{e9}\n";
    // A pause after a complete line is the end of a batch.
    check_where(&victim.socket(), input, |first| !first.ends_with(b"\n"));
}

#[test]
fn text_at_the_prompt_and_in_keep_mode() {
    let mut victim = service();
    let socket = victim.socket();
    check(&socket, "\nversion\napp echo x\nquit\n");
    check(
        &socket,
        "mode keep\nversion\nnope\napp echo x; app echo y\n",
    );
}

#[test]
fn the_machine_dialect() {
    let mut victim = service();
    check(
        &victim.socket(),
        "{\"id\":1,\"command\":[\"app\",\"echo\",\"\u{e9}\"]}\n",
    );
}

#[test]
fn http() {
    let mut victim = service();
    let socket = victim.socket();
    check(
        &socket,
        "GET /cmd/app/echo?arg=x HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n",
    );
    let whole = "POST /cmd/app/act HTTP/1.1\r\nHost: localhost\r\nX-Manhole: 1\r\nContent-Length: 3\r\n\r\nabc";
    for at in 1..whole.len() {
        let response = http::parse(&split(&socket, whole.as_bytes(), at));
        assert_eq!(response.status, 200, "split at {at}: {}", response.text());
    }
    assert_eq!(
        victim.tell("acts"),
        (whole.len() - 1).to_string(),
        "each ran exactly once"
    );
}

#[test]
fn byte_by_byte() {
    let mut victim = service();
    let socket = victim.socket();
    for input in [
        "mode keep\nversion\n",
        "{\"id\":1,\"command\":[\"version\"]}\n",
        "GET /cmd/version HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let whole = reply(&split(&socket, input.as_bytes(), 0));
        let mut conn = Conn::open(&socket);
        for byte in input.as_bytes() {
            conn.send([*byte]);
            conn.settle();
        }
        conn.half_close();
        assert_eq!(reply(&conn.read_to_end()), whole, "{input:?}");
    }
}
