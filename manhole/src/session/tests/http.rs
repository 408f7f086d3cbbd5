//! Conversations in HTTP: what is served, and what is turned away, in which words.

use super::{connect, state, talk};
use crate::model::Level;
use std::io::{Read as _, Write as _};

#[test]
fn http_serves_one_request_with_its_length() {
    let reply = talk("GET /cmd/version?json=1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    for header in [
        "Content-Type: application/json",
        "X-Content-Type-Options: nosniff",
        "Content-Length: ",
    ] {
        assert!(reply.contains(header), "{header}: {reply}");
    }
    assert!(reply.contains("\"name\":\"demo\""), "{reply}");
}

#[test]
fn what_http_does_not_serve_gets_its_status() {
    let check = |request: &str, status: &str| {
        let reply = talk(request);
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status}")),
            "{request:?}: {reply}"
        );
    };
    check("GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", "404");
    check("GET /debug/pprof HTTP/1.1\r\nHost: x\r\n\r\n", "301");
    check("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "403");
    check(
        "GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://x\r\n\r\n",
        "403",
    );
    check(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "501",
    );
    check(
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n",
        "413",
    );
    check("PUT / HTTP/1.1\r\nHost: x\r\n\r\n", "405");
    check("GET /cmd/audit?rows=0 HTTP/1.1\r\nHost: x\r\n\r\n", "400");
    check(
        &format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)),
        "431",
    );
    check("GET / HTTP/1.1\nHost: x\n\n", "400");
}

#[test]
fn a_path_that_acts_takes_a_header_that_no_page_can_send() {
    let answer = |_: &crate::Request| crate::Response::text("done");
    crate::sys::origin::claim();
    crate::app::activate();
    let mut state = state();
    let routes = &mut std::sync::Arc::get_mut(&mut state).unwrap().routes;
    routes.add("/test/act", Level::Control, answer).unwrap();
    routes.activate();
    let ask = |level, header: &str| {
        let (mut client, _) = connect(level, &state);
        let request = format!("POST /test/act HTTP/1.1\r\nHost: x\r\n{header}\r\n");
        client.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        reply
    };
    assert!(ask(Level::Control, "").starts_with("HTTP/1.1 403 "));
    assert!(ask(Level::Inspect, "X-Manhole: 1\r\n").starts_with("HTTP/1.1 403 "));
    assert!(state.audit.records().iter().all(|r| r.result == "denied"));
    // Other tests share the two places for calls of the application.
    while !ask(Level::Control, "X-Manhole: 1\r\n").ends_with("\r\n\r\ndone") {}
    let records = state.audit.records();
    assert!(records.iter().any(|record| record.result == "begun"));
}

#[test]
fn what_http_turns_away_is_audited_without_its_secrets() {
    let state = state();
    let check = |request: &str, line: &str, result: &str| {
        let (mut client, _) = connect(Level::View, &state);
        client.write_all(request.as_bytes()).unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
        let last = state.audit.records().pop().unwrap();
        assert_eq!((last.line.as_str(), last.result), (line, result));
    };
    let origin = "GET /cmd/env HTTP/1.1\r\nOrigin: http://x\r\n\r\n";
    check(origin, "GET /cmd/env", "denied");
    let site = "GET /?token=t HTTP/1.1\r\nHost: \u{e9}vil.example\r\n\r\n";
    check(site, "GET /", "denied");
    let two = "GET / HTTP/1.1\r\nHost: x\r\nHost: evil.example\r\n\r\n";
    check(two, "GET /", "denied");
    let set = "POST /cmd/vars%20set/db.password/hunter2 HTTP/1.1\r\nX-Manhole: 1\r\n\r\n";
    check(set, "vars set db.password ***", "denied");
    let unknown = "POST /cmd/nope/db.password/hunter2 HTTP/1.1\r\nX-Manhole: 1\r\n\r\n";
    check(unknown, "POST /cmd/nope/db.password/***", "unknown");
    let elsewhere = "PUT /x/token+t HTTP/1.1\r\n\r\n";
    check(elsewhere, "PUT /x/token/***", "usage");
}

#[test]
fn variables_are_a_page_and_no_download() {
    for path in ["/debug/vars", "/metrics"] {
        let reply = talk(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        assert!(!reply.contains("Content-Disposition"), "{reply}");
    }
}

/// What every reply has, whoever wrote it: us, hyper for us, or we in hyper's place.
fn is_ours(reply: &str, status: u16) {
    assert!(reply.starts_with("HTTP/1."), "{reply}");
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert_eq!(
        head.get(9..12),
        Some(status.to_string().as_str()),
        "{reply}"
    );
    let (_, headers) = head.split_once("\r\n").unwrap();
    let named = |name: &str| {
        let lines = headers.lines().map(|line| line.split_once(": ").unwrap());
        let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value);
        assert_eq!(found.next(), None, "{name} twice: {reply}");
        value
    };
    let media = Some("text/plain; charset=utf-8");
    assert_eq!(named("Content-Type"), media, "{reply}");
    assert_eq!(named("X-Content-Type-Options"), Some("nosniff"), "{reply}");
    let close = head.starts_with("HTTP/1.1").then_some("close");
    assert_eq!(named("Connection"), close, "{reply}");
    assert_eq!(named("Server"), None, "{reply}");
    assert!(named("Date").unwrap().ends_with(" GMT"), "{reply}");
    assert_eq!(named("X-Go-Pprof").is_some(), status >= 300, "{reply}");
    let length = body.len().to_string();
    assert_eq!(named("Content-Length"), Some(length.as_str()), "{reply}");
}

/// Whatever is sent, one reply of ours comes, one record is kept, and the connection is closed.
#[test]
fn every_request_is_answered_by_us_audited_and_the_connection_closed() {
    let state = state();
    let happened = || {
        let kept = state.audit.kept().unwrap();
        kept.iter().map(|kept| kept.times).sum::<u64>()
    };
    let check = |request: &[u8], status: u16, line: &str, result: &str| {
        let shown = String::from_utf8_lossy(request.get(..80).unwrap_or(request));
        let before = happened();
        let (mut client, _) = connect(Level::View, &state);
        client.write_all(request).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).unwrap();
        is_ours(&reply, status);
        assert_eq!(happened(), before + 1, "{shown:?}");
        let last = state.audit.records().pop().unwrap();
        assert_eq!(
            (last.line.as_str(), last.result),
            (line, result),
            "{shown:?}"
        );
    };
    let served = |head: &str| {
        let request = format!("GET /cmd/version HTTP/1.1\r\n{head}\r\n");
        check(request.as_bytes(), 200, "version", "ok");
    };
    served("Host: x\r\n");
    served("");
    served("Host: x\r\nExpect: 100-continue\r\n");
    served("Host: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n");
    served("Host: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n");
    served("Host: x\r\nx: \u{e9}\r\n");
    check(b"GET /cmd/version HTTP/1.0\r\n\r\n", 200, "version", "ok");

    let odd = |head: &[u8], status: u16| {
        let request = [b"POST /odd HTTP/1.1\r\nHost: x\r\n", head, b"\r\n"].concat();
        check(&request, status, "POST /odd", "protocol");
    };
    odd(b"Transfer-Encoding: chunked\r\n", 501);
    odd(b"Transfer-Encoding: gzip\r\n", 501);
    odd(b"Transfer-Encoding: gzip, chunked\r\n", 501);
    odd(b"Transfer-Encoding: chunked, gzip\r\n", 501);
    odd(b"Transfer-Encoding:\r\n", 501);
    odd(b"tRANSFER-eNCODING:chunked\r\nContent-Length: 1\r\n", 501);
    odd(b"Content-Length: 1\r\nTransfer-Encoding: x\r\n", 501);
    odd(b"Transfer-Encoding : chunked\r\n", 400);
    odd(b"x: y\r\n Transfer-Encoding: chunked\r\n", 400);
    odd(b"Content-Length: x\r\n", 400);
    odd(b"Content-Length: +1\r\n", 400);
    odd(b"Content-Length: -1\r\n", 400);
    odd(b"Content-Length: 1, 2\r\n", 400);
    odd(b"Content-Length: 1\r\nContent-Length: 2\r\n", 400);
    odd(b"Content-Length: 18446744073709551615\r\n", 400);
    odd(b"Content-Length: 18446744073709551616\r\n", 400);
    odd(b"Content-Length: 65537\r\n", 413);
    odd(b"no colon\r\n", 400);
    odd(b": no name\r\n", 400);
    odd(b"na me: x\r\n", 400);
    odd(b"n\x80me: x\r\n", 400);
    odd(b"name: a\0b\r\n", 400);
    odd(b"name: a\x7fb\r\n", 400);
    odd(b"name: a\rb\r\n", 400);
    odd(b" folded\r\n", 400);
    odd(&b"a: b\r\n".repeat(64), 431);
    odd(format!("a: {}\r\n", "b".repeat(16 << 10)).as_bytes(), 431);

    let first = |start: &[u8], status: u16, line: &str, result: &str| {
        check(
            &[start, b"\r\nHost: x\r\n\r\n"].concat(),
            status,
            line,
            result,
        );
    };
    first(
        b"POST /t HTTP/1.0\r\nTransfer-Encoding: chunked",
        501,
        "POST /t",
        "protocol",
    );
    first(b"BREW /pot HTTP/1.1", 405, "BREW /pot", "usage");
    first(b"CONNECT x:1 HTTP/1.1", 405, "CONNECT /", "usage");
    first(b"OPTIONS * HTTP/1.1", 405, "OPTIONS *", "usage");
    first(b"GET nowhere HTTP/1.1", 404, "GET /", "unknown");
    first(b"GET /\x00 HTTP/1.1", 400, "GET /\\x00", "protocol");
    first(b"GET /\xff HTTP/1.1", 400, "GET /\u{fffd}", "protocol");
    first(b"GET /<> HTTP/1.1", 400, "GET /<>", "protocol");
    first(
        b"GET http://u:pw@x/p?q=secret HTTP/1.1",
        404,
        "GET /p",
        "unknown",
    );
    first(
        b"GET http://u:pw@[/p?q=secret HTTP/1.1",
        400,
        "GET /p",
        "protocol",
    );
    first(b"GET ?token=t HTTP/1.1", 400, "GET /", "protocol");
    first(b"GET / HTTP/1.1 ", 400, "GET /", "protocol");

    check(b"GET /lf HTTP/1.1\nHost: x\n\n", 400, "GET /lf", "protocol");
    check(
        b"GET /lf HTTP/1.1\r\nHost: x\n\n",
        400,
        "GET /lf",
        "protocol",
    );
    check(
        b"GET /cut HTTP/1.1\r\nHost: x\r\n",
        400,
        "GET /cut",
        "protocol",
    );
    let long = |size: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "x/".repeat(size));
    let cut = |size: usize| {
        format!("GET /{}", "x/".repeat(size))
            .get(..253)
            .unwrap()
            .to_owned()
    };
    check(
        long(5000).as_bytes(),
        400,
        &(cut(5000) + "…"),
        "line-too-long",
    );
}
