//! How many may be connected, who makes room, and what a slow start costs.

use crate::service;
use manhole_tests::{
    conn::Conn,
    http,
    keep::Keep,
    text,
    users::{ALICE, become_user, me, root},
    wait,
};
use std::path::Path;

/// Connections that a user may have; root has one more.
fn most() -> usize {
    if me() == 0 { 9 } else { 8 }
}

/// Connections that run something, in keep mode.
fn busy(socket: &Path, count: usize) -> Vec<Keep> {
    let mut connections: Vec<Keep> = (0..count).map(|_| Keep::open(socket)).collect();
    for keep in &mut connections {
        keep.0.send("vars watch 1 shop.*\n");
        keep.0.read_until("DATA ");
    }
    connections
}

#[test]
fn at_the_limit_the_longest_idle_one_makes_room_and_is_told() {
    let mut victim = service();
    let socket = victim.socket();
    let mut idle: Vec<Keep> = (0..most()).map(|_| Keep::open(&socket)).collect();
    for (number, keep) in idle.iter_mut().enumerate() {
        assert_eq!(
            keep.ok(&format!("app echo {number}")),
            format!("{number}\n")
        );
    }
    // The first has said something since: the second is the longest idle one.
    assert_eq!(idle[0].ok("app echo again"), "again\n");
    let mut newest = Keep::open(&socket);
    assert_eq!(newest.ok("app echo new"), "new\n");
    let farewell = idle[1].0.text_to_end();
    assert!(farewell.starts_with("ERR busy "), "{farewell}");
    assert_eq!(idle[0].ok("app echo still"), "still\n");
    assert_eq!(idle[2].ok("app echo still"), "still\n");
}

#[test]
fn when_all_run_something_the_next_one_is_refused_in_its_own_dialect() {
    let mut victim = service();
    let socket = victim.socket();
    let _busy = busy(&socket, most());
    let refused = text::run(&socket, "version");
    text::expect_error(&refused, "busy");
    let response = http::get(&socket, "/cmd/version");
    assert_eq!(response.status, 503);
}

#[test]
fn one_user_cannot_lock_another_out() {
    if !root() {
        return;
    }
    let mut victim = crate::setup().install_with(&format!("allow_uid={ALICE}:view"));
    victim.tell("register good");
    victim.tell("variables good");
    let socket = victim.socket();
    let hog = r#"
import socket, sys, time
held = []
for _ in range(8):
    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
    s.sendall(b"vars watch 1 shop.*\n"); s.recv(1); held.append(s)
print("ready", flush=True)
sys.stdin.read()
"#;
    let python = manhole_tests::peers::Peer::new(["python3", "-c", hog]).arg(&socket);
    let mut command = python.by(&become_user(ALICE, &[])).command();
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut ready = [0; 6];
    std::io::Read::read_exact(child.stdout.as_mut().expect("a pipe"), &mut ready)
        .expect("it says so");
    let refused = manhole_tests::users::run_as(ALICE, &[], &socket, "version");
    text::expect_error(refused.text(), "busy");
    assert!(
        text::run(&socket, "version").starts_with("service"),
        "root has its own"
    );
    drop(child.stdin.take());
    child.wait().expect("it ends");
    wait::until_true("there is room again", || {
        let outcome = manhole_tests::users::run_as(ALICE, &[], &socket, "version");
        outcome.text().starts_with("service")
    });
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let mut victim = service();
    let socket = victim.socket();
    let count = |pid: u32| -> usize {
        let threads = manhole_tests::procfs::threads(pid);
        let fds = |tid: &u32| manhole_tests::procfs::fds(pid, *tid).len();
        threads
            .iter()
            .filter(|(_, name)| name == "manhole")
            .map(|(tid, _)| fds(tid))
            .sum()
    };
    text::run(&socket, "version");
    let before = count(victim.pid());
    for number in 0..500 {
        let mut conn = Conn::open(&socket);
        match number % 4 {
            0 => {}
            1 => conn.send("version"),
            2 => conn.send("version\n"),
            _ => conn.send("{\"id\":1,\"command\":[\"app\",\"slow\",\"10s\"]}\n"),
        }
    }
    wait::until_true("all are closed", || count(victim.pid()) <= before);
    assert!(text::run(&socket, "version").starts_with("service"));
}
