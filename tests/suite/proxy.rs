//! `manhole-cli proxy`: what loopback HTTP brings to the console, and what it keeps out.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service, setup,
};
use manhole_tests::{
    http::{self, Response},
    peers::Peer,
    scratch::Scratch,
    users::{self, ALICE, become_user},
    victim::Victim,
    wait,
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A proxy to a victim; it is killed when it is dropped.
pub(crate) struct Proxy {
    child: Child,
    /// `http://127.0.0.1:PORT/TOKEN`.
    pub(crate) base: String,
    authority: String,
    token: String,
}

impl Proxy {
    /// Starts one and waits for its address.
    #[track_caller]
    pub(crate) fn to(victim: &mut Victim) -> Self {
        Self::start(Command::new(CLI).args(["proxy", &word(&victim.socket())]))
    }

    #[track_caller]
    fn start(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the client starts");
        let mut base = String::new();
        let stdout = child.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut base).expect("a line");
        let base = base.trim_end().to_owned();
        let rest = base
            .strip_prefix("http://")
            .unwrap_or_else(|| panic!("no address: {base:?}"));
        let (authority, token) = rest.split_once('/').expect("a token");
        assert_eq!(token.len(), 32, "{base}");
        assert!(authority.starts_with("127.0.0.1:"), "{base}");
        Self {
            authority: authority.to_owned(),
            token: token.to_owned(),
            base,
            child,
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.authority).expect("the proxy listens");
        stream
            .set_read_timeout(Some(wait::PATIENCE))
            .expect("a socket");
        stream
    }

    /// Sends bytes as they are and reads to the end. `T` in them stands for the token behind a slash,
    /// `H` for the right Host.
    #[track_caller]
    fn raw(&self, request: &str) -> Vec<u8> {
        let mut stream = self.connect();
        stream
            .write_all(self.filled(request).as_bytes())
            .expect("the proxy reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        answer
    }

    fn filled(&self, request: &str) -> String {
        request
            .replace("/T/", &format!("/{}/", self.token))
            .replace("H\r\n", &format!("Host: {}\r\n", self.authority))
    }

    #[track_caller]
    fn ask(&self, request: &str) -> Response {
        http::parse(&self.raw(request))
    }

    /// `GET` of a path behind the token.
    #[track_caller]
    fn get(&self, path: &str) -> Response {
        self.ask(&format!("GET /T{path} HTTP/1.1\r\nH\r\n\r\n"))
    }

    /// What it has written for people, once it ended.
    #[track_caller]
    fn end(&mut self) -> (Option<i32>, String) {
        let status = wait::until("the proxy ends", || {
            self.child.try_wait().expect("our child")
        });
        let mut told = String::new();
        let stderr = self.child.stderr.as_mut().expect("a pipe");
        stderr.read_to_string(&mut told).expect("text");
        (status.code(), told)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

#[test]
fn what_the_console_serves_comes_through() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let direct = http::get(&victim.socket(), "/cmd/help");
    let through = proxy.get("/cmd/help");
    assert_eq!(
        (through.status, through.body.clone()),
        (200, direct.body.clone())
    );
    let media = |answer: &Response| answer.header("content-type").map(str::to_owned);
    assert_eq!(media(&through), media(&direct));
    let curl = Peer::new(["curl", "--silent", "--show-error", "--fail"]);
    let outcome = curl
        .arg(format!("{}/cmd/vars/get?name=shop.region", proxy.base))
        .run("");
    assert_eq!(outcome.text(), "eu-west\n", "{}", outcome.stderr);
    // HTTP/1.0 knows no chunks; its answer ends with the connection.
    let old = proxy.raw("GET /T/cmd/version HTTP/1.0\r\nH\r\n\r\n");
    let old = String::from_utf8(old).expect("text");
    assert!(
        old.starts_with("HTTP/1.0 200 OK\r\n") && old.contains("your level"),
        "{old}"
    );
    let head = proxy.raw("HEAD /T/debug/vars HTTP/1.1\r\nH\r\n\r\n");
    assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n") && head.ends_with(b"\r\n\r\n"));
}

#[test]
fn the_console_s_errors_are_its_own_and_links_stay_behind_the_token() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let missing = proxy.get("/debug/pprof/nope");
    assert_eq!(
        (missing.status, missing.header("x-go-pprof")),
        (404, Some("1"))
    );
    let moved = proxy.get("/debug/pprof");
    let place = format!("/{}/debug/pprof/", proxy.token);
    assert_eq!(
        (moved.status, moved.header("location")),
        (301, Some(place.as_str()))
    );
    for path in ["/", "/debug/pprof/"] {
        let accept = "Accept: text/html\r\n";
        let page = proxy.ask(&format!("GET /T{path} HTTP/1.1\r\nH\r\n{accept}\r\n"));
        let page = page.text();
        let links: Vec<&str> = page.split("href=\"").skip(1).collect();
        assert!(links.len() > 5, "{page}");
        let up = if path == "/" { "./" } else { "../../" };
        assert!(
            links.iter().all(|link| link.starts_with(up)),
            "{path}: {page}"
        );
    }
    for answer in [
        proxy.get("/debug/vars"),
        proxy.ask("GET / HTTP/1.1\r\nH\r\n\r\n"),
    ] {
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(
            answer.header("cross-origin-resource-policy"),
            Some("same-origin")
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

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
fn a_client_that_goes_cancels_what_runs_for_it() {
    let mut victim = service();
    let proxy = Proxy::to(&mut victim);
    let mut stream = proxy.connect();
    let request = proxy.filled("GET /T/cmd/app/slow?time=250s HTTP/1.1\r\nH\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .expect("the proxy reads");
    std::thread::sleep(Duration::from_millis(300));
    drop(stream);
    let socket = victim.socket();
    wait::until_true("the command is cancelled", || {
        let audit = http::get(&socket, "/cmd/audit");
        let lines = audit.text().lines();
        lines
            .filter(|line| line.contains("slow"))
            .any(|line| line.contains("cancelled"))
    });
}

#[test]
fn it_ends_with_its_target_and_tells_no_secret() {
    let mut victim = service();
    let mut proxy = Proxy::to(&mut victim);
    proxy.get("/cmd/version");
    proxy.get("/../x");
    let pid = victim.pid();
    drop(victim);
    let (code, told) = proxy.end();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains(&format!("[{pid}] has ended")), "{told}");
    assert!(!told.contains(&proxy.token), "{told}");
}

#[test]
fn it_listens_on_loopback_only_and_for_a_console_only() {
    let mut victim = service();
    let socket = word(&victim.socket());
    for address in ["0.0.0.0:0", "127.0.0.2:0", "[::1]:0", "localhost:0", "80"] {
        let outcome = cli(["proxy", &socket, "--listen", address]).run("");
        ends_with(2, &outcome);
        assert_eq!(outcome.text(), "");
    }
    ends_with(4, &cli(["proxy", "/nowhere/1.sock"]).run(""));
}

/// `go tool pprof`, whose files go to a directory of the test's.
fn go(scratch: &Scratch, words: &[&str]) -> Peer {
    Peer::new(["go", "tool", "pprof"])
        .args(words)
        .env("HOME", scratch.path())
        .env("PPROF_TMPDIR", scratch.path())
}

#[test]
fn go_tool_pprof_reads_through_it() {
    let mut victim = service();
    victim.tell("sleepers 5");
    let (proxy, scratch) = (Proxy::to(&mut victim), Scratch::new());
    let url = |path: &str| format!("{}/debug/pprof/{path}", proxy.base);
    let run = |words: &[&str]| {
        let outcome = go(&scratch, words).run("");
        ends_with(0, &outcome);
        outcome.text().to_owned()
    };
    let threads = url("goroutine");
    let top = run(&["-top", &threads]);
    assert!(
        top.contains("Type: goroutine\n") && top.contains("victim::main"),
        "{top}"
    );
    let raw = run(&["-raw", &threads]);
    assert!(
        raw.contains("goroutine/count") && raw.contains("victim::main"),
        "{raw}"
    );
    let heap = run(&["-top", "-sample_index=inuse_objects", &url("heap")]);
    assert!(heap.contains("Type: inuse_objects\n"), "{heap}");
    let change = run(&["-top", "-diff_base", &threads, &threads]);
    assert!(
        change.contains("Showing nodes accounting for 0, 0% of "),
        "{change}"
    );
    let delta = run(&["-top", "-seconds", "1", &threads]);
    assert!(delta.contains("Duration: 1."), "{delta}");
    // An error is shown in the console's words.
    let outcome = go(&scratch, &["-top", &url("nope")]).run("");
    assert_ne!(outcome.code(), Some(0));
    assert!(
        outcome.stderr.contains("404 Not Found - Unknown profile"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn go_tool_pprof_serves_its_pages_from_what_it_fetched_through_it() {
    let mut victim = service();
    let (proxy, scratch) = (Proxy::to(&mut victim), Scratch::new());
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("a port");
    drop(free);
    let url = format!("{}/debug/pprof/goroutine", proxy.base);
    let http = format!("-http={address}");
    let mut command = go(&scratch, &["-no_browser", &http, &url]).command();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Ended(command.spawn().expect("go starts"));
    let page = Peer::new(["curl", "--silent", "--fail"]).arg(format!("http://{address}/ui/top"));
    let text = wait::until("the page of go tool pprof", || {
        let outcome = page.run("");
        (outcome.code() == Some(0)).then(|| outcome.text().to_owned())
    });
    assert!(text.contains("victim::main"), "{text}");
    drop(server);
}

/// A process that is killed with its children when it is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // `go tool` starts the tool as a child of its own.
        let children = format!("/proc/{0}/task/{0}/children", self.0.id());
        for pid in std::fs::read_to_string(children)
            .unwrap_or_default()
            .split_whitespace()
        {
            let _ = Command::new("kill").arg(pid).status(); // it may have ended
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
