//! Profiles with `manhole-cli`: saved ones, and those that are fetched.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service,
};
use manhole_tests::{pty::Terminal, scratch::Scratch};
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

    let piped = cli(["view", "-"]).run(STACKS);
    assert_eq!(piped.text(), top);
    let damaged = cli(["view", "-"]).run("x");
    assert!(
        damaged.stderr.contains("the input is no profile"),
        "{}",
        damaged.stderr
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
