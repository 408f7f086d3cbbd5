//! The heap of a service that allocates through `manhole::Alloc`: what its places hold, what grows, what
//! tools read of it. Amounts are estimates, so they are held against what the answer says of their error.

use crate::cli::{cli, ends_with, exec, word};
use manhole_tests::{
    golang, http,
    keep::Keep,
    peers::{self, curl},
    scratch::Scratch,
    text::{self, Prompt},
    victim::{Setup, Victim},
    wait,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes between two samples: enough of them that five deviations are little.
const RATE: &str = "heap sampling 64KiB";
/// So many deviations are no chance.
const CERTAIN: f64 = 5.0;

/// A service that has sampled from its first deed on.
fn hoard() -> (Victim, PathBuf) {
    let mut victim = Setup::new(env!("CARGO_BIN_EXE_hoard")).install();
    let socket = victim.socket();
    let set = text::run(&socket, RATE);
    assert!(set.contains("512 KiB -> 1 sample per 64.0 KiB"), "{set}");
    // A thread takes it over at its next sample.
    victim.tell("pass page 5000");
    (victim, socket)
}

#[track_caller]
fn json(socket: &Path, command: &str) -> Value {
    let reply = text::run(socket, &format!("{command} --json"));
    serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error} in {reply}"))
}

/// The row of a place.
#[track_caller]
fn site<'a>(answer: &'a Value, place: &str) -> &'a Value {
    let sites = answer["data"]["sites"].as_array().expect("rows");
    let is = |row: &&Value| {
        row["site"]
            .as_str()
            .is_some_and(|name| name.ends_with(place))
    };
    sites
        .iter()
        .find(is)
        .unwrap_or_else(|| panic!("no {place} in {sites:?}"))
}

/// The line of `text` that has `part`.
#[track_caller]
fn line<'a>(text: &'a str, part: &str) -> &'a str {
    let found = text.lines().find(|line| line.contains(part));
    found.unwrap_or_else(|| panic!("no {part:?} in\n{text}"))
}

/// Whether an estimate is as near to the truth as it says, but for its rounding.
#[track_caller]
fn is_near(found: &Value, error: &Value, truth: u64) {
    let (found, error) = (
        found.as_f64().expect("bytes"),
        error.as_f64().expect("an error"),
    );
    let off = (found - truth as f64).abs();
    let most = CERTAIN * error + truth as f64 / 1000.0;
    assert!(off <= most, "{found} +-{error}, but it is {truth}");
}

const HELD: [(&str, u64, u64); 5] = [
    ("tiny", 2_000_000, 16),
    ("small", 300_000, 200),
    ("page", 20_000, 4096),
    ("large", 500, 100_000),
    ("huge", 40, 1 << 20),
];

/// More objects than the tables have places, most of them held by the weight of others. When each is a
/// sample there is no room for all: what is dropped is counted, and nothing of it stays.
#[test]
fn sixteen_million_objects_are_held_and_let_go() {
    let (mut victim, socket) = hoard();
    let name = "hoard::places::tiny";
    victim.tell("keep tiny 16000000");
    let live = json(&socket, "heap");
    let row = site(&live, name);
    is_near(&row["live_bytes"], &row["error_bytes"], 16_000_000 * 16);
    assert_eq!(
        live["data"]["report"]["dropped"], 0,
        "{}",
        live["data"]["report"]
    );
    victim.tell("drop tiny");
    let gone = json(&socket, "heap");
    let report = &gone["data"]["report"];
    assert!(report["live_samples"].as_u64() < Some(100), "{report}");

    text::run(&socket, "heap sampling 1");
    victim.tell("pass page 5000");
    victim.tell("keep tiny 100000");
    let full = json(&socket, "heap");
    let report = &full["data"]["report"];
    let kept = report["live_samples"].as_u64();
    assert!(kept <= Some(74_752) && kept > Some(60_000), "{report}");
    let counted = kept.zip(report["dropped"].as_u64());
    assert!(
        counted.is_some_and(|(kept, dropped)| kept + dropped >= 100_000),
        "{report}"
    );
    victim.tell("drop tiny");
    let gone = json(&socket, "heap");
    let report = &gone["data"]["report"];
    assert!(report["live_samples"].as_u64() < Some(1000), "{report}");
}

#[test]
fn each_place_holds_what_it_was_told_to_within_the_error_that_is_told() {
    let (mut victim, socket) = hoard();
    for (place, count, _) in HELD {
        victim.tell(&format!("keep {place} {count}"));
        victim.tell(&format!("pass {place} {}", count / 4));
    }
    let (live, all) = (json(&socket, "heap"), json(&socket, "heap allocs"));
    for (place, count, size) in HELD {
        let name = format!("hoard::places::{place}");
        let row = site(&live, &name);
        is_near(&row["live_bytes"], &row["error_bytes"], count * size);
        let objects = row["objects"].as_f64().expect("a count");
        let per_object = row["live_bytes"].as_f64().expect("bytes") / objects;
        assert!((per_object / size as f64 - 1.0).abs() < 0.01, "{row}");
        let file = row["place"].as_str().unwrap_or_default();
        assert!(file.contains("bin/hoard/places.rs:"), "{row}");
        let row = site(&all, &name);
        let before = if place == "page" { 5000 } else { 0 };
        let passed = (count + count / 4 + before) * size;
        is_near(&row["allocated_bytes"], &row["error_bytes"], passed);
    }
    // What is nearly always sampled has hardly any error.
    let error = site(&live, "places::huge")["error_bytes"].as_u64();
    assert!(error < Some(16 << 10), "{error:?}");
    for (place, ..) in HELD {
        victim.tell(&format!("drop {place}"));
    }
    let after = text::run(&socket, "heap --rows all");
    for (place, ..) in HELD {
        assert!(!after.contains(&format!("places::{place} ")), "{after}");
    }
    let peak = json(&socket, "heap peak");
    let row = site(&peak, "places::huge");
    // One of those that passed was there as well.
    is_near(&row["peak_bytes"], &Value::from(0), 41 << 20);
}

#[test]
fn the_table_the_callers_and_the_tree_through_every_way_in() {
    let (mut victim, socket) = hoard();
    victim.tell("keep huge 20");
    let reply = text::run(&socket, "heap");
    let head = reply.lines().next().unwrap_or_default();
    assert!(head.starts_with("# heap victim["), "{head}");
    assert!(head.contains(": live, 1 sample per 64.0 KiB, "), "{head}");
    let verdict = reply.lines().nth(1).unwrap_or_default();
    assert!(verdict.contains(" is held by places::huge"), "{verdict}");
    let row = line(&reply, "hoard::places::huge");
    assert!(row.trim_start().starts_with("20.0 MiB  "), "{row}");
    for (name, peer) in peers::netcats(&socket) {
        let shown = peer.run("heap\n");
        assert!(shown.text().contains("hoard::places::huge"), "{name}");
    }
    let callers = text::run(&socket, "heap places::huge");
    assert!(
        callers.contains("(inlined") || callers.contains("Kept::keep"),
        "{callers}"
    );
    let tree = text::run(&socket, "heap --format tree");
    let tree = tree.split("TREE ").nth(1).unwrap_or_default();
    let (caller, callee) = (line(tree, "Kept::keep"), line(tree, "places::huge"));
    let depth = |line: &str| line.find("hoard::").expect("a name");
    assert!(depth(caller) < depth(callee), "{tree}");
    let collapsed = text::run(&socket, "heap --format collapsed");
    let stack = line(&collapsed, "hoard::places::huge");
    assert!(
        stack.starts_with("_start;") || stack.contains(";hoard::main;"),
        "{stack}"
    );
    assert!(stack.ends_with(&format!(" {}", 20 << 20)), "{stack}");
    text::expect_error(&text::run(&socket, "heap no::such"), "unknown");
    let refused = Prompt::open(&socket).run("heap --format pprof");
    text::expect_error(&refused, "unsupported");
    let triage = text::run(&socket, "triage");
    assert!(line(&triage, " live; ").contains("heap "), "{triage}");
    let shown = exec([&word(&socket), "heap", "places::huge"]);
    ends_with(0, &shown);
    assert!(shown.text().contains("CALLERS "), "{}", shown.text());
}

#[test]
fn what_grows_is_told_from_what_was_loaded_and_what_passes() {
    let (mut victim, socket) = hoard();
    victim.tell("keep page 5000");
    assert!(text::run(&socket, "heap save loaded").starts_with("kept as loaded; "));
    victim.tell("grow 100");
    let reply = wait::until("the leak to be named", || {
        let reply = text::run(&socket, "heap leaks --min-age 1s");
        let verdict = reply.lines().nth(1).unwrap_or_default();
        let named = verdict.contains("places::remember keeps growing");
        named.then_some(reply)
    });
    let row = line(&reply, "hoard::places::remember");
    assert!(
        row.contains("  yes  ") && row.contains("bin/hoard/places.rs:"),
        "{row}"
    );
    assert!(reply.contains("# baselines: loaded, start"), "{reply}");

    let diff = json(&socket, "heap diff loaded");
    let row = site(&diff, "places::remember");
    assert!(row["change_bytes"].as_i64() > Some(1 << 20), "{row}");
    assert!(row["freed_percent"].as_f64() < Some(20.0), "{row}");
    let sites = diff["data"]["sites"].as_array().expect("rows");
    let changed = |place: &str| sites.iter().any(|row| row["site"].as_str() == Some(place));
    assert!(!changed("hoard::places::page"), "{sites:?}");

    text::run(&socket, "heap save then");
    let between = text::run(&socket, "heap diff loaded then");
    assert!(between.contains("(named loaded) -> "), "{between}");
    assert!(
        line(&between, "places::remember").contains('+'),
        "{between}"
    );
    let wrong = text::run(&socket, "heap diff then loaded");
    text::expect_error(&wrong, "usage");
    text::expect_error(&text::run(&socket, "heap diff never"), "unknown");
}

#[test]
fn the_next_seconds_are_waited_for_with_progress() {
    let (mut victim, socket) = hoard();
    victim.tell("grow 200");
    let mut keep = Keep::open(&socket);
    let reply = keep.run("heap diff +2s");
    assert_eq!(reply.end, Ok(()));
    assert!(!reply.waits.is_empty(), "it says how far it is");
    let shown = String::from_utf8_lossy(&reply.data).into_owned();
    assert!(
        line(&shown, "places::remember")
            .trim_start()
            .starts_with('+'),
        "{shown}"
    );
    let allocs = json(&socket, "heap allocs 1");
    let row = site(&allocs, "places::remember");
    assert!(row["allocated_bytes_per_s"].as_f64() > Some(0.0), "{row}");
}

#[test]
fn sampling_is_changed_while_it_runs() {
    let (mut victim, socket) = hoard();
    victim.tell("keep huge 5");
    let off = text::run(&socket, "heap sampling off");
    assert!(
        off.contains("-> off") && off.contains("heap sampling 64KiB"),
        "{off}"
    );
    // Threads take notice within 4 MiB, and those that sample at their next one.
    victim.tell("pass page 2000");
    victim.tell("keep large 50");
    let reply = text::run(&socket, "heap");
    assert!(reply.contains(", sampling is off, "), "{reply}");
    assert!(
        reply.contains("places::huge") && !reply.contains("places::large"),
        "{reply}"
    );
    text::run(&socket, "heap sampling 1");
    victim.tell("pass page 1100");
    victim.tell("keep large 7");
    let row = json(&socket, "heap");
    let row = site(&row, "places::large");
    assert_eq!(
        (&row["live_bytes"], &row["objects"]),
        (&700_000.into(), &7.into())
    );
}

/// What `go tool pprof -top` says of a place in a file, with what it calls: vec! is not hidden.
#[track_caller]
fn cum(file: &Path, options: &[&str], place: &str) -> String {
    let top = [&["-top", "-nodecount=1000", "-nodefraction=0"], options].concat();
    let shown = golang::pprof(file, &top);
    let row = line(&shown, place).trim_start();
    row.split_whitespace().nth(3).unwrap_or_default().to_owned()
}

#[track_caller]
fn fetch(socket: &Path, path: &str, file: &Path) {
    let reply = curl(socket, path).run("");
    fs::write(file, &reply.stdout).expect("a file in our directory");
}

#[test]
fn gos_tool_reads_all_four_kinds_of_values_and_differences() {
    let (mut victim, socket) = hoard();
    victim.tell("keep huge 30");
    victim.tell("pass huge 10");
    let scratch = Scratch::new();
    let (before, after) = (scratch.join("before.pb.gz"), scratch.join("after.pb.gz"));
    fetch(&socket, "/debug/pprof/heap?gc=1", &before);
    let check = |index: &str, expected: &str| {
        let index = format!("-sample_index={index}");
        assert_eq!(cum(&before, &[&index], "places::huge"), expected, "{index}");
    };
    check("alloc_objects", "40");
    check("alloc_space", "40MB");
    check("inuse_objects", "30");
    check("inuse_space", "30MB");
    let shown = golang::pprof(&before, &["-top"]);
    assert!(shown.contains("Type: inuse_space"), "{shown}");
    assert!(
        !shown.contains("__rust_alloc") && !shown.contains("manhole::alloc"),
        "{shown}"
    );
    let said = golang::pprof(&before, &["-comments"]);
    assert!(said.contains("gc does nothing here"), "{said}");
    assert!(
        said.contains("1 sample per 64.0 KiB, already scaled; "),
        "{said}"
    );

    victim.tell("keep huge 12");
    fetch(&socket, "/debug/pprof/heap", &after);
    let base = format!("-diff_base={}", before.display());
    assert_eq!(cum(&after, &[&base], "places::huge"), "12MB");
    let allocs = scratch.join("allocs.pb.gz");
    fetch(&socket, "/debug/pprof/allocs", &allocs);
    let shown = golang::pprof(&allocs, &["-top"]);
    assert!(shown.contains("Type: alloc_space"), "{shown}");
    let file = scratch.join("text");
    fetch(&socket, "/debug/pprof/heap?debug=1", &file);
    let shown = fs::read_to_string(&file).expect("a text");
    assert!(shown.starts_with("heap profile: "), "{shown}");
    assert!(
        shown.contains(&format!("\n42: {0} [42: {0}] @ 0x", 42 << 20)),
        "{shown}"
    );
    // It has addresses only.
    let shown = golang::pprof(&file, &["-top", "-sample_index=inuse_space"]);
    assert!(shown.contains(" of 42MB total"), "{shown}");
}

#[test]
fn a_delta_is_what_comes_and_goes_in_the_time() {
    let (mut victim, socket) = hoard();
    victim.tell("keep huge 30");
    victim.tell("grow 200");
    let scratch = Scratch::new();
    for (path, name) in [("heap", "heap-delta"), ("allocs", "allocs-delta")] {
        let reply = http::get(&socket, &format!("/debug/pprof/{path}?seconds=2"));
        let named = reply.header("content-disposition").unwrap_or_default();
        assert_eq!(named, format!("attachment; filename=\"{name}\""));
        let file = scratch.join(name);
        fs::write(&file, &reply.body).expect("a file in our directory");
        let shown = golang::pprof(&file, &["-top", "-sample_index=alloc_space"]);
        assert!(shown.contains("places::remember"), "{shown}");
        assert!(!shown.contains("places::huge"), "{shown}");
    }
}

#[test]
fn the_client_keeps_draws_and_compares_profiles_of_the_heap() {
    let (mut victim, socket) = hoard();
    victim.tell("keep huge 30");
    let scratch = Scratch::new();
    let files = ["a.pb.gz", "b.pb.gz"].map(|name| word(&scratch.join(name)));
    let svg = word(&scratch.join("heap.svg"));
    let target = word(&socket);
    for file in &files {
        let words = ["pprof", &target, "heap", "-o", file];
        ends_with(0, &cli(words).env("PATH", scratch.path()).run(""));
        victim.tell("keep huge 12");
    }
    let [first, second] = &files;
    let top = cli(["view", first]).run("");
    let head = top.text().lines().next().unwrap_or_default();
    assert!(head.contains("inuse_space in "), "{head}");
    assert!(
        line(top.text(), "places::huge").contains("30.00 MiB"),
        "{}",
        top.text()
    );
    let diff = cli(["view", second, "--diff", first]).run("");
    ends_with(0, &diff);
    assert!(
        line(diff.text(), "places::huge").contains("+12.00 MiB"),
        "{}",
        diff.text()
    );
    ends_with(0, &cli(["flamegraph", &target, "heap", "-o", &svg]).run(""));
    let drawn = fs::read_to_string(&svg).expect("a picture");
    assert!(drawn.contains("places::huge"), "{drawn}");
    let dir = word(&scratch.join("dump"));
    ends_with(0, &cli(["dump", &target, "-o", &dir]).run(""));
    for file in ["heap.txt", "heap.json", "heap.pb.gz", "heap-leaks.txt"] {
        let kept = fs::metadata(scratch.join("dump").join(file));
        assert!(kept.is_ok_and(|file| file.len() > 100), "{file}");
    }
}
