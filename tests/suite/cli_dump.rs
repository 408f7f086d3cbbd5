//! `manhole-cli dump`: everything at once, for somebody who reads it elsewhere.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service, setup,
};
use manhole_tests::{peers::Peer, scratch::Scratch, text};
use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn mode(path: &Path) -> u32 {
    let meta = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    meta.permissions().mode() & 0o777
}

fn manifest(dir: &Path) -> Value {
    let text = fs::read_to_string(dir.join("manifest.json")).expect("a manifest");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_dump_is_a_private_directory_with_a_readme_and_a_manifest() {
    let mut victim = service();
    let scratch = Scratch::new();
    let dir = scratch.join("dump");
    let outcome = cli(["dump", &word(&victim.socket()), "-o", &word(&dir)]).run("");
    ends_with(0, &outcome);
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(manifest(&dir)["complete"], true);
    let readme = fs::read_to_string(dir.join("README.txt")).expect("a README");
    assert!(
        readme.starts_with(&format!("victim 1.2.3 [{}] on ", victim.pid())),
        "{readme}"
    );
    assert!(readme.contains("# triage victim["), "{readme}");
    for entry in fs::read_dir(&dir).expect("the dump").flatten() {
        let name = entry.file_name();
        assert_eq!(mode(&entry.path()), 0o600, "{name:?}");
        let bytes = fs::read(entry.path()).expect("our own file");
        assert!(!bytes.is_empty(), "{name:?}");
        assert!(
            !String::from_utf8_lossy(&bytes).contains("hush"),
            "{name:?} holds a secret"
        );
        if entry.path().extension().is_some_and(|kind| kind == "json") {
            let json: Result<Value, _> = serde_json::from_slice(&bytes);
            assert!(json.is_ok(), "{name:?}");
        }
    }
    for file in [
        "triage.txt",
        "stacks.txt",
        "stacks.json",
        "threads.json",
        "memory.txt",
        "vars.json",
        "env.txt",
        "version.txt",
    ] {
        assert!(
            readme.contains(file) && dir.join(file).exists(),
            "{file}: {readme}"
        );
    }
    for kind in ["cpu", "wall", "goroutine"] {
        let file = dir.join(format!("{kind}.pb.gz"));
        let shown = cli(["view", &word(&file)]).run("");
        ends_with(0, &shown);
        assert!(
            shown.text().starts_with(&format!("# {kind} in ")),
            "{}",
            shown.text()
        );
        assert!(readme.contains(&format!("{kind}.pb.gz")), "{readme}");
    }
    assert!(
        readme.contains("\nmanhole-cli view FILE.pb.gz shows"),
        "{readme}"
    );
    // The place is taken now, and nothing is written over.
    let again = cli(["dump", &word(&victim.socket()), "-o", &word(&dir)]).run("");
    ends_with(2, &again);
    assert!(
        again.stderr.contains("is there already"),
        "{}",
        again.stderr
    );
}

/// Threads are asked once for both files, and each has its place in the manifest.
#[test]
fn stacks_are_in_a_dump_for_people_and_for_programs() {
    let mut victim = service();
    let socket = victim.socket();
    let asked = || {
        let audit = text::run(&socket, "audit");
        audit.lines().filter(|line| line.contains("stacks")).count()
    };
    let scratch = Scratch::new();
    let dir = scratch.join("dump");
    let outcome = cli(["dump", &word(&socket), "-o", &word(&dir)]).run("");
    ends_with(0, &outcome);
    assert_eq!(asked(), 1, "{}", text::run(&socket, "audit"));
    let read = |name: &str| fs::read_to_string(dir.join(name)).expect(name);
    assert!(read("stacks.txt").starts_with("# stacks victim["));
    let json: Value = serde_json::from_str(&read("stacks.json")).expect("JSON");
    assert!(json["data"]["threads"].is_array(), "{json}");
    let listed = manifest(&dir)["files"].clone();
    let files: Vec<&Value> = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter(|record| {
            record["file"]
                .as_str()
                .is_some_and(|file| file.starts_with("stacks."))
        })
        .collect();
    assert_eq!(files.len(), 2, "{listed}");
    let plan = cli(["dump", &word(&socket), "--plan"]).run("");
    assert!(plan.text().contains("stacks.txt"), "{}", plan.text());
}

#[test]
fn a_dump_on_standard_output_is_an_archive_that_tar_reads() {
    let mut victim = service();
    let script = r#"set -o pipefail; "$0" dump "$1" -o - | tar tzf -"#;
    let outcome = Peer::new(["bash", "-c", script, CLI])
        .arg(victim.socket())
        .run("");
    ends_with(0, &outcome);
    let names: Vec<&str> = outcome.text().lines().collect();
    let top = format!("manhole-victim-{}-", victim.pid());
    assert!(names.iter().all(|name| name.starts_with(&top)), "{names:?}");
    let first = names
        .iter()
        .find(|name| !name.ends_with('/'))
        .expect("a file");
    assert!(first.ends_with("/README.txt"), "{names:?}");
    assert!(
        names.iter().any(|name| name.ends_with("/manifest.json")),
        "{names:?}"
    );
}

#[test]
fn a_plan_only_says_what_would_be_collected() {
    let mut victim = service();
    let acts = victim.tell("acts");
    let scratch = Scratch::new();
    let dir = scratch.join("dump");
    let outcome = cli(["dump", &word(&victim.socket()), "--plan", "-o", &word(&dir)]).run("");
    ends_with(0, &outcome);
    let text = outcome.text();
    for part in ["# dump of victim[", "threads.txt", "memory.json", "reads"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for changing in ["gc run", "vars set", "app act", "vars watch"] {
        let row = |line: &str| !line.starts_with('#') && line.contains(changing);
        assert!(
            !text.lines().any(row),
            "{changing} is no part of a dump: {text}"
        );
    }
    assert!(!dir.exists(), "a plan writes nothing");
    assert_eq!(victim.tell("acts"), acts);
}

#[test]
fn what_is_missing_is_said_and_is_exit_code_1() {
    let mut victim = setup().install_with("max_level=view");
    let scratch = Scratch::new();
    let dir = scratch.join("dump");
    let outcome = cli(["dump", &word(&victim.socket()), "-o", &word(&dir)]).run("");
    ends_with(1, &outcome);
    assert!(
        outcome.stderr.contains("# missing: env"),
        "{}",
        outcome.stderr
    );
    assert_eq!(manifest(&dir)["complete"], false);
    let readme = fs::read_to_string(dir.join("README.txt")).expect("a README");
    assert!(
        readme.contains("needs level inspect, you have view"),
        "{readme}"
    );
}

/// What is said of a dump that one more option keeps from being complete.
fn incomplete(option: &str, value: &str) -> String {
    let mut victim = service();
    let scratch = Scratch::new();
    let dir = scratch.join("dump");
    let socket = word(&victim.socket());
    let outcome = cli(["dump", &socket, "-o", &word(&dir), option, value]).run("");
    ends_with(1, &outcome);
    assert_eq!(manifest(&dir)["complete"], false);
    outcome.stderr
}

#[test]
fn a_dump_begins_nothing_after_its_budget() {
    let said = incomplete("--budget", "1ms");
    assert!(said.contains("not begun: --budget"), "{said}");
}

#[test]
fn a_dump_keeps_to_its_size() {
    let said = incomplete("--max-size", "2KiB");
    assert!(said.contains("--max-size"), "{said}");
}

#[test]
fn a_dump_goes_on_without_what_hangs() {
    let mut victim = service();
    victim.tell("variables evil");
    let scratch = Scratch::new();
    let dir = scratch.join("dump");
    let outcome = cli(["dump", &word(&victim.socket()), "-o", &word(&dir)]).run("");
    ends_with(0, &outcome);
    let vars = fs::read_to_string(dir.join("vars.txt")).expect("the variables");
    assert!(vars.contains("<busy"), "{vars}");
    assert!(!vars.contains('\x1b'), "{vars}");
}
