//! `stacks` as a command: its options, levels and forms, the same at the prompt of `nc`, as JSON, over
//! HTTP and through the client.

use crate::{
    cli::{ends_with, exec, word},
    setup,
};
use manhole_tests::{http, stacks::Look, text, victim::Victim, wait};
use serde_json::Value;
use std::path::PathBuf;

/// Three threads that wait for a lock, the one that has it, and one that reads.
fn crowd_with(options: &str) -> (Victim, PathBuf) {
    let mut victim = setup().install_with(options);
    victim.tell("pile 3");
    victim.tell("reader");
    let socket = victim.socket();
    (victim, socket)
}

/// The same, once everybody is where they will stay.
fn crowd() -> (Victim, PathBuf) {
    let (victim, socket) = crowd_with("");
    wait::until_true("everybody waits", || {
        let text = text::run(&socket, "stacks");
        text.contains("WAIT FOR A LOCK   3 threads") && text.contains("reads from")
    });
    (victim, socket)
}

/// The line of `text` that contains `part`.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no {part:?} in\n{text}"))
}

#[test]
fn a_pile_up_is_told_with_its_lock_and_where_everybody_is() {
    let (_victim, socket) = crowd();
    let text = text::run(&socket, "stacks");
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    assert!(first.starts_with("# stacks victim["), "{first}");
    assert!(
        first.contains(" threads in ") && first.contains("all answered"),
        "{first}"
    );
    let verdict = lines.next().unwrap_or_default();
    assert!(
        verdict.starts_with("3 threads wait for one std Mutex"),
        "{verdict}"
    );
    assert!(
        line(&text, "WAIT FOR A LOCK").contains("lock A (std Mutex at 0x"),
        "{text}"
    );
    assert!(
        line(&text, "waiter-0, -1, -2").starts_with("   3  "),
        "{text}"
    );
    for place in [
        "crowd::wait_for_the_lock",
        "crowd::keep_the_lock",
        "crowd::read_for_ever",
    ] {
        assert!(text.contains(place), "{place}: {text}");
    }
    assert!(line(&text, "reader").contains("reads from pipe"), "{text}");
    assert!(
        text.lines()
            .all(|line| line.starts_with('#') || line.chars().count() <= 100)
    );
}

#[test]
fn programs_get_the_same_as_data() {
    let (_victim, socket) = crowd();
    let look = Look::take(&socket, "");
    assert_eq!(
        look.json["verdict"]["severity"], "warn",
        "{}",
        look.json["verdict"]
    );
    let sections = look.json["data"]["sections"].as_array().expect("sections");
    let lock = sections
        .iter()
        .find(|section| section["kind"] == "lock")
        .expect("a lock");
    assert_eq!(lock["threads"], 3);
    assert_eq!(lock["groups"][0]["tids"].as_array().map(Vec::len), Some(3));
    let waiter = look.thread("waiter-0");
    assert!(waiter.complete(), "{waiter:?}");
    assert!(
        waiter
            .frames
            .iter()
            .flatten()
            .any(|name| name.ends_with("crowd::wait_for_the_lock")),
        "{waiter:?}"
    );
    let binary = look.json["data"]["modules"].as_array().expect("modules");
    assert_eq!(
        binary
            .iter()
            .filter(|module| module["binary"] == true)
            .count(),
        1
    );
}

#[test]
fn threads_are_chosen_by_id_name_and_role() {
    let (victim, socket) = crowd();
    let shown = |filter: &str| {
        let text = text::run(&socket, &format!("stacks --thread {filter}"));
        let first = text.lines().next().unwrap_or_default().to_owned();
        let count = first.split_once("Z: ").map(|(_, rest)| rest.to_owned());
        count
            .and_then(|rest| rest.split(" of ").next().map(str::to_owned))
            .unwrap_or(text)
    };
    assert_eq!(shown("waiter-*"), "3");
    assert_eq!(shown("waiter-1,holder"), "2");
    assert_eq!(shown("main"), "1");
    assert_eq!(shown(&victim.pid().to_string()), "1");
    let data = |line: &str, key: &str| {
        let reply: Value = serde_json::from_str(&text::run(&socket, line)).expect("JSON");
        let threads = reply["data"][key].as_array().cloned().unwrap_or_default();
        let names = threads.iter().map(|thread| thread["name"].to_string());
        names.collect::<Vec<String>>()
    };
    let chosen = "stacks --json --thread waiter-1,holder";
    assert_eq!(data(chosen, "threads"), ["\"holder\"", "\"waiter-1\""]);
    assert!(data(chosen, "others").contains(&"\"waiter-0\"".to_owned()));
    assert!(data("stacks --json", "others").is_empty());
    let refused = |filter: &str, code: &str, part: &str| {
        let reply = text::run(&socket, &format!("stacks --thread {filter}"));
        let error = text::expect_error(&reply, code);
        assert!(error.contains(part), "{reply}");
        assert!(
            error.starts_with(&format!("ERR {code} stacks: ")),
            "{reply}"
        );
    };
    refused("nobody", "unknown", "--thread nobody");
    refused("''", "usage", "--thread is empty");
    let reply = text::run(&socket, "stacks --thread nobody");
    assert!(
        reply.contains("waiter-*") && reply.contains("worker"),
        "{reply}"
    );
}

#[test]
fn options_unfold_ask_nobody_and_are_checked() {
    let (_victim, socket) = crowd();
    let full = text::run(&socket, "stacks --thread holder --full");
    assert!(line(&full, "  holder").contains("sleeps"), "{full}");
    assert!(
        line(&full, "crowd::keep_the_lock")
            .trim_start()
            .starts_with(char::is_numeric)
    );
    assert!(line(&full, " of stack").contains("sleep, cpu "), "{full}");
    let idle = text::run(&socket, "stacks --idle");
    assert!(!idle.contains("waiter"), "{idle}");
    assert!(
        idle.contains("# none of these threads waits for work"),
        "{idle}"
    );
    let quiet = text::run(&socket, "stacks --no-signal");
    assert!(
        quiet.contains("none asked") && !quiet.contains("crowd::"),
        "{quiet}"
    );
    assert!(
        quiet.contains("waiter-0, -1, -2"),
        "/proc tells the futex: {quiet}"
    );
    let names = text::run(&socket, "stacks --names full --thread waiter-0 --full");
    assert!(names.contains("wait_for_the_lock"), "{names}");
    for wrong in ["stacks --names odd", "stacks 7", "stacks --nope"] {
        text::expect_error(&text::run(&socket, wrong), "usage");
    }
}

#[test]
fn below_level_inspect_no_thread_is_asked() {
    let (_victim, socket) = crowd_with("max_level=view");
    text::expect_error(&text::run(&socket, "stacks"), "denied");
    assert_eq!(
        http::get(&socket, "/debug/pprof/goroutine?debug=1").status,
        403
    );
    let threads = wait::until("the waiters wait", || {
        let threads = text::run(&socket, "threads");
        threads.contains("waiter-*").then_some(threads)
    });
    assert!(line(&threads, "waiter-*").contains("mutex 0x"), "{threads}");
    assert!(
        threads.contains("# roles and locks take stacks"),
        "{threads}"
    );
    let triage = text::run(&socket, "triage");
    assert!(
        !triage.lines().any(|line| line.contains(" stacks ")),
        "{triage}"
    );
}

#[test]
fn threads_and_triage_know_what_the_stacks_say() {
    let (_victim, socket) = crowd();
    let threads = text::run(&socket, "threads");
    assert!(
        line(&threads, "waiter-*").contains("lock A (std Mutex)"),
        "{threads}"
    );
    assert!(
        line(&threads, "reader").contains("reads from pipe"),
        "{threads}"
    );
    let quiet = text::run(&socket, "threads --no-signal");
    assert!(line(&quiet, "waiter-*").contains("mutex 0x"), "{quiet}");
    let triage = text::run(&socket, "triage");
    assert!(line(&triage, "std Mutex").contains("stacks"), "{triage}");
}

#[test]
fn over_http_the_shapes_are_those_of_go() {
    let (victim, socket) = crowd();
    let get = |path: &str| http::get(&socket, path);
    let merged = get("/debug/pprof/goroutine?debug=1");
    assert_eq!(merged.status, 200, "{}", merged.text());
    assert_eq!(
        merged.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(merged.header("x-content-type-options"), Some("nosniff"));
    assert!(
        merged.text().starts_with("goroutine profile: total "),
        "{}",
        merged.text()
    );
    let pile = merged
        .text()
        .lines()
        .find(|line| line.starts_with("3 @ 0x"));
    assert!(pile.is_some(), "{}", merged.text());
    assert!(line(merged.text(), "wait_for_the_lock").starts_with("#\t0x"));
    let each = get("/pprof/goroutine?debug=2");
    let main = format!("goroutine {} [", victim.pid());
    assert!(line(each.text(), &main).ends_with("]:"), "{}", each.text());
    assert!(
        each.text().contains("wait_for_the_lock()\n\t"),
        "{}",
        each.text()
    );
    for (query, status) in [("?seconds=0", 400), ("?debug=1&seconds=5", 400)] {
        let reply = get(&format!("/debug/pprof/goroutine{query}"));
        assert_eq!(reply.status, status, "{query}: {}", reply.text());
        assert_eq!(reply.header("x-go-pprof"), Some("1"), "{query}");
    }
    assert!(
        get("/debug/pprof/")
            .text()
            .contains("/debug/pprof/goroutine ")
    );
    let command = get("/cmd/stacks?thread=holder&full=1");
    assert!(
        command.text().contains("crowd::keep_the_lock"),
        "{}",
        command.text()
    );
    assert_eq!(get("/cmd/stacks?thread=nobody").status, 404);
    assert!(
        get("/cmd/stacks?json=1")
            .text()
            .starts_with("{\"command\":\"stacks\"")
    );
}

#[test]
fn the_client_shows_what_the_console_would() {
    let (_victim, socket) = crowd();
    let without_figures = |text: &str| {
        // The first line has times, and says where names are from.
        let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
        let lines = rest
            .lines()
            .map(|line| line.split("; unchanged since").next().unwrap_or(line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    for command in [
        "stacks --lines",
        "stacks --lines --thread holder --full --names full",
        "stacks --lines --thread waiter-1",
    ] {
        let by_hand = text::run(&socket, command);
        let target = word(&socket);
        let outcome = exec([target.as_str()].into_iter().chain(command.split(' ')));
        ends_with(0, &outcome);
        let lines = |text: &str| {
            let text = without_figures(text);
            let kept = text
                .lines()
                .filter(|line| !line.contains(" of stack, ") && !line.contains("cpu "));
            kept.map(|line| format!("{line}\n")).collect::<String>()
        };
        assert_eq!(lines(outcome.text()), lines(&by_hand), "{command}");
    }
    let refused = exec([&word(&socket), "stacks", "--thread", "nobody"]);
    ends_with(1, &refused);
    assert!(
        refused
            .stderr
            .contains("ERR unknown stacks: --thread nobody"),
        "{}",
        refused.stderr
    );
}
