//! HTTP that is slipped into a text connection, and the other way round, runs nothing.

use crate::service;
use manhole_tests::{
    conn::Conn,
    http,
    machine::{Machine, Message},
    text,
};

#[test]
fn a_browser_that_posts_commands_is_cut_off_before_any_runs() {
    let mut victim = service();
    let socket = victim.socket();
    // What a form with enctype=text/plain sends to a port that takes everything for commands.
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\napp act\n";
    let response = http::parse(&http::raw(&socket, post.as_bytes()));
    assert_eq!(
        response.status, 200,
        "the index is all that / can be asked for"
    );
    assert_eq!(victim.tell("acts"), "0");
}

#[test]
fn a_line_of_http_on_a_text_connection_ends_it() {
    let mut victim = service();
    let socket = victim.socket();
    for smuggled in [
        "GET / HTTP/1.1",
        "POST /cmd/app/act HTTP/1.1",
        "Host: localhost",
        "X-Manhole: 1",
        "CONNECT x:1 HTTP/1.0",
    ] {
        for opening in ["", "mode keep\n", "\n", "# a comment\n", "app echo 1\n"] {
            if opening.is_empty() && smuggled.contains("HTTP/1") {
                continue; // that is HTTP, honestly
            }
            let reply = text::batch(&socket, format!("{opening}{smuggled}\r\napp act\n"));
            assert!(
                reply.contains("ERR protocol "),
                "{opening:?} {smuggled:?}: {reply:?}"
            );
        }
    }
    assert_eq!(victim.tell("acts"), "0", "nothing behind it ran");
}

#[test]
fn text_behind_a_request_is_not_run() {
    let mut victim = service();
    let socket = victim.socket();
    let request = "GET /cmd/version HTTP/1.1\r\nHost: localhost\r\n\r\napp act\n";
    let response = http::parse(&http::raw(&socket, request.as_bytes()));
    assert_eq!(response.status, 200);
    let two = "GET /cmd/version HTTP/1.1\r\nHost: x\r\n\r\nPOST /cmd/app/act HTTP/1.1\r\nHost: x\r\nX-Manhole: 1\r\n\r\n";
    let response = http::parse(&http::raw(&socket, two.as_bytes()));
    assert_eq!(response.status, 200, "one request, one response");
    assert_eq!(victim.tell("acts"), "0");
}

#[test]
fn text_on_a_machine_connection_is_an_error_and_runs_nothing() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    machine
        .conn
        .send("{\"id\":1,\"command\":[\"version\"]}\napp act\n");
    // The error may well overtake the answer.
    let mut ends = Vec::new();
    while ends.len() < 2 {
        if let (id, Message::End(end)) = machine.message() {
            ends.push((id, end));
        }
    }
    ends.sort_by_key(|(id, _)| *id);
    assert_eq!((ends[0].0, &ends[0].1["code"]), (0, &"protocol".into()));
    assert_eq!((ends[1].0, &ends[1].1["status"]), (1, &"ok".into()));
    assert_eq!(victim.tell("acts"), "0");
}

#[test]
fn a_request_of_a_web_page_is_refused() {
    let mut victim = service();
    let socket = victim.socket();
    for (headers, status) in [
        (&[("Origin", "http://evil.example")][..], 403),
        (&[("Origin", "null")][..], 403),
        (&[("Host", "evil.example")][..], 403),
        (&[("Host", "evil.example:80")][..], 403),
        (&[("Host", "127.0.0.1:8080")][..], 200),
        (&[("Host", "[::1]")][..], 200),
        (&[("Host", "debug")][..], 200),
    ] {
        let mut request = "POST /cmd/app/act HTTP/1.1\r\nX-Manhole: 1\r\n".to_owned();
        if headers[0].0 != "Host" {
            request.push_str("Host: localhost\r\n");
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let response = http::parse(&http::raw(&socket, (request + "\r\n").as_bytes()));
        assert_eq!(response.status, status, "{headers:?}");
    }
    assert_eq!(victim.tell("acts"), "3", "those that were let through");
}

#[test]
fn nothing_runs_before_its_line_is_complete() {
    let mut victim = service();
    let socket = victim.socket();
    let mut conn = Conn::open(&socket);
    conn.send("app act");
    conn.settle();
    conn.half_close();
    text::expect_error(&conn.text_to_end(), "syntax");
    let mut conn = Conn::open(&socket);
    conn.send("{\"id\":1,\"command\":[\"app\",\"act\"]}");
    conn.half_close();
    conn.read_to_end();
    let mut conn = Conn::open(&socket);
    conn.send("POST /cmd/app/act HTTP/1.1\r\nHost: x\r\nX-Manhole: 1\r\n");
    conn.half_close();
    conn.read_to_end();
    assert_eq!(victim.tell("acts"), "0");
}
