//! Where a sandbox refuses what it takes to leave the host's descriptor table: the console listens
//! all the same, says so, and harms nothing when the host closes what is not its own.

use crate::setup;
use manhole_tests::{
    keep::Keep,
    machine::Machine,
    procfs, text,
    victim::{self, Victim, pid_behind},
    wait,
};
use std::{fs, time::Duration};

/// The tick at which a console looks after itself, and a generous margin.
const TICK: Duration = Duration::from_secs(90);

/// A service in a sandbox like those of old container runtimes.
fn confined(options: &str) -> Victim {
    let mut victim = setup().start();
    victim.tell("refuse EPERM close_range unshare");
    victim.install(options);
    victim.tell("register good");
    victim
}

/// How many sockets and descriptors of an event loop are open: the service itself has none.
fn sockets(pid: u32) -> usize {
    let fds = procfs::fds(pid, pid).into_iter();
    let texts = fds.map(|fd| fd.to_string_lossy().into_owned());
    texts
        .filter(|fd| fd.starts_with("socket:") || fd.starts_with("anon_inode:"))
        .count()
}

#[test]
fn it_listens_and_says_that_the_table_is_shared() {
    let mut victim = confined("");
    let socket = victim.socket();
    assert!(sockets(victim.pid()) > 0);
    assert_eq!(text::run(&socket, "app echo on"), "on\n");
    let info = text::run(&socket, "info");
    let said =
        "the descriptor table is shared with the process (close_range: EPERM, unshare: EPERM)";
    assert!(info.contains(said), "{info}");
    assert_eq!(victim.tell("shutdown"), "Closed");
    wait::until_true("what it had open is closed", || {
        procfs::console_threads(victim.pid()).is_empty() && sockets(victim.pid()) == 0
    });
}

#[test]
fn a_forked_child_keeps_nothing_of_it() {
    let mut victim = confined("");
    let path = victim.socket();
    let mut keep = Keep::open(&path);
    keep.ok("version");
    let answer = victim.tell("fork");
    let pid: u32 = answer
        .split(' ')
        .next()
        .and_then(|pid| pid.parse().ok())
        .expect("a pid");
    victim.ward(pid);
    assert_eq!(sockets(pid), 0);
    assert_eq!(keep.ok("app echo on"), "on\n");
    assert_eq!(pid_behind(&path), victim.pid());
}

/// The host closes everything, ours included, and takes the same numbers for things of `kind`, while
/// one client is idle and another one's command wakes the loop all the time.
#[track_caller]
fn check(kind: &str) {
    let mut victim = confined("");
    let path = victim.socket();
    let mut idle = Keep::open(&path);
    idle.ok("version");
    let mut busy = Machine::open(&path);
    busy.send(&["app", "slow", "300s"]);
    wait::until_true("it runs", || victim.tell("begun") == "1");
    let dir = victim.dir().join("host");
    fs::create_dir(&dir).expect("a directory");
    victim.tell(&format!("recycle {kind} {}", dir.display()));
    let status = wait::within(TICK, "the console ends", || {
        Some(victim.status()).filter(|status| status != "Listening")
    });
    let why = "the process closed descriptors that are not its own";
    assert!(status.starts_with(&format!("Failed(\"{why}")), "{status}");
    assert_eq!(victim.tell("recycled"), "untouched", "{kind}");
    assert!(!path.exists(), "no socket stays behind");
    let said = victim.stderr();
    assert_eq!(said.lines().count(), 2, "one line more: {said}");
    assert!(
        said.contains(&format!("manhole: the console has ended: {why}")),
        "{said}"
    );
    // The service may have another one, beside what it opened meanwhile.
    victim.install("");
    assert!(victim::accepts(&path));
    assert_eq!(text::run(&path, "app echo again"), "again\n");
    assert_eq!(victim.tell("shutdown"), "Closed");
}

#[test]
fn files_under_recycled_numbers_are_not_written_to() {
    check("files");
}

#[test]
fn events_under_recycled_numbers_are_not_rung() {
    check("events");
}

#[test]
fn event_loops_under_recycled_numbers_are_left_alone() {
    check("epolls");
}

#[test]
fn streams_under_recycled_numbers_get_no_replies() {
    check("streams");
}

#[test]
fn listeners_under_recycled_numbers_keep_their_callers() {
    check("listeners");
}
