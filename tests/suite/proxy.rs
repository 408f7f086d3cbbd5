//! `manhole-cli proxy`: what loopback HTTP brings to the console, and what it keeps out.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service,
};
use manhole_tests::{
    http::{self, Response},
    peers::Peer,
    scratch::Scratch,
    victim::Victim,
    wait,
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A proxy to a victim; it is killed when it is dropped.
pub(crate) struct Proxy {
    child: Child,
    /// `http://127.0.0.1:PORT/TOKEN`.
    pub(crate) base: String,
    pub(crate) authority: String,
    pub(crate) token: String,
}

impl Proxy {
    /// Starts one and waits for its address.
    #[track_caller]
    pub(crate) fn to(victim: &mut Victim) -> Self {
        Self::start(Command::new(CLI).args(["proxy", &word(&victim.socket())]))
    }

    #[track_caller]
    pub(crate) fn start(command: &mut Command) -> Self {
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

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.authority).expect("the proxy listens");
        stream
            .set_read_timeout(Some(wait::PATIENCE))
            .expect("a socket");
        stream
    }

    /// Sends bytes as they are and reads to the end. `T` in them stands for the token behind a slash,
    /// `H` for the right Host.
    #[track_caller]
    pub(crate) fn raw(&self, request: &str) -> Vec<u8> {
        let mut stream = self.connect();
        stream
            .write_all(self.filled(request).as_bytes())
            .expect("the proxy reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        answer
    }

    pub(crate) fn filled(&self, request: &str) -> String {
        request
            .replace("/T/", &format!("/{}/", self.token))
            .replace("H\r\n", &format!("Host: {}\r\n", self.authority))
    }

    #[track_caller]
    pub(crate) fn ask(&self, request: &str) -> Response {
        http::parse(&self.raw(request))
    }

    /// `GET` of a path behind the token.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Response {
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
    victim.tell("spin");
    let cpu = run(&["-top", "-seconds", "1", &url("profile")]);
    assert!(
        cpu.contains("Type: cpu\n") && cpu.contains("victim::crowd::spin"),
        "{cpu}"
    );
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
