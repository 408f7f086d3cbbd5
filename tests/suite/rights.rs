//! A process that gives up rights after it installed its console: our threads keep theirs, so the
//! application's code must not run on them any more, from the very next call on.

use crate::{service, setup};
use manhole_tests::{conn::Conn, http, procfs, text, victim::Victim, wait};
use std::{thread, time::Duration};

/// What gives up rights in the calling thread alone, as sandboxing libraries do.
const CONFINE: &str = "refuse EPERM perf_event_open";

/// Has application code called, before and after; `ask` says what came of it.
#[track_caller]
fn check(ask: impl Fn(&mut Victim) -> String, before: &str) {
    let mut victim = setup().install_with("route=/debug/custom");
    victim.tell("register good");
    victim.tell("register reclaimer");
    victim.tell("variables good");
    let said = ask(&mut victim);
    assert!(said.contains(before), "{said}");
    // A look holds for a millisecond; the one before the call above must be older than that.
    thread::sleep(Duration::from_millis(5));
    victim.tell(CONFINE);
    let said = ask(&mut victim);
    assert!(
        said.contains("the process changed its seccomp after install()"),
        "{said}"
    );
    let info = text::run(&victim.socket(), "info");
    assert!(info.contains("application code is refused"), "{info}");
    // New threads have the process's present rights.
    victim.tell("shutdown");
    victim.install("route=/debug/custom");
    let said = ask(&mut victim);
    assert!(said.contains(before), "{said}");
}

#[test]
fn commands_are_refused_at_once() {
    check(
        |victim| text::run(&victim.socket(), "app echo it runs"),
        "it runs",
    );
}

#[test]
fn closures_are_refused_at_once() {
    check(
        |victim| text::run(&victim.socket(), "vars get shop.config"),
        "0.0.0.0:8080",
    );
}

#[test]
fn reclaimers_are_refused_at_once() {
    check(|victim| text::run(&victim.socket(), "gc run"), "4.00 KiB");
}

#[test]
fn routes_are_refused_at_once() {
    check(
        |victim| {
            http::get(&victim.socket(), "/debug/custom")
                .text()
                .to_owned()
        },
        "GET /debug/custom",
    );
}

#[test]
fn a_thread_with_old_rights_does_not_serve_the_next_console() {
    let mut victim = service();
    victim.tell("register evil");
    let mut hangs = Conn::open(&victim.socket());
    hangs.send("evil loop\n");
    wait::until_true("it runs", || victim.tell("begun") == "1");
    victim.tell("shutdown");
    victim.tell(CONFINE);
    victim.install("");
    assert_eq!(text::run(&victim.socket(), "app echo on"), "on\n");
    victim.tell("release");
    let filters = |tid: u32| procfs::status_of(victim.pid(), tid, "Seccomp_filters");
    let own = filters(victim.pid());
    wait::until_true("threads with other rights end", || {
        let threads = procfs::console_threads(victim.pid());
        threads
            .iter()
            .all(|(tid, _)| filters(*tid).is_none_or(|theirs| Some(theirs) == own))
    });
}
