//! Profiles of running processes with `manhole-cli`: fetched, kept, drawn, and read by Go's own tool.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service, setup,
};
use manhole_tests::{peers::Peer, pty::Terminal, scratch::Scratch, victim::Victim, wait};
use std::fs;

/// A service with a thread that does nothing but compute.
#[track_caller]
fn busy() -> Victim {
    let mut victim = service();
    victim.tell("spin");
    victim
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

#[test]
fn a_profile_goes_into_a_pipe_as_it_is_and_opens_anywhere() {
    let mut victim = busy();
    let scratch = Scratch::new();
    let outcome = cli([
        "exec",
        &word(&victim.socket()),
        "cpu",
        "1",
        "--format",
        "pprof",
    ])
    .run("");
    ends_with(0, &outcome);
    let file = scratch.join("cpu.pb.gz");
    fs::write(&file, &outcome.stdout).expect("a file in our directory");
    drop(victim);
    let go = |words: &[&str]| {
        let go = Peer::new(["go", "tool", "pprof"]).args(words).arg(&file);
        let outcome = go.env("HOME", scratch.path()).run("");
        ends_with(0, &outcome);
        outcome.text().to_owned()
    };
    let top = go(&["-top"]);
    assert!(
        top.contains("Type: cpu\n") && top.contains("victim::crowd::spin"),
        "{top}"
    );
    let raw = go(&["-raw"]);
    assert!(raw.contains("samples/count cpu/nanoseconds"), "{raw}");
    let samples = go(&["-top", "-sample_index=samples"]);
    assert!(samples.contains("Type: samples\n"), "{samples}");
    let change = go(&["-top", "-diff_base", &word(&file)]);
    assert!(
        change.contains("Showing nodes accounting for 0, 0% of "),
        "{change}"
    );
    let ours = cli(["view", &word(&file)]).run("");
    ends_with(0, &ours);
    let text = ours.text();
    assert!(text.starts_with("# cpu in nanoseconds of "), "{text}");
    assert!(
        text.contains("0 dropped, ") && text.contains("   victim::crowd::spin\n"),
        "{text}"
    );
    let samples = cli(["view", &word(&file), "--sample", "samples"]).run("");
    assert!(
        samples.text().starts_with("# samples in count of "),
        "{}",
        samples.text()
    );
    let change = cli(["view", &word(&file), "--diff", &word(&file)]).run("");
    assert!(
        change.text().contains("# shares are of the base: "),
        "{}",
        change.text()
    );
}

#[test]
fn a_person_sees_how_far_it_is_and_then_go_s_prompt() {
    let mut victim = busy();
    let scratch = Scratch::new();
    let (socket, file) = (word(&victim.socket()), word(&scratch.join("cpu.pb.gz")));
    let words = ["pprof", &socket, "cpu", "2", "-o", &file];
    let home = word(scratch.path());
    let mut terminal = Terminal::start(CLI.as_ref(), &words, &[("HOME", &home)]);
    terminal.expect(" of 2 s  (Ctrl-C cancels)");
    terminal.expect("cpu.pb.gz: ");
    terminal.expect("(pprof) ");
    terminal.enter("top");
    terminal.expect("victim::crowd::spin");
    terminal.enter("quit");
    assert!(terminal.wait().success());
    let mut terminal = Terminal::start(CLI.as_ref(), &["exec", &socket, "cpu", "2"], &[]);
    terminal.expect(" of 2 s  (Ctrl-C cancels)");
    terminal.expect("BY FUNCTION");
    terminal.expect("victim::crowd::spin");
    assert!(terminal.wait().success());
}

#[test]
fn cancelling_leaves_no_file_and_frees_the_sampler() {
    let mut victim = busy();
    let scratch = Scratch::new();
    let file = scratch.join("cpu.pb.gz");
    let socket = word(&victim.socket());
    for kind in ["cpu", "goroutine"] {
        let words = ["pprof", &socket, kind, "300", "-o", &word(&file)];
        let mut terminal = Terminal::start(CLI.as_ref(), &words, &[]);
        terminal.expect(" of 300 s  (Ctrl-C cancels)");
        terminal.type_keys("\x03");
        terminal.expect("cancelled");
        assert_eq!(terminal.wait().code(), Some(5));
    }
    assert!(
        fs::read_dir(scratch.path())
            .expect("our directory")
            .next()
            .is_none()
    );
    let audit = || cli(["exec", &socket, "audit"]).run("").text().to_owned();
    wait::until_true("both are cancelled", || {
        audit().matches("cancelled").count() >= 2
    });
}

#[test]
fn a_table_has_names_from_the_disk_and_raw_is_the_console_s_own() {
    let mut victim = busy();
    let socket = word(&victim.socket());
    for words in [
        &["cpu", "1"][..],
        &["wall", "1"],
        &["wall", "1", "--format=tree"],
    ] {
        for raw in [&[][..], &["--raw"]] {
            let outcome = cli(raw.iter().chain(&["exec", &socket]).chain(words)).run("");
            ends_with(0, &outcome);
            let text = outcome.text();
            let first = format!("# {} victim[{}] ", words[0], victim.pid());
            assert!(text.starts_with(&first), "{text}");
            assert!(text.contains("victim::crowd::spin"), "{text}");
            // The console reads no lines that would take it too long.
            let lines = text.contains("tests/bin/victim/crowd.rs:");
            assert!(lines || !raw.is_empty(), "{text}");
        }
    }
}

#[test]
fn a_flame_graph_of_the_processor_is_what_is_drawn_unless_told_otherwise() {
    let mut victim = busy();
    let outcome = cli(["flamegraph", &word(&victim.socket()), "1", "-o", "-"]).run("");
    ends_with(0, &outcome);
    let picture = outcome.text();
    assert!(
        picture.starts_with("<?xml") && picture.contains("cpu in nanoseconds"),
        "{picture}"
    );
    assert!(picture.contains("victim::crowd::spin ("), "{picture}");
}
