//! `manhole-cli list`, `path` and `clean`; and what needs no console: completions, the manual, demo.

use crate::{
    cli::{CLI, alone, cli, ends_with},
    setup,
};
use manhole_tests::{peers::Peer, text};
use std::path::Path;

/// The subcommands that are promised.
const SUBCOMMANDS: [&str; 9] = [
    "list",
    "attach",
    "exec",
    "dump",
    "demo",
    "path",
    "clean",
    "completions",
    "man",
];

#[test]
fn list_shows_every_console_and_where_it_is() {
    let mut victim = setup().install_with("name=cli-listed");
    let outcome = cli(["list"]).run("");
    ends_with(0, &outcome);
    let mut lines = outcome.text().lines();
    let head: Vec<&str> = lines.next().expect("a head").split_whitespace().collect();
    assert_eq!(
        head,
        ["PID", "NAME", "USER", "UP", "VERSION", "LEVEL", "WHERE"]
    );
    let pid = victim.pid().to_string();
    let row = lines.find(|line| line.split_whitespace().next() == Some(&pid));
    let row: Vec<&str> = row.expect("the victim's line").split_whitespace().collect();
    assert_eq!((row[1], row[4], row[5]), ("cli-listed", "1.2.3", "control"));
    let socket = victim.socket();
    assert_eq!(row.last().map(Path::new), Some(socket.as_path()));

    let outcome = cli(["list", "--json"]).run("");
    let list: serde_json::Value = serde_json::from_str(outcome.text()).expect("JSON");
    let consoles = list["consoles"].as_array().expect("a list");
    let ours = consoles
        .iter()
        .find(|one| one["pid"] == victim.pid())
        .expect("the victim");
    assert_eq!(ours["name"], "cli-listed");
    assert_eq!(
        (&ours["reachable"], &ours["state"]),
        (&true.into(), &"ok".into())
    );
}

#[test]
fn a_console_that_does_not_answer_is_listed_as_silent() {
    let victim = setup().install_with("name=cli-silent");
    victim.signal(nix::sys::signal::Signal::SIGSTOP);
    let outcome = cli(["list"]).run("");
    victim.signal(nix::sys::signal::Signal::SIGCONT);
    let pid = victim.pid().to_string();
    let mut lines = outcome.text().lines();
    let row = lines.find(|line| line.split_whitespace().next() == Some(&pid));
    let row = row.unwrap_or_else(|| panic!("{}", outcome.text()));
    assert!(
        row.contains("silent") && row.contains("no answer for"),
        "{row}"
    );
}

#[test]
fn path_is_what_nc_wants() {
    let mut victim = setup().install_with("name=cli-path");
    for target in [victim.pid().to_string(), "cli-path".to_owned()] {
        let outcome = cli(["path", &target]).run("");
        ends_with(0, &outcome);
        let path = outcome.text().strip_suffix('\n').expect("one line");
        let path = Path::new(path);
        assert_eq!(path, victim.socket());
        assert!(text::run(path, "version").starts_with("service"));
    }
    ends_with(4, &cli(["path", "cli-no-such-service"]).run(""));
}

#[test]
fn an_empty_list_says_where_it_looked() {
    let Some(outcome) = alone(r#""$cli" list; echo "code $?"; "$cli" list --json"#) else {
        return;
    };
    let text = outcome.text();
    assert!(text.starts_with("No consoles found. Looked at "), "{text}");
    for part in [
        "/run/manhole",
        "/tmp/manhole-*",
        "manhole::install()",
        "code 4",
        "\"consoles\":[]",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn clean_removes_what_the_dead_left_and_nothing_else() {
    let script = r#"
        start live /run/manhole; live=$pid
        start dead /run/manhole; kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.05; done
        echo "dead $pid live $live"
        touch /run/manhole/note; : > /run/manhole/999999.sock
        nc.openbsd -lkU /run/manhole/999998.sock & until [ -S /run/manhole/999998.sock ]; do sleep 0.05; done
        "$cli" list
        "$cli" clean --dry-run; ls /run/manhole | sed 's/^/still /'
        "$cli" clean; echo "code $?"
        "$cli" clean
        ls /run/manhole | sed 's/^/left /'
        "$cli" exec $live version >/dev/null; echo "live: $?"
    "#;
    let Some(outcome) = alone(script) else { return };
    let text = outcome.text();
    let line = text.lines().next().expect("the pids");
    let words: Vec<&str> = line.split(' ').collect();
    let (dead, live) = (words[1], words[3]);
    for part in [
        "1 of 1 reachable. 1 stale socket: manhole-cli clean".to_owned(),
        format!("would remove /run/manhole/{dead}.sock"),
        format!("still {dead}.sock"),
        format!("\nremoved /run/manhole/{dead}.sock\ncode 0\nNo stale sockets.\n"),
        format!("left {live}.sock"),
        "left note".to_owned(),
        "left 999999.sock".to_owned(), // a plain file is no socket
        "left 999998.sock".to_owned(), // no such process, and yet somebody listens
        "live: 0".to_owned(),
    ] {
        assert!(text.contains(&part), "{part}: {text}\n{}", outcome.stderr);
    }
    assert!(!text.contains(&format!("left {dead}.sock")), "{text}");
}

#[test]
fn completions_and_the_manual_know_every_subcommand() {
    for words in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["man"],
    ] {
        let outcome = cli(words).run("");
        ends_with(0, &outcome);
        for subcommand in SUBCOMMANDS {
            assert!(
                outcome.text().contains(subcommand),
                "{words:?}: {subcommand}"
            );
        }
    }
    let script = Peer::new([
        "bash",
        "-c",
        "eval \"$(\"$0\" completions bash)\" && complete -p manhole-cli",
        CLI,
    ]);
    ends_with(0, &script.run(""));
    ends_with(2, &cli(["completions", "cmd"]).run(""));
    let help = cli(["--help"]).run("");
    for subcommand in SUBCOMMANDS {
        assert!(
            help.text().contains(subcommand),
            "{subcommand}: {}",
            help.text()
        );
    }
}

#[test]
fn the_demo_is_a_tour_of_six_steps_with_real_figures() {
    let outcome = Peer::new(["sh", "-c", "exec \"$0\" demo < /dev/null", CLI]).run("");
    ends_with(0, &outcome);
    let text = outcome.text();
    let mut rest = text;
    for (step, (command, shown)) in [
        ("triage", "threads"),
        ("stacks", "demo::"),
        ("threads", "cpu %"),
        ("heap leaks", "src/demo/cache.rs:"),
        ("gc run", "says it freed"),
        ("vars set pricing.batch 64", "32 -> 64"),
    ]
    .into_iter()
    .enumerate()
    {
        let title = format!("\n{}. ", step + 1);
        let at = rest
            .find(&title)
            .unwrap_or_else(|| panic!("{title:?}: {text}"));
        rest = &rest[at + title.len()..];
        let end = rest.find("\n\n").unwrap_or(rest.len());
        let (question, answer) = rest[..end]
            .split_once('\n')
            .expect("a question and its answer");
        assert!(
            question.contains("$ ") && question.contains(command),
            "{question}"
        );
        assert!(answer.contains(shown), "{command}: {answer}");
        assert!(
            answer.chars().any(|c| c.is_ascii_digit()),
            "{command}: {answer}"
        );
        assert!(!answer.contains("ERR "), "{command}: {answer}");
    }
    assert!(!text.contains('\x1b'), "no terminal, no colours");
}
