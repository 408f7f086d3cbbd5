//! The client and processes that live elsewhere: in containers, under other users, and containers
//! that lie about where their console is.

use crate::{
    cli::{CLI, ends_with},
    containers::{container, first_process, rootless},
    service, setup,
};
use manhole_tests::{
    peers::{Outcome, Peer},
    scratch, text,
    users::{ALICE, BOB, become_user, root},
    victim::{self, Victim},
    wait,
};
use std::{os::unix::net::UnixStream, path::Path};

/// The client where every user can run it.
fn client() -> Peer {
    Peer::new([scratch::program(Path::new(CLI))]).env("NO_COLOR", "1")
}

fn exec(pid: u32, command: &str) -> Peer {
    client()
        .args(["exec", &pid.to_string()])
        .args(command.split(' '))
}

/// Requires an answer, with the level that the caller has.
#[track_caller]
fn answered(outcome: &Outcome, level: &str) {
    ends_with(0, outcome);
    assert!(
        outcome.text().contains(&format!("your level  {level}\n")),
        "{outcome:?}"
    );
}

#[test]
fn a_container_is_listed_reached_by_our_pid_and_has_a_path_for_nc() {
    if !root() {
        return;
    }
    let mut victim = container();
    victim.socket();
    let pid = first_process(&victim);
    let outcome = exec(pid, "version").run("");
    answered(&outcome, "control");
    assert!(outcome.text().contains("pid         1\n"), "{outcome:?}");
    let path = client().args(["path", &pid.to_string()]).run("");
    ends_with(0, &path);
    let version = text::run(Path::new(path.text().trim_end()), "version");
    assert!(version.starts_with("service"), "{version}");
    let list = client().arg("list").run("");
    let row = list
        .text()
        .lines()
        .find(|line| line.trim_start().starts_with(&format!("{pid} ")));
    assert!(
        row.is_some_and(|row| row.contains("(pid 1 inside)")),
        "{list:?}"
    );
}

#[test]
fn a_rootless_container_is_reached_by_its_owner_and_by_root() {
    if !root() {
        return;
    }
    let mut victim = rootless();
    victim.socket();
    let pid = first_process(&victim);
    answered(&exec(pid, "version").run(""), "control");
    answered(
        &exec(pid, "version").by(&become_user(ALICE, &[])).run(""),
        "control",
    );
    let outcome = exec(pid, "version").by(&become_user(BOB, &[])).run("");
    assert!(matches!(outcome.code(), Some(3 | 4)), "{outcome:?}");
    assert_eq!(outcome.text(), "");
}

#[test]
fn a_daemon_that_dropped_root_is_reached_by_root_and_by_its_new_user() {
    if !root() {
        return;
    }
    let mut victim = setup().jailed("true").start();
    victim.tell("install default=1");
    let old = victim.socket();
    victim.tell(&format!("setuid {ALICE}"));
    let _knock = UnixStream::connect(victim.outside(&old));
    wait::until("it moves", || victim.path().filter(|path| *path != old));
    let pid = victim.pid();
    answered(&exec(pid, "version").run(""), "control");
    // She cannot read /proc/PID/root of a process that was root's: the client looks below /.
    let inside = ["nsenter", "--target", &pid.to_string(), "--mount"].map(str::to_owned);
    let hers = exec(pid, "version")
        .by(&become_user(ALICE, &[]))
        .by(&inside);
    answered(&hers.run(""), "control");
}

/// A container without a console, in which `script` prepares a trap.
fn trap(script: &str) -> Victim {
    let mounts = "mount -t proc proc /proc && mount -t tmpfs run /run && mkdir -m 700 /run/manhole";
    let mut victim = setup()
        .unshared(
            &["--mount", "--pid", "--fork", "--kill-child"],
            &format!("{mounts} && {script}"),
        )
        .start();
    victim.tell("pid");
    victim
}

#[test]
fn a_link_from_a_container_to_a_socket_of_the_host_is_not_followed() {
    if !root() {
        return;
    }
    let mut host = service();
    let socket = host.socket();
    let target = socket.display();
    let dir = socket.parent().expect("a directory").display();
    let pid = host.pid();
    for script in [
        format!("ln -s {target} /run/manhole/1.sock"),
        format!(
            "rmdir /run/manhole && mkdir -m 700 /run/elsewhere && ln -s {target} /run/elsewhere/1.sock && ln -s elsewhere /run/manhole"
        ),
        format!("rmdir /run/manhole && ln -s {dir} /run/manhole && ln {target} {dir}/1.sock"),
    ] {
        let container = trap(&script);
        let outcome = exec(first_process(&container), "app act").run("");
        assert_eq!(outcome.code(), Some(4), "{script}: {outcome:?}");
        assert_eq!(outcome.text(), "", "{script}");
        assert_eq!(host.tell("acts"), "0", "{script}");
    }
    let audit = text::run(&socket, "audit");
    assert!(!audit.contains("app act"), "not a byte was sent: {audit}");
    assert_eq!(victim::pid_behind(&socket), pid);
}

#[test]
fn a_socket_that_another_process_serves_is_not_spoken_to() {
    if !root() {
        return;
    }
    // Bound into the container by whoever set it up: the inode is there without any link.
    let mut host = service();
    let target = host.socket().display().to_string();
    let container = trap(&format!(
        "touch /run/manhole/1.sock && mount --bind {target} /run/manhole/1.sock"
    ));
    let outcome = exec(first_process(&container), "app act").run("");
    assert_eq!(outcome.code(), Some(4), "{outcome:?}");
    assert!(
        outcome.stderr.contains("not connected") || outcome.stderr.contains("no console"),
        "{outcome:?}"
    );
    assert_eq!(host.tell("acts"), "0");
}
