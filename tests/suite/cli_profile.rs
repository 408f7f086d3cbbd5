//! Profiles with `manhole-cli`: saved ones, and those that are fetched.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service, setup,
};
use manhole_tests::{peers::Peer, pty::Terminal, scratch::Scratch};
use std::fs;

/// Collapsed stacks, as flame graph programs have them.
const STACKS: &str = "main;shop::price;parse 600\nmain;shop::price 250\nmain;idle 150\n";

/// Runs `view` on a file of this content.
#[track_caller]
fn view(scratch: &Scratch, content: &[u8], words: &[&str], code: i32) -> (String, String) {
    let file = scratch.join("profile");
    fs::write(&file, content).expect("a file in our directory");
    let file = word(&file);
    let outcome = cli(["view", &file].iter().chain(words)).run("");
    ends_with(code, &outcome);
    (outcome.text().to_owned(), outcome.stderr)
}

#[test]
fn a_saved_profile_is_shown_as_a_table_a_tree_and_a_picture() {
    let scratch = Scratch::new();
    let (top, _) = view(&scratch, STACKS.as_bytes(), &[], 0);
    let lines: Vec<&str> = top.lines().collect();
    assert_eq!(
        lines[2],
        "      flat  flat%   sum%        cum   cum%   function"
    );
    assert_eq!(
        lines[3],
        "       600   60.0   60.0        600   60.0   parse"
    );
    assert!(lines[6].ends_with("1,000  100.0   main"), "{top}");
    let (rows, _) = view(&scratch, STACKS.as_bytes(), &["--rows", "2"], 0);
    assert!(rows.contains("\n... 2 more: --rows all\n"), "{rows}");
    let (tree, _) = view(&scratch, STACKS.as_bytes(), &["--tree"], 0);
    assert!(
        tree.contains("       850   85.0        250     shop::price\n"),
        "{tree}"
    );

    let picture = scratch.join("f.svg");
    let (none, told) = view(
        &scratch,
        STACKS.as_bytes(),
        &["--flamegraph", &word(&picture)],
        0,
    );
    assert_eq!(none, "");
    assert!(told.contains("f.svg: open it in a browser"), "{told}");
    let picture = fs::read_to_string(picture).expect("a picture");
    assert!(
        picture.contains("shop::price (850 samples, 85.00%)"),
        "{picture}"
    );
    let (svg, _) = view(&scratch, STACKS.as_bytes(), &["--flamegraph", "-"], 0);
    assert!(svg.starts_with("<?xml"), "{svg}");
}

#[test]
fn two_profiles_are_compared() {
    let scratch = Scratch::new();
    let base = scratch.join("base");
    fs::write(&base, STACKS.replace("600", "100")).expect("a file in our directory");
    let (text, _) = view(&scratch, STACKS.as_bytes(), &["--diff", &word(&base)], 0);
    assert!(
        text.contains("      +500  100.0  100.0       +500  100.0   parse\n"),
        "{text}"
    );
    assert!(text.ends_with("# shares are of the base: 500\n"), "{text}");
}

#[test]
fn what_is_no_profile_is_refused_in_words() {
    let scratch = Scratch::new();
    let check = |content: &[u8], words: &[&str], code: i32, about: &str| {
        let (shown, told) = view(&scratch, content, words, code);
        assert_eq!(shown, "");
        assert!(told.contains(about), "{told}");
    };
    check(b"", &[], 1, "is no profile");
    check(b"<html>404</html>\n", &[], 1, "line 1 is no stack");
    check(&[0x1f, 0x8b, 8, 0, 0], &[], 1, "is a damaged gzip file");
    check(&[0x12, 0xff, 0xff, 0xff, 0xff, 0x0f], &[], 1, "damaged");
    check(STACKS.as_bytes(), &["--sample", "cpu"], 2, "it has samples");
    check(
        STACKS.as_bytes(),
        &["--top", "--tree"],
        2,
        "cannot be used with",
    );
    check(STACKS.as_bytes(), &["--rows", "0"], 2, "no number of lines");
    check(
        STACKS.as_bytes(),
        &["--diff", "/nowhere"],
        1,
        "/nowhere: no such file",
    );
    check(
        STACKS.as_bytes(),
        &["--flamegraph", "/nowhere/f"],
        1,
        "/nowhere/f: no such file",
    );
}

#[test]
fn names_from_a_file_do_not_reach_a_terminal_as_they_are() {
    let scratch = Scratch::new();
    let file = scratch.join("evil");
    fs::write(&file, "main;a\x1b[31mred\u{202e} 1\n").expect("a file in our directory");
    let mut terminal = Terminal::start(CLI.as_ref(), &["view", &word(&file)], &[]);
    terminal.expect("a\\x1b[31mred\\u{202e}");
    assert!(terminal.wait().success());
    let picture = ["view", &word(&file), "--flamegraph", "-"];
    let mut terminal = Terminal::start(CLI.as_ref(), &picture, &[]);
    terminal.expect("no sight for a terminal");
    assert_eq!(terminal.wait().code(), Some(2));
}

#[test]
fn what_cannot_be_fetched_is_refused_before_a_file_is_made() {
    let mut victim = service();
    let socket = word(&victim.socket());
    let scratch = Scratch::new();
    let file = word(&scratch.join("p.pb.gz"));
    let check = |words: &[&str], code: i32, about: &str| {
        let outcome = cli(words).run("");
        ends_with(code, &outcome);
        assert!(outcome.stderr.contains(about), "{}", outcome.stderr);
        assert!(!scratch.join("p.pb.gz").exists());
    };
    check(
        &["pprof", &socket, "nope", "-o", &file],
        1,
        "Unknown profile",
    );
    check(
        &["pprof", &socket, "../../cmd/env", "-o", &file],
        1,
        "Unknown profile",
    );
    check(
        &["pprof", &socket, "cpu", "soon", "-o", &file],
        2,
        "is no time",
    );
    check(
        &["pprof", "/nowhere/1.sock", "cpu", "-o", &file],
        4,
        "/nowhere/1.sock",
    );
    check(
        &["flamegraph", &socket, "nope", "-o", &file],
        1,
        "Unknown profile",
    );
}

#[test]
fn a_terminal_is_not_sent_a_profile_that_took_long_to_make() {
    let mut victim = service();
    let socket = word(&victim.socket());
    let words = ["exec", &socket, "cpu", "300", "--format", "pprof"];
    let mut terminal = Terminal::start(CLI.as_ref(), &words, &[]);
    terminal.expect("no sight for a terminal: send it to a file with  > FILE.pb.gz");
    assert_eq!(terminal.wait().code(), Some(2));
    let words = ["flamegraph", &socket, "cpu", "300", "-o", "-"];
    let mut terminal = Terminal::start(CLI.as_ref(), &words, &[]);
    terminal.expect("no sight for a terminal");
    assert_eq!(terminal.wait().code(), Some(2));
}

/// The columns of a table: flat, cum and the function, of Go's or of ours.
fn figures(table: &str) -> Vec<(String, String, String)> {
    let from = table.find("cum%").expect("a heading");
    let rows = table[from..].lines().skip(1);
    let rows = rows.take_while(|line| !line.starts_with("...") && !line.starts_with('#'));
    let mut figures: Vec<_> = rows
        .map(|line| {
            let (numbers, name) = line.split_at(
                line.find(|c: char| !" .0123456789%".contains(c))
                    .expect("a name"),
            );
            let numbers: Vec<&str> = numbers.split_whitespace().collect();
            let name = name.trim_end_matches(" (inline)");
            (
                numbers[0].to_owned(),
                numbers[3].to_owned(),
                name.to_owned(),
            )
        })
        .collect();
    figures.sort();
    figures
}

#[test]
fn a_profile_is_fetched_kept_and_shown_by_go_and_by_us_alike() {
    let mut victim = service();
    victim.tell("sleepers 5");
    let scratch = Scratch::new();
    let file = word(&scratch.join("threads.pb.gz"));
    let socket = word(&victim.socket());
    let words = ["pprof", &socket, "goroutine", "-o", &file];
    // Where nobody types, Go's prompt would end at once: its table is shown.
    let outcome = cli(words).env("HOME", scratch.path()).run("");
    ends_with(0, &outcome);
    assert!(
        outcome.text().contains("Showing nodes accounting for"),
        "{}",
        outcome.text()
    );
    assert!(
        outcome.stderr.contains("threads.pb.gz: "),
        "{}",
        outcome.stderr
    );
    let raw = cli(words.iter().chain(&["--", "-raw"]))
        .env("HOME", scratch.path())
        .run("");
    assert!(raw.text().contains("goroutine/count"), "{}", raw.text());

    let go = Peer::new([
        "go",
        "tool",
        "pprof",
        "-top",
        "-nodecount=10000",
        "-nodefraction=0",
    ]);
    let go = go.arg(&file).env("HOME", scratch.path()).run("");
    let ours = cli(["view", &file, "--names", "full", "--rows", "all"]).run("");
    ends_with(0, &ours);
    let (go, ours) = (figures(go.text()), figures(ours.text()));
    assert!(go.len() > 10, "{go:?}");
    assert_eq!(ours, go);
}

#[test]
fn without_go_the_own_table_is_shown() {
    let mut victim = service();
    let scratch = Scratch::new();
    let file = word(&scratch.join("p.pb.gz"));
    let words = [
        "pprof",
        &word(&victim.socket()),
        "goroutine",
        "-o",
        &file,
        "--",
        "-top",
    ];
    let outcome = cli(words).env("PATH", scratch.path()).run("");
    ends_with(0, &outcome);
    let about = "neither go tool pprof nor pprof is installed; what stands behind -- is for these";
    assert!(outcome.stderr.contains(about), "{}", outcome.stderr);
    assert!(
        outcome.text().starts_with("# goroutine in count of "),
        "{}",
        outcome.text()
    );
    assert!(
        outcome.text().contains("  victim::main\n"),
        "{}",
        outcome.text()
    );
    // A tool that fails is a failure of ours.
    fs::write(scratch.join("pprof"), "#!/bin/sh\necho \"$@\"; exit 3\n").expect("a file");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(scratch.join("pprof"), open).expect("our own file");
    let outcome = cli(words).env("PATH", scratch.path()).run("");
    ends_with(1, &outcome);
    assert_eq!(outcome.text(), format!("-top {file}\n"));
}

#[test]
fn a_flame_graph_is_drawn_of_a_running_process() {
    let mut victim = service();
    let scratch = Scratch::new();
    let file = scratch.join("f.svg");
    let socket = word(&victim.socket());
    let outcome = cli(["flamegraph", &socket, "goroutine", "-o", &word(&file)]).run("");
    ends_with(0, &outcome);
    let picture = fs::read_to_string(file).expect("a picture");
    let title = format!("goroutine of victim[{}]", victim.pid());
    assert!(
        picture.contains(&title) && picture.contains("victim::main"),
        "{picture}"
    );
}

#[test]
fn a_file_gets_a_name_of_our_own_where_none_is_given() {
    let mut victim = setup().install_with("name=../evil");
    let scratch = Scratch::new();
    let script = "cd \"$1\"; shift; exec \"$0\" \"$@\"";
    let shell = Peer::new(["bash", "-c", script, CLI]).arg(scratch.path());
    let outcome = shell
        .args(["pprof", &word(&victim.socket()), "goroutine", "--", "-top"])
        .env("HOME", scratch.path())
        .run("");
    ends_with(0, &outcome);
    let names: Vec<String> = fs::read_dir(scratch.path())
        .expect("our directory")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("plain letters"))
        .filter(|name| name.ends_with(".pb.gz"))
        .collect();
    let begins = format!("evil-{}-goroutine-2", victim.pid());
    assert!(
        names.len() == 1 && names[0].starts_with(&begins),
        "{names:?}"
    );
}
