//! Code of the application that panics, hangs and loops: the console and the service go on.

use crate::{service, setup};
use manhole_tests::{conn::Conn, http, keep::Keep, scratch::Scratch, text, victim::Victim, wait};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

#[track_caller]
fn misbehaving() -> Victim {
    let mut victim = service();
    victim.tell("register evil");
    victim.tell("variables evil");
    victim
}

#[test]
fn a_command_that_panics_is_an_error_and_the_next_one_runs() {
    let mut victim = misbehaving();
    let socket = victim.socket();
    for _ in 0..5 {
        let reply = text::run(&socket, "evil panic");
        let error = text::expect_error(&reply, "panic");
        assert!(
            error.contains("evil panic: ") && error.contains("the command panics"),
            "{error}"
        );
    }
    assert_eq!(http::get(&socket, "/cmd/evil/panic").status, 500);
    let reply = text::run(&socket, "evil fail");
    assert!(
        text::expect_error(&reply, "internal").contains("a file is missing"),
        "{reply}"
    );
    assert_eq!(text::run(&socket, "app echo on"), "on\n");
    assert_eq!(victim.status(), "Listening");
}

#[test]
fn hanging_commands_cost_application_code_in_the_end_but_never_a_built_in() {
    let mut victim = misbehaving();
    let socket = victim.socket();
    let mut hang = |line: &str, nth: &str| {
        let mut conn = Conn::open(&socket);
        conn.send(format!("{line}\n"));
        wait::until_true("it runs", || victim.tell("begun") == nth);
        text::expect_error(&text::run(&socket, line), "busy");
        conn
    };
    let first = hang("evil loop", "1");
    assert_eq!(
        text::run(&socket, "app echo on"),
        "on\n",
        "one lost thread is replaced"
    );
    let second = hang("evil deadlock", "2");
    // Whoever waits is told, and nobody else waits.
    let started = Instant::now();
    assert!(text::run(&socket, "version").starts_with("service"));
    assert!(text::run(&socket, "triage").starts_with("# triage"));
    assert!(
        http::get(&socket, "/debug/vars")
            .text()
            .contains("\"shop.requests\": 8120334")
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    drop((first, second));
    assert_eq!(victim.status(), "Listening");
    victim.tell("release");
    wait::until_true("application code is welcome again", || {
        text::run(&socket, "app echo on") == "on\n"
    });
}

#[test]
fn a_variable_whose_closure_hangs_is_busy_and_the_others_are_there() {
    let mut victim = misbehaving();
    let socket = victim.socket();
    let started = Instant::now();
    let shown = text::run(&socket, "vars");
    assert!(
        shown.contains("<busy ") && shown.contains("shop.requests"),
        "{shown}"
    );
    let vars = http::get(&socket, "/debug/vars");
    let value: serde_json::Value =
        serde_json::from_slice(&vars.body).expect("valid JSON all the same");
    assert_eq!(value["shop.requests"], 8_120_334, "{value}");
    assert!(http::get(&socket, "/metrics").text().ends_with("# EOF\n"));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn an_audit_callback_that_hangs_or_panics_holds_nobody_up() {
    for audit in ["hang", "panic"] {
        let mut victim = setup().install_with(&format!("audit={audit}"));
        victim.tell("register good");
        let socket = victim.socket();
        for number in 1..=3 {
            assert_eq!(
                text::run(&socket, "app act"),
                format!("{number}\n"),
                "{audit}"
            );
        }
        for _ in 0..300 {
            text::run(&socket, "version");
        }
        let records = text::run(&socket, "audit");
        assert_eq!(records.matches("  app act\n").count(), 6, "{records}");
        let asked = records.lines().find(|line| line.ends_with("version"));
        assert!(
            asked.is_some_and(|line| line.contains("  300  ")),
            "{records}"
        );
        assert_eq!(victim.status(), "Listening", "{audit}");
    }
}

#[test]
fn what_changes_something_is_audited_before_it_runs_and_after() {
    let log = Scratch::new();
    let audit = log.join("audit");
    let mut victim = setup().install_with(&format!("audit={}", audit.display()));
    victim.tell("register good");
    victim.tell("register evil");
    let socket = victim.socket();
    assert_eq!(text::run(&socket, "app act"), "1\n");
    text::run(&socket, "nope 'a\\x1b'");
    let records = || fs::read_to_string(&audit).unwrap_or_default();
    wait::until_true("all records", || records().lines().count() >= 3);
    let uid = manhole_tests::users::me();
    let expected = format!(
        "{uid} text control begun app act\n{uid} text control ok app act\n{uid} text control unknown nope "
    );
    assert!(records().starts_with(&expected), "{}", records());
    // A command that ends the process is on record all the same.
    let mut conn = Conn::open(&socket);
    conn.send("evil exit\n");
    assert_eq!(victim.wait().code(), Some(7));
    assert!(
        records().contains("control begun evil exit"),
        "{}",
        records()
    );
}

#[test]
fn a_panic_in_the_service_itself_leaves_the_console_alone() {
    let mut victim = service();
    let socket = victim.socket();
    let mut keep = Keep::open(&socket);
    assert_eq!(victim.tell("panic"), "panicked true");
    assert_eq!(keep.ok("app echo on"), "on\n");
}

#[test]
fn a_wedged_main_thread_does_not_wedge_the_console() {
    let mut victim = service();
    let socket = victim.socket();
    victim.tell("wedge");
    assert_eq!(text::run(&socket, "app echo on"), "on\n");
    let threads = text::run(&socket, "threads --all");
    assert!(
        threads.contains("victim"),
        "the main thread is among them: {threads}"
    );
    assert!(text::run(&socket, "triage").starts_with("# triage"));
}

#[test]
fn a_setting_is_changed_bounded_and_reverts() {
    let mut victim = service();
    let socket = victim.socket();
    let reply = text::run(&socket, "vars set shop.batch 64 for 1s");
    assert!(reply.contains("32 -> 64"), "{reply}");
    assert_eq!(victim.tell("batch"), "64");
    wait::until_true("it reverts by itself", || victim.tell("batch") == "32");
    assert_eq!(text::run(&socket, "vars get shop.batch"), "32\n");
    text::run(&socket, "vars set shop.batch 7 forever");
    assert_eq!(victim.tell("batch"), "7");
    for wrong in [
        "vars set shop.batch 0",
        "vars set shop.batch 1001",
        "vars set shop.batch x",
        "vars set shop.requests 1",
    ] {
        let reply = text::run(&socket, wrong);
        assert!(
            matches!(text::code(&reply), Some("usage" | "unsupported")),
            "{wrong}: {reply}"
        );
    }
    text::expect_error(&text::run(&socket, "vars get nope"), "unknown");
    assert_eq!(victim.tell("batch"), "7");
}

#[test]
fn vars_get_prints_the_bare_value() {
    let mut victim = service();
    let socket = victim.socket();
    for (name, value) in [
        ("requests", "8120334"),
        ("in_flight", "1160"),
        ("load", "2.5"),
        ("region", "eu-west"),
    ] {
        assert_eq!(
            text::run(&socket, &format!("vars get shop.{name}")),
            format!("{value}\n")
        );
    }
}

#[test]
fn watching_streams_until_the_client_goes() {
    let mut victim = service();
    let mut conn = Conn::open(&victim.socket());
    conn.send("vars watch 1 shop.in_flight\n");
    for _ in 0..2 {
        conn.read_until("shop.in_flight");
    }
    drop(conn);
    idle(&victim.socket());
}

/// Waits until no command but ours is under way.
fn idle(socket: &Path) {
    wait::until_true("the watch was recorded as ended", || {
        let audit = text::run(socket, "audit");
        audit
            .lines()
            .any(|line| line.contains("vars watch") && line.contains("cancelled"))
    });
}

#[test]
fn an_audit_callback_that_hangs_is_told_of_in_info() {
    let mut victim = setup().install_with("audit=hang");
    let path = victim.socket();
    let mut keep = Keep::open(&path);
    for _ in 0..400 {
        keep.ok("version");
    }
    let info = keep.ok("info");
    assert!(
        info.contains("audit records of the console were dropped"),
        "{info}"
    );
    assert_eq!(keep.run("gc run").end, Ok(()), "and holds up nobody");
}

#[test]
fn a_shutdown_takes_back_what_would_revert_later() {
    let mut victim = service();
    victim.tell("variables good");
    let socket = victim.socket();
    let first = victim.tell("batch");
    text::run(&socket, "vars set shop.batch 64 for 1h");
    assert_eq!(victim.tell("batch"), "64");
    victim.tell("shutdown");
    assert_eq!(victim.tell("batch"), first);

    victim.install("");
    text::run(&victim.socket(), "vars set shop.batch 7 forever");
    victim.tell("shutdown");
    assert_eq!(victim.tell("batch"), "7");
}
