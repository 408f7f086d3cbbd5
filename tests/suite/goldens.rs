//! Transcripts of every command, kept in `tests/goldens`, as text and as JSON.
//!
//! Which commands there are is asked of the console itself, so a new one without a golden fails until
//! `MANHOLE_GOLDEN=renew cargo test --workspace` has written it. Figures are replaced by words. Where
//! an answer depends on the machine (its cgroups, limits, libc, load), only what does not is pinned:
//! see [`Pin`]. Sessions, errors and HTTP are in `golden_sessions`.

use crate::setup;
use manhole_tests::{conn::Conn, golden, normal, text, victim::Victim, wait};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// How much of an answer is the same on every machine.
enum Pin {
    /// All of it, figures apart.
    Whole,
    /// All of the text; the keys of the JSON, whose values are another command's.
    Text,
    /// The provenance; lines that begin with one of these words; the keys of the JSON.
    Frame(&'static [&'static str]),
    /// The provenance; lines that begin with one of these words; the keys of the JSON's data: what is
    /// below them depends on how much time there was.
    Outline(&'static [&'static str]),
    /// The provenance; the outermost keys of the JSON.
    Envelope,
    /// The lines up to this many: the answer ends when we go.
    Stream(usize),
}

/// Commands that are asked with arguments, or of which less than the whole is pinned.
const SPECIAL: [(&str, &[&str], Pin); 21] = [
    ("triage", &["triage"], Pin::Frame(&[])),
    (
        "stacks",
        &[
            "stacks",
            "stacks --thread main --full",
            "stacks --no-signal",
        ],
        Pin::Outline(&["WAIT", "N  main", "IDLE"]),
    ),
    ("threads", &["threads"], Pin::Frame(&["tid"])),
    // Who was met, and whether anybody was, is chance.
    ("cpu", &["cpu 1"], Pin::Envelope),
    ("wall", &["wall 1"], Pin::Envelope),
    ("block", &["block 1"], Pin::Envelope),
    ("mutex", &["mutex 1"], Pin::Envelope),
    (
        "memory",
        &["memory"],
        Pin::Frame(&["now", "resident", "anonymous", "files", "swap"]),
    ),
    ("heap save", &["heap save before-deploy"], Pin::Whole),
    ("fds", &["fds", "fds --all"], Pin::Frame(&["count", "fd"])),
    (
        "gc stats",
        &["gc stats"],
        Pin::Frame(&[
            "resident",
            "live",
            "allocated",
            "freed",
            "reclaimers",
            "last gc run",
        ]),
    ),
    (
        "gc run",
        &["gc run"],
        Pin::Frame(&["step", "before", "reclaimer", "after"]),
    ),
    ("limits", &["limits"], Pin::Frame(&["used"])),
    ("cgroup", &["cgroup"], Pin::Envelope),
    ("maps", &["maps"], Pin::Frame(&["count"])),
    (
        "info",
        &["info"],
        Pin::Frame(&[
            "service",
            "version",
            "up",
            "pid",
            "manhole",
            "socket",
            "installed",
            "level at most",
            "own commands",
        ]),
    ),
    ("audit", &["audit"], Pin::Frame(&["time"])),
    ("help", &["help app typed", "help gc", "help"], Pin::Text),
    (
        "vars get",
        &[
            "vars get shop.batch",
            "vars get shop.region",
            "vars get shop.status",
            "vars get shop.config",
        ],
        Pin::Whole,
    ),
    (
        "vars set",
        &["vars set shop.batch 40", "vars set shop.batch 41 forever"],
        Pin::Whole,
    ),
    ("vars watch", &["vars watch 1s shop.*"], Pin::Stream(2)),
];

#[test]
fn every_command_answers_as_its_golden_says() {
    let (mut victim, names) = known_victim();
    let socket = victim.socket();
    let mut files = BTreeSet::new();
    for command in built_in(&socket) {
        let special = SPECIAL.iter().find(|(name, ..)| *name == command);
        let alone = [command.as_str()];
        let (lines, pin) =
            special.map_or((&alone[..], &Pin::Whole), |(_, lines, pin)| (lines, pin));
        if command == "fds" {
            // The column stands there once an earlier look is old enough to be compared with.
            wait::until_true("something to compare with", || {
                text::run(&socket, "fds").contains("change")
            });
        }
        let mut transcript = ask(&socket, &format!("help {command}"), &Pin::Whole, &names);
        for line in lines {
            transcript += &ask(&socket, line, pin, &names);
            transcript += &ask(&socket, &format!("{line} --json"), pin, &names);
        }
        let file = format!("{}.txt", command.replace(' ', "-"));
        golden::check(&format!("commands/{file}"), &transcript);
        files.insert(file);
    }
    let kept = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/commands"));
    for entry in kept.expect("the goldens").flatten() {
        let name = entry.file_name().into_string().expect("a name of ours");
        assert!(
            files.contains(&name),
            "goldens/commands/{name} is of no command: remove it"
        );
    }
}

/// A victim that has one of everything, nothing of our environment, and the words for what this run
/// calls things.
pub(crate) fn known_victim() -> (Victim, Vec<(String, &'static str)>) {
    known_victim_with("")
}

/// The same with more options for the builder.
pub(crate) fn known_victim_with(options: &str) -> (Victim, Vec<(String, &'static str)>) {
    let environment = [
        "env",
        "-i",
        "GREETING=hello",
        "DB_PASSWORD=hush",
        "UPSTREAM=http://joe:hush@host/",
    ];
    let mut victim = setup().by(environment).install_with(options);
    for deed in ["register good", "register reclaimer", "variables good"] {
        victim.tell(deed);
    }
    let socket = victim.socket();
    wait::until_true("the first rate", || {
        text::run(&socket, "vars shop.requests").contains("/s")
    });
    let host = host_name();
    let run = victim.dir().parent().expect("the run's directory");
    let names = vec![
        (victim.dir().display().to_string(), "DIR"),
        (run.display().to_string(), "RUN"),
        (format!("\"host\":\"{host}\""), "\"host\":\"HOST\""),
        (format!("] {host} "), "] HOST "),
        (format!(" on {host}"), " on HOST"),
    ];
    (victim, names)
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").expect("a host has a name");
    name.trim().to_owned()
}

/// The names of the console's own commands.
fn built_in(socket: &Path) -> Vec<String> {
    let reply: Value = serde_json::from_str(&text::run(socket, "commands --json")).expect("JSON");
    let commands = reply["data"]["commands"].as_array().expect("a list");
    let built_in = commands
        .iter()
        .filter(|command| command["group"] != "application");
    built_in
        .map(|command| command["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// One question and the answer, in normal form.
fn ask(socket: &Path, line: &str, pin: &Pin, names: &[(String, &'static str)]) -> String {
    let reply = match pin {
        Pin::Stream(lines) => first_lines(socket, line, *lines),
        _ => text::run(socket, line),
    };
    let normal = match (line.ends_with("--json"), pin) {
        (true, Pin::Stream(_)) => reply.lines().map(|line| json(line, pin, names)).collect(),
        (true, _) => json(&reply, pin, names),
        (false, Pin::Whole | Pin::Text | Pin::Stream(_)) => normal::text(&reply, names),
        (false, Pin::Frame(kept) | Pin::Outline(kept)) => frame(&normal::text(&reply, names), kept),
        (false, Pin::Envelope) => frame(&normal::text(&reply, names), &[]),
    };
    format!("$ {line}\n{normal}\n")
}

fn first_lines(socket: &Path, line: &str, count: usize) -> String {
    let mut conn = Conn::open(socket);
    conn.send(format!("{line}\n"));
    (0..count).map(|_| conn.line() + "\n").collect()
}

/// The lines of a normal text that do not depend on the machine. Which unit a figure has does, and
/// whether a thread has been waiting for long enough to say since when.
fn frame(text: &str, kept: &[&str]) -> String {
    let text = text.replace("; unchanged since TIME", "");
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let provenance = line
            .split_once(": ")
            .filter(|_| number == 0 && line.starts_with("# "));
        match provenance {
            Some((provenance, _)) => lines.push(format!("{provenance}: ...\nVERDICT")),
            None if kept.iter().any(|word| line.starts_with(word)) => lines.push(unitless(line)),
            None => {}
        }
    }
    lines.join("\n") + "\n"
}

fn unitless(line: &str) -> String {
    line.replace("SIZE", "N").replace("AGE", "N")
}

fn json(reply: &str, pin: &Pin, names: &[(String, &'static str)]) -> String {
    let Ok(value) = serde_json::from_str::<Value>(reply) else {
        return normal::text(reply, names);
    };
    let mut normal = match pin {
        Pin::Whole | Pin::Stream(_) => normal::json(&value, names),
        Pin::Frame(_) | Pin::Text => keys(&value, usize::MAX),
        Pin::Outline(_) => keys(&value, 2),
        Pin::Envelope => keys(&value, 1),
    };
    if let Some(host) = normal.pointer_mut("/process/host") {
        *host = Value::from("HOST");
    }
    serde_json::to_string_pretty(&normal).expect("a value") + "\n"
}

/// The keys of `value` down to `depth`, the same for however many rows there are.
fn keys(value: &Value, depth: usize) -> Value {
    match value {
        Value::Object(fields) if depth > 0 => fields
            .iter()
            .filter(|(key, _)| !MACHINE.contains(&key.as_str()))
            .map(|(key, value)| (key.clone(), keys(value, depth - 1)))
            .collect(),
        Value::Array(rows) if depth > 0 && rows.iter().any(Value::is_object) => {
            let fields = rows.iter().filter_map(Value::as_object).flatten();
            let all: BTreeMap<&String, Value> = fields
                .filter(|(key, _)| !MACHINE.contains(&key.as_str()))
                .map(|(key, value)| (key, keys(value, depth - 1)))
                .collect();
            Value::from_iter([all
                .into_iter()
                .map(|(key, value)| (key.clone(), value))
                .collect::<Value>()])
        }
        _ => Value::from("..."),
    }
}

/// Keys that are there on some machines, or in some states, only.
const MACHINE: [&str; 2] = ["missing", "place"];
