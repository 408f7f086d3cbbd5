//! HTTP: what scrapers, browsers and pprof tools rely on.

use crate::{service, setup};
use manhole_tests::{
    http::{self, get, request},
    victim::Victim,
};

#[test]
fn every_reply_forbids_sniffing_and_errors_can_be_shown_by_pprof() {
    let mut victim = service();
    let socket = victim.socket();
    for path in [
        "/",
        "/debug/pprof/",
        "/cmd/version",
        "/debug/vars",
        "/metrics",
        "/nope",
        "/debug/pprof/nope",
    ] {
        let response = get(&socket, path);
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        assert_eq!(response.header("connection"), Some("close"), "{path}");
        if response.status >= 400 {
            assert_eq!(response.header("x-go-pprof"), Some("1"), "{path}");
            let media = response.header("content-type").unwrap_or("");
            assert!(media.starts_with("text/plain"), "{path}: {media}");
        }
    }
}

#[test]
fn the_index_names_every_path_and_they_all_answer() {
    let mut victim = service();
    let socket = victim.socket();
    let index = get(&socket, "/");
    assert_eq!(index.status, 200);
    let paths = paths(index.text());
    for wanted in ["/debug/vars", "/metrics", "/cmd/version", "/cmd/app/echo"] {
        assert!(
            paths.iter().any(|path| path == wanted),
            "{wanted} in {paths:?}"
        );
    }
    assert_eq!(get(&socket, "/debug/pprof/").status, 200);
    let redirect = get(&socket, "/debug/pprof");
    assert_eq!(
        (redirect.status, redirect.header("location")),
        (301, Some("/debug/pprof/"))
    );
}

/// The paths of an index, a line each.
fn paths(index: &str) -> Vec<String> {
    let first = index
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    first
        .filter(|word| word.starts_with('/'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_browser_gets_a_page() {
    let mut victim = service();
    let response = request(
        &victim.socket(),
        "GET",
        "/",
        &[("Accept", "text/html,*/*")],
        b"",
    );
    assert!(
        response
            .header("content-type")
            .is_some_and(|media| media.starts_with("text/html"))
    );
    let page = response.text();
    assert!(
        page.starts_with("<!doctype html>") && page.contains("href=\"./cmd/version\""),
        "{page}"
    );
    assert!(
        !page.contains("href=\"./cmd/app/act\""),
        "what changes something is not linked"
    );
}

#[test]
fn an_unknown_path_is_404_and_lists_those_there_are_sorted() {
    let mut victim = service();
    let response = get(&victim.socket(), "/nope");
    assert_eq!(response.status, 404);
    let listed = paths(response.text());
    assert!(
        listed.is_sorted() && listed.contains(&"/cmd/version".to_owned()),
        "{listed:?}"
    );
    let response = get(&victim.socket(), "/debug/pprof/nope");
    assert_eq!(response.status, 404);
    assert!(
        response.text().starts_with("Unknown profile\n"),
        "{}",
        response.text()
    );
}

#[test]
fn commands_answer_in_text_and_json() {
    let mut victim = service();
    let socket = victim.socket();
    let text = get(&socket, "/cmd/app/echo?arg=a%20b&arg=c");
    assert_eq!((text.status, text.text()), (200, "a b c\n"));
    let media = text.header("content-type").unwrap_or("");
    assert!(media.starts_with("text/plain"), "{media}");
    for response in [
        get(&socket, "/cmd/version?json=1"),
        request(
            &socket,
            "GET",
            "/cmd/version",
            &[("Accept", "application/json")],
            b"",
        ),
    ] {
        assert_eq!(response.header("content-type"), Some("application/json"));
        let value: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        assert!(value.to_string().contains("\"victim\""), "{value}");
    }
    assert_eq!(get(&socket, "/cmd/app%20echo?arg=x").text(), "x\n");
    assert_eq!(
        get(&socket, "/cmd/app/typed?count=3&mode=fast&dry=1").text(),
        "3 fast 0.5 - true\n"
    );
}

#[test]
fn errors_have_the_status_that_says_the_same() {
    let mut victim = service();
    let socket = victim.socket();
    let check = |path: &str, status: u16, word: &str| {
        let response = get(&socket, path);
        assert_eq!(response.status, status, "{path}: {}", response.text());
        assert!(
            response.text().contains(word),
            "{path}: {}",
            response.text()
        );
    };
    check("/cmd/nope", 404, "unknown");
    check("/cmd/app/typed", 400, "COUNT is missing");
    check("/cmd/app/typed?count=99", 400, "at most 10");
    check("/cmd/app/typed?count=1&unheard=1", 400, "--unheard");
    check("/cmd/app/act", 405, "POST");
}

#[test]
fn a_control_command_takes_post_and_a_header_that_no_form_can_send() {
    let mut victim = service();
    let socket = victim.socket();
    let acts = ("X-Manhole", "1");
    let status = |method: &str, headers: &[(&str, &str)]| {
        request(&socket, method, "/cmd/app/act", headers, b"").status
    };
    assert_eq!(status("GET", &[]), 405);
    assert_eq!(status("GET", &[acts]), 405);
    assert_eq!(status("HEAD", &[acts]), 405);
    assert_eq!(status("POST", &[]), 405);
    assert_eq!(status("POST", &[("X-Manhole", "2")]), 405);
    assert_eq!(victim.tell("acts"), "0");
    assert_eq!(status("POST", &[acts]), 200);
    assert_eq!(victim.tell("acts"), "1");
}

#[test]
fn a_head_request_has_no_body() {
    let mut victim = service();
    let response = request(&victim.socket(), "HEAD", "/cmd/version", &[], b"");
    assert_eq!(
        (response.status, response.body.as_slice()),
        (200, b"".as_slice())
    );
}

#[test]
fn other_methods_and_versions_are_refused() {
    let mut victim = service();
    let socket = victim.socket();
    assert_eq!(request(&socket, "DELETE", "/", &[], b"").status, 405);
    assert_eq!(request(&socket, "OPTIONS", "/", &[], b"").status, 405);
    let bare = http::raw(&socket, b"GET / HTTP/1.1\nHost: x\n\n");
    assert_eq!(http::parse(&bare).status, 400);
    let two = http::raw(&socket, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(
        two.starts_with(b"ERR protocol "),
        "{:?}",
        String::from_utf8_lossy(&two)
    );
}

#[test]
fn a_client_that_pre_connects_may_wait_before_it_asks() {
    let mut victim = service();
    let mut conn = victim.connect();
    assert_eq!(conn.read_some(std::time::Duration::from_millis(300)), None);
    conn.send("GET /cmd/version HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(http::parse(&conn.read_to_end()).status, 200);
}

#[test]
fn one_request_a_connection_even_if_more_is_asked() {
    let mut victim = service();
    let mut conn = victim.connect();
    conn.send("GET /cmd/version HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(
        http::parse(&conn.read_to_end()).header("connection"),
        Some("close")
    );
}

#[test]
fn a_body_may_be_awaited_with_100_continue() {
    let mut victim = service();
    let mut conn = victim.connect();
    conn.send("POST /cmd/version HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n");
    conn.send("x");
    let reply = conn.read_to_end();
    let whole = reply
        .strip_prefix(b"HTTP/1.1 100 Continue\r\n\r\n".as_slice())
        .unwrap_or(&reply);
    assert_eq!(http::parse(whole).status, 200);
}

#[test]
fn expvars_bytes_are_exact() {
    let mut victim = service();
    let response = get(&victim.socket(), "/debug/vars");
    assert_eq!(response.status, 200);
    let media = response.header("content-type").unwrap_or("");
    assert!(media.starts_with("application/json"), "{media}");
    let text = response.text();
    assert!(
        text.starts_with("{\n\"") && text.ends_with("\n}\n"),
        "{text}"
    );
    let names: Vec<&str> = text
        .trim_start_matches("{\n")
        .trim_end_matches("\n}\n")
        .split(",\n")
        .filter_map(|line| line.strip_prefix('"')?.split_once("\": "))
        .map(|(name, _)| name)
        .collect();
    assert!(
        names.is_sorted() && names.contains(&"shop.requests"),
        "{names:?}"
    );
    let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(value["shop.requests"], 8_120_334);
    assert_eq!(value["shop.config"]["workers"], 4);
    assert!(!text.contains("hush"), "secrets are masked: {text}");
    assert_eq!(
        get(&victim.socket(), "/vars").status,
        200,
        "curl's way of reading a URL"
    );
}

#[test]
fn metrics_are_open_metrics() {
    let mut victim = service();
    let response = get(&victim.socket(), "/metrics");
    assert_eq!(response.status, 200);
    let text = response.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("shop_requests_total 8120334"), "{text}");
    assert!(text.contains("shop_in_flight 1160"), "{text}");
    assert!(
        !text.contains("eu-west") && !text.contains("hush"),
        "numbers only: {text}"
    );
}

#[test]
fn cmdline_is_served_as_go_does_and_masked() {
    let mut victim = setup().start();
    victim.install("");
    let response = get(&victim.socket(), "/debug/pprof/cmdline");
    assert_eq!(response.status, 200);
    assert!(
        response.text().ends_with("victim") || response.text().contains("victim\0"),
        "{:?}",
        response.text()
    );
}

#[test]
fn routes_of_the_application_are_served_with_their_headers() {
    let mut victim = setup().install_with("route=/debug/custom");
    let socket = victim.socket();
    let response = get(&socket, "/debug/custom?q=a%20b");
    assert_eq!(
        (response.status, response.text()),
        (200, "GET /debug/custom a b\n")
    );
    assert_eq!(response.header("x-suite"), Some("1"));
    assert!(paths(get(&socket, "/").text()).contains(&"/debug/custom".to_owned()));
}

#[test]
fn routes_end_with_the_console_that_had_them() {
    let mut victim = setup().install_with("route=/debug/first route=/debug/both");
    let served = |victim: &mut Victim, path: &str| {
        let socket = victim.socket();
        let listed = paths(get(&socket, "/").text()).contains(&path.to_owned());
        let status = get(&socket, path).status;
        assert_eq!(status, if listed { 200 } else { 404 }, "{path}");
        listed
    };
    // A second installation changes nothing of the first one.
    victim.install("route=/debug/nobody");
    assert!(!served(&mut victim, "/debug/nobody"));
    assert!(served(&mut victim, "/debug/first"));
    victim.tell("shutdown");
    victim.install("route=/debug/second route=/debug/both");
    assert!(!served(&mut victim, "/debug/first"));
    assert!(served(&mut victim, "/debug/second"));
    assert!(served(&mut victim, "/debug/both"));
    // More often than there may be routes.
    for _ in 0..70 {
        victim.tell("shutdown");
        victim.install("route=/debug/both");
    }
    assert!(served(&mut victim, "/debug/both"));
    assert_eq!(victim.stderr().matches("http_route").count(), 0);
}
