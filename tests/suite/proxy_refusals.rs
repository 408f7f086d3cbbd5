//! `manhole-cli proxy` against everybody it is not for: other users, pages in a browser, names that lead
//! to 127.0.0.1, requests that mean two things, and clients that only take up room.

use crate::{
    cli::{CLI, word},
    proxy::Proxy,
    service, setup,
};
use manhole_tests::{
    http,
    peers::Peer,
    users::{self, ALICE, become_user},
    wait,
};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    process::Command,
    time::Duration,
};

#[test]
fn without_the_token_the_host_and_a_harmless_sender_nothing_is_served() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let port = proxy
        .authority
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();
    let refused = |request: &str| {
        let answer = proxy.ask(request);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, 403, "{request:?}: {text}");
        assert!(
            !text.contains("shop") && !text.contains(&proxy.token),
            "{text}"
        );
    };
    let vars = "/T/debug/vars HTTP/1.1";
    refused("GET /debug/vars HTTP/1.1\r\nH\r\n\r\n");
    refused("GET /00000000000000000000000000000000/debug/vars HTTP/1.1\r\nH\r\n\r\n");
    refused("GET http://127.0.0.1/T/debug/vars HTTP/1.1\r\nH\r\n\r\n");
    // A name that leads to us: DNS rebinding.
    refused(&format!("GET {vars}\r\nHost: evil.example:{port}\r\n\r\n"));
    refused(&format!("GET {vars}\r\nHost: localhost:{port}\r\n\r\n"));
    refused(&format!("GET {vars}\r\nHost: 127.0.0.1\r\n\r\n"));
    refused(&format!("GET {vars}\r\n\r\n"));
    refused(&format!("GET {vars}\r\nH\r\nHost: evil.example\r\n\r\n"));
    for sender in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        refused(&format!("GET {vars}\r\nH\r\n{sender}\r\n\r\n"));
    }
    let own = format!(
        "Origin: http://{}\r\nSec-Fetch-Site: same-origin",
        proxy.authority
    );
    assert_eq!(
        proxy
            .ask(&format!("GET {vars}\r\nH\r\n{own}\r\n\r\n"))
            .status,
        200
    );
    // Nothing of it reached the console.
    let audit = http::get(&victim.socket(), "/cmd/audit");
    assert!(!audit.text().contains("evil"), "{}", audit.text());
}

#[test]
fn nothing_that_acts_and_nothing_smuggled_is_passed_on() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let check = |request: &str, status: u16| {
        let answer = proxy.ask(request);
        assert_eq!(answer.status, status, "{request:?}");
    };
    let acts = "H\r\nX-Manhole: 1\r\nContent-Length: 0\r\n\r\n";
    check(&format!("POST /T/cmd/gc/run HTTP/1.1\r\n{acts}"), 405);
    check(&format!("DELETE /T/debug/vars HTTP/1.1\r\n{acts}"), 405);
    // The header that says "I mean it" stays here.
    check(
        "GET /T/cmd/gc/run HTTP/1.1\r\nH\r\nX-Manhole: 1\r\n\r\n",
        405,
    );
    let symbol = "POST /T/debug/pprof/symbol HTTP/1.1\r\nH\r\n";
    check(
        &format!("{symbol}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        501,
    );
    check(
        &format!("{symbol}Content-Length: 1\r\nContent-Length: 5\r\n\r\nx"),
        400,
    );
    check(
        "GET /T/debug/vars HTTP/1.1\r\nH\r\nContent-Length: 40\r\n\r\n",
        400,
    );
    check("GET /T/debug/vars HTTP/1.1\nHost: x\r\n\r\n", 400);
    for path in [
        "/T/../debug/vars",
        "/T/%2e%2e/x",
        "/T//debug/vars",
        "/T/debug%2fvars",
    ] {
        check(&format!("GET {path} HTTP/1.1\r\nH\r\n\r\n"), 400);
    }
    let long = "a".repeat(20 << 10);
    check(&format!("GET /T/{long} HTTP/1.1\r\nH\r\n\r\n"), 431);
    // A second request behind the first gets no answer.
    let two = "GET /T/cmd/version HTTP/1.1\r\nH\r\n\r\nGET /T/cmd/env HTTP/1.1\r\nH\r\n\r\n";
    check(two, 200);
    let text = "gc run\nGET /T/cmd/version HTTP/1.1\r\nH\r\n\r\n";
    check(text, 400);
    let audit = http::get(&victim.socket(), "/cmd/audit");
    assert!(!audit.text().contains("/cmd/env"), "{}", audit.text());
    let mut ran = audit.text().lines().filter(|line| line.contains("gc run"));
    assert!(ran.all(|line| line.contains(" usage ")), "{}", audit.text());
}

#[test]
fn another_user_is_refused_though_he_knows_the_address() {
    if !users::root() {
        return;
    }
    // A console that lets everybody in: it is the proxy that keeps them out.
    let mut victim = setup().install_with(&format!("allow_uid={ALICE}:inspect"));
    let proxy = Proxy::to(&mut victim);
    let url = format!("{}/cmd/version", proxy.base);
    let curl = |words: &[&str]| {
        Peer::new(["curl", "--silent", "--show-error"])
            .args(words)
            .arg(&url)
    };
    let own = curl(&[]).run("");
    assert!(own.text().contains("your level"), "{}", own.text());
    let foreign = curl(&[]).by(&become_user(ALICE, &[])).run("");
    assert_eq!(
        foreign.text(),
        "the connection belongs to another user, or to a process that has gone\n"
    );
    // Root may do what it likes anyway, to anybody's.
    let words = become_user(ALICE, &[]);
    let socket = word(&victim.socket());
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg(manhole_tests::scratch::program(CLI.as_ref()));
    let proxy = Proxy::start(command.args(["proxy", &socket]));
    assert!(proxy.get("/cmd/version").text().contains("inspect"));
}

#[test]
fn a_client_that_sends_and_closes_at_once_is_nobody() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    // The kernel lists what is left of its socket as root's.
    for _ in 0..20 {
        let mut stream = proxy.connect();
        let request = proxy.filled("GET /T/cmd/fds HTTP/1.1\r\nH\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .expect("the proxy reads");
        stream.shutdown(Shutdown::Both).expect("a socket");
        drop(stream);
    }
    // They took all seats for a moment.
    wait::until_true("a free seat", || proxy.get("/cmd/version").status == 200);
}

#[test]
fn slow_and_many_clients_take_their_seats_only() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let mut slow: Vec<TcpStream> = (0..7).map(|_| proxy.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /").expect("the proxy reads");
    }
    assert_eq!(proxy.get("/cmd/version").status, 200);
    slow.push(proxy.connect());
    // All seats are taken: whoever comes next is told so, until a slow one is given up.
    let busy = wait::until("a full house", || {
        let answer = proxy.get("/cmd/version");
        (answer.status == 503).then_some(answer)
    });
    assert_eq!(busy.header("retry-after"), Some("1"));
    let mut told = String::new();
    slow[0].read_to_string(&mut told).expect("an answer");
    assert!(told.starts_with("HTTP/1.1 408 "), "{told}");
    wait::until_true("a free seat", || proxy.get("/cmd/version").status == 200);
}

#[test]
fn a_client_that_does_not_read_is_left_and_its_command_cancelled() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let mut stream = proxy.connect();
    let request = proxy.filled("GET /T/cmd/app/big?size=60MiB HTTP/1.1\r\nH\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("the proxy reads");
    let socket = victim.socket();
    // Its bound is 30 s; others are served meanwhile.
    wait::within(Duration::from_secs(120), "the end of the command", || {
        assert_eq!(proxy.get("/cmd/version").status, 200);
        let audit = http::get(&socket, "/cmd/audit");
        let mut lines = audit.text().lines().filter(|line| line.contains("app big"));
        lines.any(|line| line.contains("cancelled")).then_some(())
    });
    drop(stream);
}
