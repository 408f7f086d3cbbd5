//! `manhole-cli` against consoles that lie: what they send reaches no terminal as it is, takes no
//! more memory than it may, and ends in an exit code.

use crate::cli::{CLI, cli, ends_with, word};
use manhole_tests::{
    peers::{Outcome, Peer},
    pty::Terminal,
    scratch::Scratch,
};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    thread,
};

/// Colours, a title, a bell, a carriage return, C1, a bidirectional override.
const EVIL: &str = "a\x1b[31mred\x1b]0;title\x07 \rover \u{9b}2J \u{202e}evil";
/// Memory the client may map, in KiB. What it needs at rest is a fifth of that.
const MEMORY: u32 = 400_000;

/// A console of the test's own: it has our uid and pid, and answers what it likes.
struct Liar {
    scratch: Scratch,
    socket: PathBuf,
}

impl Liar {
    /// Starts one that is called `name`. `answer` gets the id and the words of each command but
    /// `version`, and writes whatever it wants.
    fn start(name: &'static str, answer: fn(&mut UnixStream, u64, &str)) -> Self {
        let scratch = Scratch::new();
        let socket = scratch.join("liar.sock");
        let listener = UnixListener::bind(&socket).expect("a socket in our directory");
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || converse(stream, name, answer));
            }
        });
        Self { scratch, socket }
    }

    fn target(&self) -> String {
        word(&self.socket)
    }

    /// Runs the client on it with little memory, in a directory of its own.
    #[track_caller]
    fn meet(&self, words: &[&str]) -> Outcome {
        let script = format!("ulimit -v {MEMORY}; cd \"$1\"; shift; exec \"$0\" \"$@\"");
        let work = self.scratch.join("work");
        fs::create_dir_all(&work).expect("a directory in ours");
        Peer::new(["bash", "-c", &script, CLI])
            .arg(work)
            .args(words)
            .run("")
    }
}

fn converse(mut stream: UnixStream, name: &str, answer: fn(&mut UnixStream, u64, &str)) {
    let lines = BufReader::new(stream.try_clone().expect("a descriptor")).lines();
    for line in lines.map_while(Result::ok) {
        let request: Value = serde_json::from_str(&line).unwrap_or_default();
        let (Some(id), Some(words)) = (request["id"].as_u64(), request["command"].as_array())
        else {
            continue;
        };
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        match words.as_slice() {
            ["version", ..] => send(&mut stream, id, &version(name)),
            words => answer(&mut stream, id, &words.join(" ")),
        }
    }
}

fn version(name: &str) -> String {
    let pid = std::process::id();
    json!({"process": {"name": name, "pid": pid, "host": EVIL},
           "data": {"version": EVIL, "level": "control"}})
    .to_string()
}

/// A whole answer; whoever does not listen any more misses nothing.
fn send(stream: &mut UnixStream, id: u64, text: &str) {
    let count = text.len();
    let header = json!({"id": id, "data": count, "media": "text/plain"});
    let end = json!({"id": id, "end": {"status": "ok", "elapsed_ms": 1,
                     "verdict": {"severity": "bad", "text": EVIL}, "next": [EVIL, "ok\nnot ok"]}});
    let _ = stream.write_all(format!("{header}\n{text}{end}\n").as_bytes());
}

/// Requires that nothing that a terminal obeys is in `shown` but the colours that the client itself
/// uses.
#[track_caller]
fn harmless(shown: &str) {
    let ours = ["\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"];
    let mut rest = shown.replace("\r\n", "\n");
    // Its red is the same as the liar's: that one would be within the line.
    assert!(!rest.contains("a\x1b[31mred"), "{shown:?}");
    for colour in ours {
        rest = rest.replace(colour, "");
    }
    let bad =
        |c: &char| (c.is_control() && *c != '\n' && *c != '\t') || "\u{202e}\u{2066}".contains(*c);
    let found = rest.chars().find(bad);
    assert_eq!(found, None, "{shown:?}");
}

#[test]
fn escapes_in_answers_verdicts_and_hints_do_not_reach_a_terminal() {
    let liar = Liar::start(EVIL, |stream, id, words| match words {
        "fail" => {
            let end =
                json!({"id": id, "end": {"status": "error", "code": "internal", "message": EVIL}});
            let _ = writeln!(stream, "{end}");
        }
        _ => send(stream, id, &format!("{EVIL}\n{EVIL}")),
    });
    for command in ["look", "fail", "triage"] {
        let words = ["exec", &liar.target(), command];
        let mut terminal = Terminal::start(Path::new(CLI), &words, &[]);
        let code = terminal.wait().code();
        terminal.drain();
        let shown = String::from_utf8(terminal.raw()).expect("text");
        harmless(&shown);
        assert!(shown.contains("red"), "{shown:?}");
        assert_eq!(code, Some(i32::from(command == "fail")));
        // Complaints are for people wherever they go.
        harmless(&cli(words).run("").stderr);
    }
}

#[test]
fn what_is_no_answer_is_a_failure_that_is_told_once() {
    let lies: [fn(&mut UnixStream, u64, &str); 8] = [
        |stream, _, _| drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")),
        |stream, _, _| drop(stream.write_all(b"ERR busy \x1b[31m\n")),
        |stream, id, _| {
            // More bytes than announced.
            let _ = write!(
                stream,
                "{{\"id\":{id},\"data\":3,\"media\":\"text/plain\"}}\nabcdefghij\n"
            );
        },
        |stream, id, _| {
            // Fewer, and then the end.
            let _ = write!(
                stream,
                "{{\"id\":{id},\"data\":90,\"media\":\"text/plain\"}}\nabc"
            );
            let _ = stream.shutdown(std::net::Shutdown::Both);
        },
        |stream, id, _| {
            let _ = writeln!(
                stream,
                "{{\"id\":{id},\"data\":18446744073709551615,\"media\":\"x\"}}"
            );
        },
        |stream, id, _| drop(writeln!(stream, "{{\"id\":{id},\"data\":-1,\"media\":[]}}")),
        |stream, id, _| drop(writeln!(stream, "{{\"id\":{id},\"end\":\"\"}}")),
        |stream, _, _| drop(stream.shutdown(std::net::Shutdown::Both)),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let liar = Liar::start("liar", lie);
        let outcome = liar.meet(&["exec", &liar.target(), "look"]);
        assert_eq!(outcome.code(), Some(1), "lie {number}: {outcome:?}");
        assert!(
            outcome.stderr.starts_with("manhole-cli: "),
            "lie {number}: {outcome:?}"
        );
        harmless(&outcome.stderr);
    }
}

#[test]
fn endless_lines_and_payloads_take_no_more_memory_than_they_may() {
    let lies: [fn(&mut UnixStream, u64, &str); 3] = [
        |stream, _, _| while stream.write_all(&[b'x'; 65536]).is_ok() {},
        |stream, _, _| {
            let _ = stream.write_all(b"{\"id\":1,\"data\":");
            while stream.write_all(&[b'1'; 65536]).is_ok() {}
        },
        |stream, _, _| {
            // Nested without an end.
            while stream.write_all(&[b'['; 65536]).is_ok() {}
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let liar = Liar::start("liar", lie);
        let outcome = liar.meet(&["exec", &liar.target(), "look"]);
        assert_eq!(outcome.code(), Some(1), "lie {number}: {}", outcome.stderr);
        harmless(&outcome.stderr);
    }
    // An answer of good pieces without an end is printed as it comes, until one has enough of it.
    let flood = Liar::start("liar", |stream, id, _| {
        let header = json!({"id": id, "data": 65536, "media": "text/plain"});
        let piece = [format!("{header}\n").into_bytes(), vec![b'x'; 65536]].concat();
        while stream.write_all(&piece).is_ok() {}
    });
    let target = flood.target();
    for words in [
        &["--timeout", "1s", "exec", &target, "look"][..],
        &[
            "--timeout",
            "1s",
            "--color",
            "always",
            "exec",
            &target,
            "look",
        ],
    ] {
        let script = format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\" > /dev/null");
        let outcome = Peer::new(["bash", "-c", &script, CLI]).args(words).run("");
        ends_with(5, &outcome);
    }
}

#[test]
fn one_that_never_answers_is_given_up() {
    let liar = Liar::start("liar", |_, _, _| {});
    ends_with(
        5,
        &liar.meet(&["--timeout", "300ms", "exec", &liar.target(), "look"]),
    );
    // It goes on talking, and does not heed the cancel.
    let chatty = Liar::start("liar", |stream, id, _| {
        let progress = json!({"id": id, "progress": {"done": 1e308, "total": -1.0, "unit": EVIL}});
        while writeln!(stream, "{progress}").is_ok() {}
    });
    ends_with(
        5,
        &chatty.meet(&["--timeout", "300ms", "exec", &chatty.target(), "look"]),
    );
}

/// A table whose commands have names that lead elsewhere.
fn tricky(stream: &mut UnixStream, id: u64, words: &str) {
    if words != "commands --json" {
        return send(stream, id, "content\n");
    }
    let names = [
        "../../up",
        "/tmp/absolute",
        "..",
        ".",
        "a/b",
        "x\x1b[31m",
        "nul\0",
        "",
        "README.txt",
        "manifest.json",
    ];
    let commands: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "level": "view", "allowed": true, "impact": "reads",
                           "usage": name, "about": EVIL, "cost": EVIL, "group": "question", "args": []}))
        .collect();
    send(
        stream,
        id,
        &json!({"data": {"commands": commands}}).to_string(),
    );
}

#[test]
fn names_do_not_lead_a_dump_out_of_its_directory() {
    for name in ["../../../escaped", "/tmp/escaped", "..", "x\x1b[31m/y", ""] {
        let liar = Liar::start(name, tricky);
        let outcome = liar.meet(&["dump", &liar.target()]);
        assert!(
            matches!(outcome.code(), Some(0 | 1)),
            "{name:?}: {outcome:?}"
        );
        harmless(&outcome.stderr);
        let mut seen = Vec::new();
        walk(liar.scratch.path(), &mut seen);
        let work = liar.scratch.join("work");
        for path in seen.iter().filter(|path| **path != liar.socket) {
            assert!(path.starts_with(&work), "{name:?}: {path:?} is outside");
            harmless(&path.to_string_lossy());
        }
        let tops: Vec<_> = fs::read_dir(&work).expect("ours").flatten().collect();
        assert_eq!(tops.len(), 1, "{name:?}: {tops:?} {outcome:?}");
        assert!(
            tops[0].path().join("README.txt").is_file(),
            "{name:?}: {tops:?}"
        );
        let plan = liar.meet(&["dump", &liar.target(), "--plan"]);
        harmless(plan.text());
    }
    assert!(!Path::new("/tmp/escaped").exists() && !Path::new("/tmp/absolute").exists());
}

fn walk(dir: &Path, seen: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("ours").flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, seen);
        } else {
            seen.push(path);
        }
    }
}

#[test]
fn the_prompt_and_its_completion_are_harmless_too() {
    let liar = Liar::start("liar", tricky);
    let state = Scratch::new();
    let env = [
        (
            "XDG_STATE_HOME",
            state.path().to_str().expect("a plain path"),
        ),
        ("NO_COLOR", "1"),
    ];
    let mut terminal = Terminal::start(Path::new(CLI), &["attach", &liar.target()], &env);
    terminal.expect("> ");
    terminal.type_keys("\t\t");
    terminal.type_keys("help\r");
    terminal.expect("content");
    terminal.expect("> ");
    let shown = String::from_utf8(terminal.raw()).expect("text");
    for sign in ["\x1b[31m", "\x1b]0;", "\x07 ", "\u{9b}", "\u{202e}"] {
        assert!(!shown.contains(sign), "{sign:?}: {shown:?}");
    }
}
