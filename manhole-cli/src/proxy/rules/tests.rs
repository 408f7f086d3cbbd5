//! Requests as tools send them, and as others would.

use super::*;

fn rules() -> Rules {
    Rules {
        authority: "127.0.0.1:4000".to_owned(),
        token: "0123456789abcdef0123456789abcdef".to_owned(),
    }
}

/// The first line that is passed on, or the status of the refusal. `T` stands for the token, `H`
/// for a right Host.
fn check(request: &str, expected: &str) {
    let request = request
        .replace("/T", "/0123456789abcdef0123456789abcdef")
        .replace("H\r\n", "Host: 127.0.0.1:4000\r\n");
    let found = match rules().judge(format!("{request}\r\n\r\n").as_bytes()) {
        Ok(forward) => {
            let line = forward.head.lines().next().unwrap_or_default();
            let line = line.trim_end_matches(" HTTP/1.1");
            match forward.body {
                0 => line.to_owned(),
                body => format!("{line} +{body}"),
            }
        }
        Err(answer) => answer.status.to_string(),
    };
    assert_eq!(found, expected, "{request:?}");
}

/// A GET of `target` from `sender`, headers with their ends.
fn get(target: &str, sender: &str, expected: &str) {
    check(&format!("GET {target} HTTP/1.1\r\n{sender}A: b"), expected);
}

#[test]
fn what_is_passed_on_is_written_anew() {
    let rules = rules();
    let head = format!(
        "GET /{}/debug/pprof/heap?debug=1 HTTP/1.1\r\nHost: 127.0.0.1:4000\r\nX-Manhole: 1\r\n\
         Accept: text/html\r\nCookie: secret\r\nUser-Agent: curl\r\nConnection: keep-alive\r\n\r\n",
        rules.token
    );
    let forward = rules.judge(head.as_bytes()).unwrap();
    assert_eq!(
        forward.head,
        "GET /debug/pprof/heap?debug=1 HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\
         User-Agent: curl\r\nConnection: close\r\n\r\n"
    );
}

#[test]
fn the_host_is_ours_to_the_letter() {
    get("/T/x", "H\r\n", "GET /x");
    get("/T/x", "host: 127.0.0.1:4000\r\n", "GET /x");
    for host in [
        "",
        "Host: localhost:4000\r\n",
        "Host: 127.0.0.1\r\n",
        "Host: 127.0.0.1:40000\r\n",
        "Host: 127.0.0.1:4000.evil.example\r\n",
        "Host: evil.example:4000\r\n",
        "Host: 127.1:4000\r\n",
        "Host: [::ffff:127.0.0.1]:4000\r\n",
        "Host: x@127.0.0.1:4000\r\n",
        "H\r\nH\r\n",
        "H\r\nHost: evil.example\r\n",
    ] {
        get("/T/x", host, "403");
    }
}

#[test]
fn pages_of_others_are_refused() {
    let from = |header: &str, expected| get("/T/x", &format!("H\r\n{header}\r\n"), expected);
    from("Origin: http://127.0.0.1:4000", "GET /x");
    from("Origin: http://127.0.0.1:4001", "403");
    from("Origin: https://127.0.0.1:4000", "403");
    from("Origin: null", "403");
    from("Origin: ", "403");
    from("Sec-Fetch-Site: none", "GET /x");
    from("Sec-Fetch-Site: same-origin", "GET /x");
    from("Sec-Fetch-Site: same-site", "403");
    from("Sec-Fetch-Site: cross-site", "403");
    from("Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site", "403");
    from("sec-fetch-site: anything", "403");
}

#[test]
fn without_the_token_nothing_is_told() {
    for target in [
        "/",
        "/debug/pprof/heap",
        "/t/x",
        "/0123456789abcdef0123456789abcdee/x",
        "/0123456789ABCDEF0123456789ABCDEF/x",
        "//T/x",
        "/T",
        "/Tx/y",
        "/x/../T/x",
        "http://127.0.0.1:4000/T/x",
        "*",
        "/é",
    ] {
        get(target, "H\r\n", "403");
    }
}

#[test]
fn a_path_means_one_thing_only() {
    get(
        "/T/debug/pprof/?x=a/../b%2fc",
        "H\r\n",
        "GET /debug/pprof/?x=a/../b%2fc",
    );
    get("/T/", "H\r\n", "GET /");
    for path in [
        "/..",
        "/../x",
        "/a/./b",
        "/a/%2e%2E/b",
        "//x",
        "/a//b",
        "/a%2fb",
        "/a\\b",
        "/a%5Cb",
        "/a%00",
        "/a%252e",
        "/a#b",
        "/a?b#c",
        "/a;b",
    ] {
        get(&format!("/T{path}"), "H\r\n", "400");
    }
}

#[test]
fn only_reading_and_symbol_are_passed_on() {
    let call = |method: &str, path: &str, more: &str, expected: &str| {
        check(
            &format!("{method} /T{path} HTTP/1.1\r\nH\r\nA: b{more}"),
            expected,
        );
    };
    call("HEAD", "/x", "", "HEAD /x");
    call(
        "POST",
        "/debug/pprof/symbol",
        "",
        "POST /debug/pprof/symbol",
    );
    let length = "\r\nContent-Length: 6";
    call(
        "POST",
        "/debug/pprof/symbol",
        length,
        "POST /debug/pprof/symbol +6",
    );
    call("POST", "/debug/pprof/symbol?x", length, "405");
    call("POST", "/cmd/gc/run", length, "405");
    call("GET", "/x", length, "400");
    for method in [
        "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH", "TRACE", "get",
    ] {
        call(method, "/x", "", "405");
    }
}

#[test]
fn bodies_that_could_be_read_in_two_ways_are_refused() {
    let post = |headers: &str, expected| {
        let path = "/T/debug/pprof/symbol";
        check(&format!("POST {path} HTTP/1.1\r\nH\r\n{headers}"), expected);
    };
    post("Transfer-Encoding: chunked", "501");
    post("Content-Length: 5\r\nTransfer-Encoding: identity", "501");
    post("Content-Length: 5\r\nContent-Length: 5", "400");
    for length in ["+5", "-1", "0x5", "5, 5", "5 5", "", "5;"] {
        post(&format!("Content-Length: {length}"), "400");
    }
    post("Content-Length: 65537", "413");
    post("Content-Length: 99999999999999999999999", "413");
}

#[test]
fn a_head_that_could_be_read_in_two_ways_is_refused() {
    for head in [
        "GET /T/x HTTP/1.1\nH\r\nA: b",
        "GET /T/x HTTP/1.1\r\nH\r\nA: b\nB: c",
        "GET /T/x HTTP/1.1\r\nH\r\nA: b\rB: c",
        "GET /T/x HTTP/1.1\r\nH\r\nA : b",
        "GET /T/x HTTP/1.1\r\nH\r\nA: b\r\n folded",
        "GET /T/x HTTP/1.1\r\nH\r\nA: \0",
        "GET  /T/x HTTP/1.1\r\nH\r\nA: b",
        "GET /T/x HTTP/2.0\r\nH\r\nA: b",
        "GET /T/x\r\nH\r\nA: b",
        "GET /T/x y HTTP/1.1\r\nH\r\nA: b",
        "triage",
    ] {
        check(head, "400");
    }
    let many = "A: b\r\n".repeat(64);
    check(&format!("GET /T/x HTTP/1.1\r\n{many}H\r\nA: b"), "431");
}

#[test]
fn headers_that_are_passed_on_bring_no_others() {
    let rules = rules();
    let head = format!(
        "GET /{}/x HTTP/1.0\r\nHost: 127.0.0.1:4000\r\nAccept: a\u{9b}\r\nUser-Agent: \tx\r\n\r\n",
        rules.token
    );
    let forward = rules.judge(head.as_bytes()).unwrap();
    assert!(!forward.head.contains("Accept"), "{}", forward.head);
    assert!(
        forward
            .head
            .starts_with("GET /x HTTP/1.0\r\nHost: localhost\r\n")
    );
}
