//! The prompt of `manhole-cli`, on a terminal, key by key.

use crate::{
    cli::{CLI, cli, ends_with, word},
    service, setup,
};
use manhole_tests::{
    pty::{self, Terminal},
    scratch::Scratch,
    victim::Victim,
    wait,
};
use nix::sys::signal::Signal;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

/// What Ctrl-C, Ctrl-D, TAB and the arrow up send.
const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const UP: &str = "\x1b[A";

/// A prompt that is attached to a victim, and where it keeps its state.
struct Attached {
    terminal: Terminal,
    prompt: String,
}

impl Attached {
    /// Attaches without colours, and waits for the prompt.
    #[track_caller]
    fn to(victim: &mut Victim, state: &Path) -> Self {
        Self::with(victim, state, &[("NO_COLOR", "1")])
    }

    /// The same with `env` instead.
    #[track_caller]
    fn with(victim: &mut Victim, state: &Path, env: &[(&str, &str)]) -> Self {
        let state = state.to_str().expect("a plain path");
        let env = [env, &[("XDG_STATE_HOME", state)]].concat();
        let terminal = Terminal::start(Path::new(CLI), &["attach", &word(&victim.socket())], &env);
        let prompt = format!("victim[{}]> ", victim.pid());
        let mut attached = Self { terminal, prompt };
        attached.ready();
        attached
    }

    /// Waits for the prompt and returns what came before it.
    #[track_caller]
    fn ready(&mut self) -> String {
        self.terminal.expect(&self.prompt)
    }

    /// Enters a line, and waits until `shown` is on the screen, which the line itself is not, and for
    /// the next prompt.
    #[track_caller]
    fn run(&mut self, line: &str, shown: &str) {
        assert!(!line.contains(shown), "the echo of {line:?} would do");
        self.terminal.enter(line);
        self.terminal.expect(shown);
        self.ready();
    }

    /// Leaves, and requires that this is no failure.
    #[track_caller]
    fn leave(mut self) {
        self.terminal.type_keys(CTRL_D);
        assert_eq!(self.terminal.wait().code(), Some(0));
    }
}

#[test]
fn attaching_says_what_runs_here_and_what_one_may_do() {
    let mut victim = service();
    let state = Scratch::new();
    let attached = Attached::to(&mut victim, state.path());
    let shown = attached.terminal.plain();
    let lines: Vec<&str> = shown.lines().collect();
    let first = format!("victim 1.2.3 [{}] on ", victim.pid());
    assert!(lines[0].starts_with(&first), "{shown}");
    for part in [", up ", ", rss ", " threads"] {
        assert!(lines[0].contains(part), "{part}: {shown}");
    }
    assert!(lines[1].starts_with("level control (uid "), "{shown}");
    attached.leave();
}

#[test]
fn a_target_alone_attaches_too() {
    let mut victim = service();
    let state = Scratch::new();
    let env = [(
        "XDG_STATE_HOME",
        state.path().to_str().expect("a plain path"),
    )];
    let mut terminal = Terminal::start(Path::new(CLI), &[&word(&victim.socket())], &env);
    terminal.expect(&format!("victim[{}]> ", victim.pid()));
    terminal.enter("q");
    assert_eq!(terminal.wait().code(), Some(0), "q leaves as quit does");
}

#[test]
fn lines_are_run_and_errors_do_not_end_it() {
    let mut victim = service();
    let state = Scratch::new();
    let mut attached = Attached::to(&mut victim, state.path());
    attached.run("vars get shop.region", "eu-west");
    attached.run("nope", "ERR unknown nope: ");
    attached.run("vars 'x", "ERR usage");
    attached.run(
        "vars get shop.region; vars get shop.config",
        "== vars get shop.config",
    );
    attached.run("memory", "# next: ");
    attached.terminal.enter("");
    attached.ready();
    attached.leave();
}

#[test]
fn tab_completes_commands_options_and_the_names_of_variables() {
    let mut victim = service();
    let state = Scratch::new();
    let mut attached = Attached::to(&mut victim, state.path());
    // Not by the hint: Enter does not take that.
    attached.run("vers\t", "your level");
    attached.run("vars g\tshop.reg\t", "eu-west");
    attached.run("memory --d\t", "given back lazily");
    // Several fit: they are listed.
    attached.terminal.type_keys("vars get shop.\t\t");
    attached.terminal.expect("shop.in_flight");
    attached.terminal.expect("shop.status");
    attached.terminal.type_keys(CTRL_C);
    // A variable that was not there when the prompt was opened.
    victim.tell("variables evil");
    attached.terminal.type_keys("\r");
    wait::until_true("the new variable is completed", || {
        attached.terminal.type_keys("vars get evil.te\t\x15");
        attached.terminal.plain().contains("vars get evil.text")
    });
    attached.leave();
}

#[test]
fn hints_show_what_could_follow() {
    let mut victim = service();
    let state = Scratch::new();
    // They are dim; where there are no colours they would be mistaken for what was typed.
    let mut attached = Attached::with(&mut victim, state.path(), &[]);
    attached.terminal.type_keys("vars set");
    attached
        .terminal
        .expect("vars set NAME VALUE [for DURATION | forever]");
    attached.terminal.type_keys("\x15tri");
    attached.terminal.expect("triage");
    attached.run("", "ERR unknown tri: ");
    attached.leave();
}

#[test]
fn history_is_kept_across_sessions_for_nobody_else() {
    let mut victim = service();
    let state = Scratch::new();
    let mut first = Attached::to(&mut victim, state.path());
    first.run("vars get shop.region", "eu-west");
    first.run(" vars get shop.status", "\"500\"");
    first.leave();
    let history = state.join("manhole/history");
    let mode = |path: &Path| {
        fs::metadata(path)
            .expect("it is there")
            .permissions()
            .mode()
            & 0o777
    };
    assert_eq!(
        (mode(&state.join("manhole")), mode(&history)),
        (0o700, 0o600)
    );
    let kept = fs::read_to_string(&history).expect("text");
    assert!(kept.contains("vars get shop.region"), "{kept}");
    assert!(
        !kept.contains("shop.status"),
        "a space before a line keeps it out: {kept}"
    );
    let mut second = Attached::to(&mut victim, state.path());
    second.terminal.type_keys(UP);
    second.terminal.expect("vars get shop.region");
    second.run("", "eu-west");
    second.leave();
}

#[test]
fn ctrl_c_cancels_what_runs_and_nothing_else() {
    let mut victim = service();
    let state = Scratch::new();
    let mut attached = Attached::to(&mut victim, state.path());
    attached.terminal.enter("app slow 300s");
    attached.terminal.expect("(Ctrl-C cancels)");
    attached.terminal.type_keys(CTRL_C);
    attached.terminal.expect("# cancelled");
    attached.ready();
    wait::until_true("the application hears of it", || {
        victim.tell("cancelled") == "1"
    });
    attached.terminal.enter("vars watch 1s shop.*");
    attached.terminal.expect("shop.status");
    attached.terminal.type_keys(CTRL_C);
    attached.terminal.expect("# cancelled");
    attached.ready();
    // At the prompt it drops the line.
    attached.terminal.type_keys("app act");
    attached.terminal.type_keys(CTRL_C);
    attached.ready();
    attached.run("vars get shop.region", "eu-west");
    assert_eq!(victim.tell("acts"), "0");
    attached.leave();
}

#[test]
fn a_second_ctrl_c_leaves_a_process_that_does_not_answer() {
    let mut victim = service();
    let state = Scratch::new();
    let mut attached = Attached::to(&mut victim, state.path());
    attached.terminal.enter("app slow 300s");
    attached.terminal.expect("(Ctrl-C cancels)");
    victim.signal(Signal::SIGSTOP);
    // Signals that come at once may become one.
    let status = wait::until("it disconnects", || {
        attached.terminal.try_type_keys(CTRL_C);
        attached.terminal.ended()
    });
    victim.signal(Signal::SIGCONT);
    assert_eq!(status.code(), Some(5));
}

#[test]
fn the_end_of_the_process_is_told() {
    let mut victim = service();
    let state = Scratch::new();
    let mut attached = Attached::to(&mut victim, state.path());
    victim.kill();
    attached.terminal.enter("vars get shop.region");
    attached.terminal.expect(" has ended");
    assert_eq!(attached.terminal.wait().code(), Some(4));
}

#[test]
fn output_goes_to_a_new_private_file_or_to_a_command() {
    let mut victim = service();
    let scratch = Scratch::new();
    let mut attached = Attached::to(&mut victim, scratch.path());
    let file = scratch.join("out");
    let to_file = |file: &Path| format!("vars get shop.region > '{}'", file.display());
    attached.run(&to_file(&file), "# 8 B in ");
    // One that is there is replaced, not written into: who may read the old one does not get this.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("our own");
    attached.run(&to_file(&file), "# 8 B in ");
    let meta = fs::metadata(&file).expect("the file");
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(&file).expect("text"), "eu-west\n");

    let (link, other) = (scratch.join("link"), scratch.join("other"));
    fs::write(&other, "precious").expect("room");
    symlink(&other, &link).expect("a link");
    attached.run(&to_file(&link), "symbolic link");
    attached.run(&to_file(&scratch.join("no/where")), "failed to write");
    attached.run("vars >> x", "cannot be appended to");
    // A failed command leaves nothing behind.
    attached.run(
        &format!("nope > '{}'", scratch.join("none").display()),
        "ERR unknown",
    );
    assert_eq!(fs::read_to_string(&other).expect("text"), "precious");
    assert!(!scratch.join("none").exists());
    let names = fs::read_dir(scratch.path()).expect("ours").flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        ["link", "manhole", "other", "out"],
        "no temporary files"
    );

    attached.run("vars get shop.region | tr a-z A-Z", "EU-WEST");
    attached.run("app echo 'a | b > c'", "a | b > c\n");
    attached.leave();
}

#[test]
fn the_demo_on_a_terminal_runs_triage_and_stays_at_the_prompt() {
    let state = Scratch::new();
    let env = [
        (
            "XDG_STATE_HOME",
            state.path().to_str().expect("a plain path"),
        ),
        ("NO_COLOR", "1"),
    ];
    let mut terminal = Terminal::start(Path::new(CLI), &["demo"], &env);
    terminal.expect("manhole demo: ");
    terminal.expect("level control");
    terminal.expect("# triage checkout-demo[");
    terminal.expect("checkout-demo[");
    terminal.expect("]> ");
    terminal.enter("fault");
    terminal.expect("lock");
    terminal.expect("]> ");
    terminal.type_keys(CTRL_D);
    assert_eq!(terminal.wait().code(), Some(0));
}

#[test]
fn lines_from_a_pipe_are_run_without_a_prompt() {
    let mut victim = service();
    let attach = ["attach", &word(&victim.socket())];
    let outcome = cli(attach).run("vars get shop.region\nnope\nvars get shop.batch\nquit\nnope\n");
    ends_with(1, &outcome);
    assert_eq!(outcome.text(), "eu-west\n32\n");
    assert_eq!(
        outcome.stderr.matches("ERR unknown").count(),
        1,
        "{}",
        outcome.stderr
    );
}

/// What a command writes to a terminal, control sequences and all.
#[track_caller]
fn on_terminal(words: &[&str], env: &[(&str, &str)]) -> String {
    let mut terminal = Terminal::start(Path::new(CLI), words, env);
    assert_eq!(terminal.wait().code(), Some(0));
    terminal.drain();
    String::from_utf8_lossy(&terminal.raw()).into_owned()
}

#[test]
fn colours_are_for_terminals_without_no_color() {
    let mut victim = service();
    let socket = word(&victim.socket());
    let words = ["exec", &socket, "memory"];
    let shown = on_terminal(&words, &[]);
    assert!(shown.contains("\x1b[2m# memory victim["), "{shown:?}");
    assert!(shown.contains("# next: "), "{shown:?}");
    let shown = on_terminal(&words, &[("NO_COLOR", "1")]);
    assert!(
        shown.contains("# memory victim[") && !shown.contains('\x1b'),
        "{shown:?}"
    );
    let shown = on_terminal(&["--color", "never", "exec", &socket, "memory"], &[]);
    assert!(!shown.contains('\x1b'), "{shown:?}");
    let piped = cli(words).run("");
    assert!(!piped.text().contains('\x1b') && !piped.text().contains("# next: "));
    let piped = cli(["--color", "always"].iter().chain(&words)).run("");
    assert!(piped.text().contains("\x1b[2m"), "{}", piped.text());
}

#[test]
fn a_terminal_gets_rows_that_fit_and_a_pipe_gets_them_whole() {
    let mut victim = setup().env("LONG", "x".repeat(300)).install();
    let words = ["exec", &word(&victim.socket()), "env"];
    let shown = on_terminal(&words, &[("NO_COLOR", "1")]);
    let shown = pty::plain(&shown);
    let cells = shown.lines().filter(|line| !line.starts_with('#'));
    let widest = cells.map(|line| line.chars().count()).max();
    assert_eq!(widest, Some(100), "{shown}");
    assert!(shown.contains('…'), "{shown}");
    assert!(cli(words).run("").text().contains(&"x".repeat(300)));
}
