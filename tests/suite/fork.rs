//! Children of every kind: the parent's console goes on, and the child has none unless it asks.

use crate::{service, setup};
use manhole_tests::{
    http,
    keep::Keep,
    procfs,
    scratch::Scratch,
    text,
    users::{level_of, me},
    victim::{self, pid_behind},
    wait,
};
use std::path::PathBuf;

/// Splits `<pid> <report>`.
fn child(answer: &str) -> (u32, &str) {
    let (pid, report) = answer.split_once(' ').unwrap_or((answer, ""));
    (
        pid.parse().unwrap_or_else(|_| panic!("no pid: {answer}")),
        report.trim(),
    )
}

fn sockets(pid: u32) -> Vec<PathBuf> {
    let mut fds = procfs::fds(pid, pid);
    fds.retain(|fd| {
        let fd = fd.to_string_lossy();
        fd.starts_with("socket:") || fd.contains("eventpoll") || fd.contains("eventfd")
    });
    fds
}

#[test]
fn a_forked_child_has_no_console_and_the_parent_notices_nothing() {
    let mut victim = service();
    let path = victim.socket();
    let mut keep = Keep::open(&path);
    let mut slow = manhole_tests::machine::Machine::open(&path);
    let id = slow.send(&["app", "slow", "2s"]);
    for _ in 0..5 {
        let answer = victim.tell("fork");
        let (pid, report) = child(&answer);
        victim.ward(pid);
        assert_eq!(report, "Closed", "no console and no path");
        assert!(procfs::console_threads(pid).is_empty());
        assert_eq!(sockets(pid), Vec::<PathBuf>::new());
        assert_eq!(
            keep.ok("app echo on"),
            "on\n",
            "a conversation that was open"
        );
    }
    assert_eq!(pid_behind(&path), victim.pid());
    assert_eq!(slow.reply(id).data, b"done\n", "and a command that ran");
}

#[test]
fn the_end_of_a_child_does_not_end_the_parents_console() {
    let mut victim = service();
    let path = victim.socket();
    let mut keep = Keep::open(&path);
    for _ in 0..3 {
        assert!(victim.tell("fork_exit").starts_with("Exited("));
        assert!(path.exists());
        assert_eq!(keep.ok("app echo on"), "on\n");
        assert_eq!(text::run(&path, "app echo new"), "new\n");
    }
}

#[test]
fn reinstall_gives_each_child_a_console_of_its_own() {
    let files = Scratch::new();
    let audit = files.join("audit");
    let options = format!(
        "name=shop audit={} route=/debug/custom after_fork=reinstall fork_delay=10",
        audit.display()
    );
    let mut victim = setup().install_with(&options);
    victim.tell("register good");
    let path = victim.socket();
    let answer = victim.tell("fork");
    let (pid, _) = child(&answer);
    victim.ward(pid);
    let own = path.with_file_name(format!("{pid}.sock"));
    wait::until_true("the child listens", || victim::accepts(&own));
    assert_eq!(pid_behind(&own), pid);
    assert_eq!(
        text::run(&own, "app echo child"),
        "child\n",
        "with the application's commands"
    );
    assert_eq!(http::get(&own, "/debug/custom").status, 200, "and routes");
    assert_eq!(text::run(&path, "app echo parent"), "parent\n");
    assert_eq!(pid_behind(&path), victim.pid());
    let version = text::run(&own, "version");
    assert!(
        version.contains("shop") && version.contains("1.2.3"),
        "{version}"
    );
    wait::until_true(
        "the child's commands are audited as the parent's are",
        || {
            let audit = std::fs::read_to_string(&audit).unwrap_or_default();
            audit.contains("app echo child") && audit.contains("app echo parent")
        },
    );
}

#[test]
fn a_childs_console_allows_no_more_than_its_parents() {
    let mut victim = setup()
        .env("MANHOLE_MAX_LEVEL", "inspect")
        .install_with("after_fork=reinstall fork_delay=10");
    let path = victim.socket();
    assert_eq!(level_of(me(), &[], &path), "inspect");
    for (said, level) in [("control", "inspect"), ("", "inspect"), ("view", "view")] {
        victim.tell(&format!("set_env MANHOLE_MAX_LEVEL ={said}"));
        let answer = victim.tell("fork");
        let (pid, _) = child(&answer);
        victim.ward(pid);
        let own = path.with_file_name(format!("{pid}.sock"));
        wait::until_true("the child listens", || victim::accepts(&own));
        assert_eq!(level_of(me(), &[], &own), level, "{said:?}");
    }
}

#[test]
fn after_shutdown_children_get_none() {
    let mut victim = setup().install_with("after_fork=reinstall fork_delay=60000");
    victim.tell("shutdown");
    let answer = victim.tell("fork");
    let (pid, _) = child(&answer);
    victim.ward(pid);
    let threads = procfs::threads(pid);
    assert_eq!(threads.len(), 1, "{threads:?}");
}

#[test]
fn a_child_may_install_by_itself() {
    let mut victim = setup().install();
    let path = victim.socket();
    let dir = path.parent().expect("a directory").to_owned();
    let answer = victim.tell(&format!("fork_install dir={}", dir.display()));
    let (pid, report) = child(&answer);
    victim.ward(pid);
    let own = dir.join(format!("{pid}.sock"));
    assert_eq!(report, format!("Listening {}", own.display()));
    assert_eq!(pid_behind(&own), pid);
    assert_eq!(pid_behind(&path), victim.pid());
}

#[test]
fn programs_started_by_fork_exec_and_posix_spawn_inherit_nothing() {
    for options in ["", "after_fork=reinstall fork_delay=60000"] {
        for deed in ["fork_exec", "spawn"] {
            let mut victim = setup().install_with(options);
            let path = victim.socket();
            let mut keep = Keep::open(&path);
            keep.ok("version");
            let (pid, _) = child(&victim.tell(deed));
            victim.ward(pid);
            wait::until_true("it is another program", || {
                procfs::read(pid, "comm").is_some_and(|comm| comm.trim() == "sleep")
            });
            assert_eq!(sockets(pid), Vec::<PathBuf>::new(), "{deed}");
            assert!(
                !path.with_file_name(format!("{pid}.sock")).exists(),
                "{deed}"
            );
            keep.ok("version");
            // The program outlives us and holds nothing of ours.
            victim.kill();
            keep.0.read_to_end();
            assert!(!victim::accepts(&path), "{deed}");
        }
    }
}

#[test]
fn a_daemon_that_installs_after_daemonising_has_its_console() {
    let mut victim = setup().start();
    let pid: u32 = victim.tell("daemonise").parse().expect("a pid");
    victim.ward(pid);
    victim.install("");
    let path = victim.socket();
    assert_eq!(pid_behind(&path), pid);
    assert!(path.ends_with(format!("{pid}.sock")));
}

#[test]
fn one_that_installed_before_daemonising_has_none_and_says_so() {
    let mut victim = setup().install();
    let before = victim.socket();
    let pid: u32 = victim.tell("daemonise").parse().expect("a pid");
    victim.ward(pid);
    assert_eq!(victim.status(), "Closed");
    assert!(!victim::accepts(&before));
    victim.install("");
    assert_eq!(pid_behind(&victim.socket()), pid, "it may install again");
}
