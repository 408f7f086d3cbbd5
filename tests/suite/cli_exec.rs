//! `manhole-cli exec`, and a target and a command without it; a service's own binary as its client.

use crate::{
    cli::{alone, cli, ends_with, exec, word},
    service, setup,
};
use manhole_tests::{peers::Peer, scratch::Scratch, victim::Victim};
use std::fs;

/// A service with a name that no other test uses.
fn named(name: &str) -> Victim {
    let mut victim = setup().install_with(&format!("name={name}"));
    victim.tell("register good");
    victim.tell("register evil");
    victim.tell("variables good");
    victim
}

#[test]
fn a_target_is_a_path_a_pid_or_a_name() {
    let mut victim = named("cli-targets");
    let targets = [
        word(&victim.socket()),
        victim.pid().to_string(),
        "cli-targets".to_owned(),
    ];
    for target in &targets {
        let outcome = exec([target.as_str(), "app", "echo", "two  words"]);
        ends_with(0, &outcome);
        assert_eq!(
            (outcome.text(), outcome.stderr.as_str()),
            ("two  words\n", "")
        );
        let outcome = cli([target.as_str(), "vars", "get", "shop.region"]).run("");
        ends_with(0, &outcome);
        assert_eq!(outcome.text(), "eu-west\n");
    }
}

#[test]
fn every_exit_code_by_a_real_case() {
    let mut victim = named("cli-codes");
    let mut viewed = setup().install_with("max_level=view");
    let (socket, viewed) = (word(&victim.socket()), word(&viewed.socket()));
    let check = |code: i32, words: &[&str], about: &str| {
        let outcome = cli(words).run("");
        ends_with(code, &outcome);
        assert!(
            outcome.stderr.contains(about),
            "{words:?}: {}",
            outcome.stderr
        );
    };
    check(0, &["exec", &socket, "version"], "");
    check(1, &["exec", &socket, "evil", "fail"], "a file is missing");
    check(1, &["exec", &socket, "evil", "panic"], "ERR panic");
    check(1, &["exec", &socket, "nope"], "ERR unknown nope");
    check(2, &["exec", &socket, "vars", "get"], "NAME is missing");
    check(2, &["exec", &socket, "vars 'x"], "never closed");
    check(2, &["exec", &socket], "COMMAND");
    check(2, &["exec", &socket, ";"], "there is no command");
    check(2, &["--nope"], "--nope");
    check(
        3,
        &["exec", &viewed, "gc", "run"],
        "\"gc run\" needs level control, you have view",
    );
    check(
        4,
        &["exec", "cli-no-such-service", "version"],
        "no console named",
    );
    check(
        4,
        &["exec", "/nowhere/1.sock", "version"],
        "/nowhere/1.sock",
    );
    check(4, &["exec", "999999999", "version"], "there is no process");
    check(
        5,
        &["--timeout", "300ms", "exec", &socket, "app", "slow", "300s"],
        "gave up after",
    );
}

#[test]
fn a_denial_says_who_may_and_what_is_possible() {
    let mut victim = setup().install_with("max_level=view");
    let outcome = exec([&word(&victim.socket()), "env"]);
    ends_with(3, &outcome);
    let about = format!("refused by victim[{}]", victim.pid());
    for part in [
        about.as_str(),
        "you are",
        "allowed as view",
        "with view",
        "triage",
    ] {
        assert!(outcome.stderr.contains(part), "{part}: {}", outcome.stderr);
    }
}

#[test]
fn several_commands_are_run_in_order_and_headed() {
    let mut victim = service();
    let socket = word(&victim.socket());
    let expected = "== app echo a\na\n== app echo b\nb\n";
    for words in [
        &["app echo a; app echo b"][..],
        &["app", "echo", "a", ";", "app", "echo", "b"],
    ] {
        let outcome = exec([socket.as_str()].iter().chain(words));
        ends_with(0, &outcome);
        assert_eq!(outcome.text(), expected);
    }
    // The first failure decides, the rest runs all the same.
    let outcome = exec([&socket, "vars get; nope; app echo on"]);
    ends_with(2, &outcome);
    assert!(outcome.text().ends_with("== app echo on\non\n"));
    // A ; in quotes is a word's.
    assert_eq!(exec([&socket, "app echo 'a;b'"]).text(), "a;b\n");
    assert_eq!(exec([&socket, "app", "echo", "a;b"]).text(), "a;b\n");
}

#[test]
fn a_script_comes_from_a_file_or_standard_input() {
    let mut victim = service();
    let socket = word(&victim.socket());
    let scratch = Scratch::new();
    let file = scratch.join("script");
    let script = "# what it is for\napp echo a\n\napp echo b; app echo c\n";
    fs::write(&file, script).expect("room");
    let expected = "== app echo a\na\n== app echo b\nb\n== app echo c\nc\n";
    assert_eq!(exec([&socket, "-f", &word(&file)]).text(), expected);
    let outcome = cli(["exec", &socket, "-f", "-"]).run(script);
    assert_eq!(outcome.text(), expected);
    let outcome = cli(["exec", &socket, "-f", "-"]).run("app echo a\napp 'echo\n");
    ends_with(2, &outcome);
    assert!(outcome.stderr.contains("line 2"), "{}", outcome.stderr);
    assert_eq!(outcome.text(), "", "a script that is wrong is not begun");
    ends_with(2, &exec([&socket, "-f", "/nowhere/script"]));
}

#[test]
fn json_is_a_line_for_each_answer() {
    let mut victim = service();
    let words = [
        "--json",
        &word(&victim.socket()),
        "vars get shop.region; version",
    ];
    let outcome = exec(words);
    ends_with(0, &outcome);
    let lines: Vec<serde_json::Value> = outcome
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["data"]["value"], "eu-west");
    assert_eq!(lines[1]["data"]["pid"], victim.pid());
}

#[test]
fn a_pattern_means_every_console_it_fits() {
    let _first = named("cli-glob-1");
    let _second = named("cli-glob-2");
    let outcome = exec(["cli-glob-*", "app", "echo", "here"]);
    ends_with(0, &outcome);
    let heads = outcome
        .text()
        .lines()
        .filter(|line| line.starts_with("=== cli-glob-"));
    assert_eq!(heads.count(), 2, "{}", outcome.text());
    assert_eq!(outcome.text().matches("\nhere\n").count(), 2);
    let outcome = exec(["--json", "cli-glob-*", "version"]);
    assert_eq!(outcome.text().lines().count(), 2, "{}", outcome.text());
    ends_with(1, &exec(["cli-glob-*", "nope"]));
    ends_with(4, &exec(["cli-none-*", "version"]));
    ends_with(0, &exec(["--allow-none", "cli-none-*", "version"]));
}

#[test]
fn all_means_every_console_there_is() {
    let script = r#"
        "$cli" exec all version; echo "none: $?"
        "$cli" exec --allow-none all version; echo "allowed: $?"
        start one /run/a; start two /run/b
        "$cli" exec all version; echo "both: $?"
        "$cli" exec twins version; echo "no twins: $?"
        start two /run/c
        "$cli" exec two version; echo "ambiguous: $?"
    "#;
    let Some(outcome) = alone(script) else { return };
    let text = outcome.text();
    for part in [
        "none: 4",
        "allowed: 0",
        "=== one[",
        "=== two[",
        "both: 0",
        "no twins: 4",
        "ambiguous: 4",
    ] {
        assert!(text.contains(part), "{part}: {text}\n{}", outcome.stderr);
    }
    assert!(
        !text.contains("=== victim["),
        "names are the consoles' own: {text}"
    );
}

#[test]
fn binary_and_large_answers_arrive_whole() {
    let mut victim = service();
    let outcome = exec([&word(&victim.socket()), "app", "big", "8MiB"]);
    ends_with(0, &outcome);
    let lines = outcome.text().lines();
    assert_eq!(lines.count(), (8 << 20) / 64);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_trouble() {
    let mut victim = service();
    let script = r#""$0" exec "$1" app stream 64MiB | head -n 2; echo "${PIPESTATUS[0]}""#;
    let outcome = Peer::new(["bash", "-c", script, crate::cli::CLI])
        .arg(victim.socket())
        .run("");
    assert_eq!(outcome.text().lines().count(), 3, "{}", outcome.text());
    assert!(outcome.text().ends_with("\n0\n"), "{}", outcome.text());
    assert_eq!(outcome.stderr, "");
}

#[test]
fn a_services_own_binary_is_its_client() {
    let mut victim = named("cli-own");
    let (socket, pid) = (word(&victim.socket()), victim.pid().to_string());
    let own = |words: &[&str]| {
        let program = env!("CARGO_BIN_EXE_victim");
        Peer::new([program, "manhole"]).args(words).run("")
    };
    for target in [socket.as_str(), pid.as_str(), "cli-own"] {
        let outcome = own(&[target, "app", "echo", "hello"]);
        ends_with(0, &outcome);
        assert_eq!(outcome.text(), "hello\n");
    }
    ends_with(1, &own(&[&socket, "nope"]));
    ends_with(2, &own(&[&socket, "vars", "get"]));
    ends_with(4, &own(&["cli-no-such-service", "version"]));
    let outcome = own(&[]);
    ends_with(2, &outcome);
    assert!(
        outcome.stderr.contains("manhole TARGET COMMAND"),
        "{}",
        outcome.stderr
    );
    let listed = own(&["list"]);
    assert!(listed.text().contains("cli-own"), "{}", listed.text());
}
