//! `cpu`, `wall`, `block` and `mutex`: what they say of a process in which one thread burns and four
//! stand at a lock, in every form, through `nc`, over HTTP, and through the client.

use crate::{
    cli::{ends_with, exec, word},
    setup,
};
use manhole_tests::{
    conn::{Conn, find},
    golang, http,
    keep::Keep,
    peers::{Peer, curl},
    scratch::Scratch,
    text::{self, Prompt},
    victim::Victim,
    wait,
};
use serde_json::Value;
use std::{fs, path::PathBuf, thread};

/// One thread that burns, one that keeps a lock asleep, three that want it.
fn busy() -> (Victim, PathBuf) {
    let mut victim = setup().install();
    victim.tell("spin");
    victim.tell("pile 3");
    let socket = victim.socket();
    wait::until_true("the pile", || {
        text::run(&socket, "stacks").contains("WAIT FOR A LOCK   3 threads")
    });
    (victim, socket)
}

/// The line of `text` that contains `part`.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no {part:?} in\n{text}"))
}

/// The figure at `place` of a line.
#[track_caller]
fn figure(line: &str, place: usize) -> f64 {
    let word = line.split_whitespace().nth(place).unwrap_or_default();
    word.parse()
        .unwrap_or_else(|_| panic!("{word:?} in {line:?}"))
}

/// The rows of a table below the line that begins with `title`.
fn table<'a>(text: &'a str, title: &str) -> Vec<&'a str> {
    let lines = text.lines().skip_while(|line| !line.starts_with(title));
    let rows = lines
        .skip(2)
        .take_while(|line| !line.is_empty() && !line.starts_with('#'));
    rows.collect()
}

#[test]
fn cpu_names_who_burns_and_where() {
    let (_victim, socket) = busy();
    let reply = text::run(&socket, "cpu 1");
    let mut lines = reply.lines();
    let first = lines.next().unwrap_or_default();
    assert!(
        first.starts_with("# cpu victim[") && first.ends_with(": 1 s at 99 Hz"),
        "{first}"
    );
    let verdict = lines.next().unwrap_or_default();
    assert!(
        verdict.contains(" cores busy; ") && verdict.contains(" is spinner in crowd::spin"),
        "{verdict}"
    );
    let [spin, ..] = table(&reply, "BY YOUR CODE")[..] else {
        panic!("{reply}")
    };
    assert!(
        spin.contains("victim::crowd::spin") && spin.ends_with("  spinner"),
        "{spin}"
    );
    assert!(spin.contains("bin/victim/crowd.rs:"), "{spin}");
    assert!(figure(spin, 1) > 50.0, "{spin}");
    let top = table(&reply, "BY FUNCTION");
    assert!(
        top.iter().any(|row| row.contains("victim::crowd::spin")),
        "{reply}"
    );
    let last = line(&reply, " samples (effective ");
    for part in [
        " samples (effective ",
        " dropped, ",
        " truncated, ",
        "of the CPU unattributed; ",
    ] {
        assert!(last.starts_with("# ") && last.contains(part), "{last}");
    }
}

#[test]
fn waits_are_classified_counted_and_timed() {
    let (_victim, socket) = busy();
    let wall = text::run(&socket, "wall 1");
    let classes = table(&wall, "WHAT THREADS DO");
    let mean = |class: &str| {
        let row = classes.iter().find(|row| row.ends_with(class));
        row.map_or(0.0, |row| figure(row, 0))
    };
    // All are there all the time.
    assert!((2.5..=3.5).contains(&mean("  lock")), "{wall}");
    assert!((0.8..=1.2).contains(&mean("  running")), "{wall}");
    assert!(mean("  sleep") >= 0.8, "{wall}");
    let rows = table(&wall, "BY YOUR CODE");
    let wait = rows.iter().find(|row| row.contains("wait_for_the_lock"));
    let ends = |row: &&&str| row.contains("std Mutex") && row.ends_with("waiter-0..2");
    assert!(wait.filter(ends).is_some(), "{wall}");

    let mutex = text::run(&socket, "mutex 1");
    let verdict = mutex.lines().nth(1).unwrap_or_default();
    assert!(
        verdict.starts_with("3 threads were seen that wait for a lock")
            && verdict.contains("100 % of it is waiter-0..2"),
        "{verdict}"
    );
    let rows = table(&mutex, "BY YOUR CODE");
    assert_eq!(rows.len(), 1, "{mutex}");
    // `3.00 s  100.0  3  std Mutex`: each waits once, and on and on.
    assert!((2.5..=3.5).contains(&figure(rows[0], 0)), "{mutex}");
    assert_eq!(figure(rows[0], 3), 3.0, "{mutex}");

    let block = text::run(&socket, "block 1");
    let rows = table(&block, "BY YOUR CODE");
    let asleep = rows.iter().find(|row| row.contains("keep_the_lock"));
    assert!(
        asleep.is_some_and(|row| row.contains("  sleep  ")),
        "{block}"
    );
    assert!(!block.contains("crowd::spin"), "{block}");
}

#[test]
fn threads_are_chosen_and_rows_bounded() {
    let (_victim, socket) = busy();
    let wall = text::run(&socket, "wall 1 --thread waiter-*,holder --rows 1");
    assert!(
        wall.starts_with("# wall ") && wall.contains(", threads waiter-*,holder\n"),
        "{wall}"
    );
    assert!(!wall.contains("crowd::spin"), "{wall}");
    assert_eq!(table(&wall, "BY YOUR CODE").len(), 2, "{wall}");
    assert!(
        table(&wall, "BY YOUR CODE")[1].starts_with("... 1 more: --rows all"),
        "{wall}"
    );
    let tree = text::run(&socket, "cpu 1 --thread spinner --format tree --names full");
    assert!(
        table(&tree, "TREE")
            .iter()
            .any(|row| row.contains("victim::crowd::spin")),
        "{tree}"
    );
    let error = text::run(&socket, "cpu 300 --thread nobody");
    text::expect_error(&error, "unknown");
}

#[test]
fn json_has_what_the_tables_are_made_of() {
    let (_victim, socket) = busy();
    for command in ["cpu 1 --format json", "cpu 1 --json"] {
        let reply: Value = serde_json::from_str(&text::run(&socket, command)).expect("JSON");
        let data = &reply["data"];
        let length = |key: &str| data[key].as_array().map(Vec::len);
        assert!(length("threads").is_some_and(|count| count > 0), "{data}");
        assert_eq!(length("threads"), length("weights"), "{data}");
        let sum = data["weights"].as_array().into_iter().flatten();
        let sum: u64 = sum.filter_map(|weight| weight["samples"].as_u64()).sum();
        assert_eq!(data["report"]["samples"], sum);
        assert_eq!(
            data["by_code"][0]["function"], "victim::crowd::spin",
            "{data}"
        );
        assert!(
            data["by_code"][0]["cores"]
                .as_f64()
                .is_some_and(|cores| cores > 0.0),
            "{data}"
        );
        assert_eq!(data["asked"]["rows"], 15, "for whoever makes a text of it");
        assert_eq!(
            reply["verdict"]["severity"].as_str().map(str::is_empty),
            Some(false)
        );
    }
}

#[test]
fn collapsed_stacks_are_what_flame_graphs_are_drawn_from() {
    let (_victim, socket) = busy();
    let reply = text::run(&socket, "cpu 1 --format collapsed");
    for stack in reply.lines() {
        let (stack, count) = stack
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("{stack:?}"));
        assert!(
            !stack.starts_with('#') && count.parse::<u64>().is_ok(),
            "{stack} {count}"
        );
    }
    assert!(line(&reply, "victim::crowd::spin").contains(';'), "{reply}");
}

/// What `go tool pprof` makes of it.
#[track_caller]
fn is_of_the_spinner(profile: &[u8]) {
    let scratch = Scratch::new();
    let file = scratch.join("cpu.pb.gz");
    fs::write(&file, profile).expect("a file in our directory");
    let top = golang::pprof(&file, &["-top"]);
    assert!(top.starts_with("File: victim\nBuild ID: "), "{top}");
    assert!(top.contains("victim::crowd::spin"), "{top}");
    let raw = golang::pprof(&file, &["-raw"]);
    let first = raw.lines().skip_while(|line| *line != "Mappings").nth(1);
    assert!(
        first.is_some_and(|line| line.contains("victim") && line.ends_with("[FN][FL][LN][IN]")),
        "{raw}"
    );
    assert!(
        line(&raw, "PeriodType").ends_with("cpu nanoseconds"),
        "{raw}"
    );
    assert!(
        raw.contains("thread:[spinner]") && raw.contains("Comment: "),
        "{raw}"
    );
}

#[test]
fn a_profile_comes_through_every_dialect() {
    let (_victim, socket) = busy();
    let command = "cpu 1 --format pprof\n";
    let nc = Peer::new(["nc.openbsd", "-U"]).arg(&socket).run(command);
    is_of_the_spinner(&nc.stdout);
    let fetched = curl(&socket, "/debug/pprof/profile?seconds=1").run("");
    is_of_the_spinner(&fetched.stdout);
    let client = exec([&word(&socket), "cpu", "1", "--format", "pprof"]);
    ends_with(0, &client);
    is_of_the_spinner(&client.stdout);
    let mut keep = Keep::open(&socket);
    let reply = keep.run(command.trim_end());
    assert_eq!(reply.end, Ok(()));
    assert!(!reply.waits.is_empty(), "it says how far it is");
    is_of_the_spinner(&reply.data);

    let mut prompt = Prompt::open(&socket);
    let refused = prompt.run("cpu 300 --format pprof");
    text::expect_error(&refused, "unsupported");
    assert!(refused.contains("nc -U SOCKET > cpu.pb.gz"), "{refused}");
}

#[test]
fn the_client_shows_what_the_console_would() {
    let (_victim, socket) = busy();
    let client = exec([&word(&socket), "mutex", "1"]);
    ends_with(0, &client);
    let text = client.text();
    assert!(text.starts_with("# mutex victim["), "{text}");
    assert!(
        line(text, "wait_for_the_lock").contains("std Mutex"),
        "{text}"
    );
    assert_eq!(table(text, "BY YOUR CODE").len(), 1, "{text}");
}

#[test]
fn over_http_texts_names_and_folded_stacks() {
    let (_victim, socket) = busy();
    let get = |path: &str| {
        let reply = http::get(&socket, path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        reply.text().to_owned()
    };
    let mutex = get("/pprof/mutex?debug=1");
    let head = "--- mutex:\ncycles/second=1000000000\nsampling period=1\n";
    assert!(mutex.starts_with(head), "{mutex}");
    let stack = mutex.lines().nth(3).unwrap_or_default();
    assert!(stack.contains(" 3 @ 0x"), "{mutex}");
    let frame = line(&mutex, "wait_for_the_lock");
    assert!(
        frame.starts_with("#\t0x") && frame.contains("crowd.rs:"),
        "{frame}"
    );
    // The address of a frame is one that `symbol` knows.
    let address = frame.split('\t').nth(1).unwrap_or_default();
    let named = get(&format!("/debug/pprof/symbol?{address}+0x1"));
    let [count, name] = named.lines().collect::<Vec<_>>()[..] else {
        panic!("{named}")
    };
    assert_eq!(count, "num_symbols: 1");
    assert!(name.starts_with(address) && name.contains("::"), "{named}");
    let posted = http::request(
        &socket,
        "POST",
        "/debug/pprof/symbol",
        &[],
        address.as_bytes(),
    );
    assert_eq!(posted.text(), named);

    let folded = get("/debug/fgprof?seconds=1&format=folded");
    assert!(line(&folded, "crowd::spin").contains(';'), "{folded}");
    let wall = get("/debug/pprof/wall?seconds=1&debug=1&thread=waiter-*");
    assert!(wall.starts_with("wall profile: total "), "{wall}");
    assert!(!wall.contains("crowd::spin"), "{wall}");
    let nobody = http::get(&socket, "/debug/pprof/profile?thread=nobody");
    assert_eq!(nobody.status, 404, "{}", nobody.text());
}

#[test]
fn whoever_asks_for_less_is_told_of_the_higher_rate() {
    let (_victim, socket) = busy();
    let asked = socket.clone();
    let other = thread::spawn(move || text::run(&asked, "cpu 4 --hz 200"));
    // So that the other one has begun.
    wait::until_true("another profile", || {
        text::run(&socket, "cpu 1 --hz 50").contains(", shared at 200 Hz)")
    });
    let other = other.join().expect("a thread of ours");
    assert!(!other.contains("shared at"), "{other}");
}

#[test]
fn a_profile_ends_with_its_client() {
    let (_victim, socket) = busy();
    for request in [
        "cpu 300\n",
        "GET /debug/pprof/profile?seconds=300 HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut conn = Conn::open(&socket);
        conn.send(request);
        if request.starts_with("cpu") {
            let first = conn.line();
            assert!(
                find(first.as_bytes(), b"5m 00s at 99 Hz").is_some(),
                "{first}"
            );
        }
        conn.settle();
        drop(conn);
    }
    wait::until_true("both to be given up", || {
        let audit = text::run(&socket, "audit");
        let ended = |line: &&str| line.contains("cancelled");
        audit.lines().filter(ended).count() == 2
    });
}
