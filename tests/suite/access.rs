//! Every command and every HTTP path, at every level: made from the table the console itself shows,
//! so a new command is covered by being there.

use crate::setup;
use manhole_tests::{
    conn::Conn,
    http,
    machine::json,
    peers::Peer,
    text,
    users::{ALICE, BOB, become_user, root},
    victim::Victim,
};
use serde_json::Value;
use std::path::Path;

const LEVELS: [&str; 3] = ["view", "inspect", "control"];

fn rank(level: &str) -> usize {
    LEVELS
        .iter()
        .position(|known| *known == level)
        .unwrap_or_else(|| panic!("no level {level}"))
}

/// A line that must be run or refused, and the level that it needs.
struct Case {
    line: String,
    level: String,
}

fn commands(socket: &Path) -> Vec<Value> {
    let reply = json(socket, "commands");
    let commands = reply["data"]["commands"]
        .as_array()
        .or_else(|| reply["commands"].as_array());
    commands.unwrap_or_else(|| panic!("{reply}")).clone()
}

/// Each command with what it cannot do without, and with each argument that asks for more.
fn cases(socket: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for command in commands(socket) {
        let name = text_of(&command["name"]);
        if name == "quit" {
            continue;
        }
        let args = command["args"].as_array().expect("arguments");
        let required = args.iter().filter(|arg| is_given(arg));
        let line = required.fold(name.clone(), |line, arg| line + " " + &sample(arg));
        // Who may not run it is not told how to.
        cases.push(Case {
            line: name + " --nope",
            level: text_of(&command["level"]),
        });
        for arg in args.iter().filter(|arg| arg["level"].is_string()) {
            let option = match arg["kind"].as_str() {
                Some("flag") => format!("--{}", text_of(&arg["name"])),
                Some("option") => format!("--{} {}", text_of(&arg["name"]), sample(arg)),
                _ => sample(arg),
            };
            let line = format!("{line} {option}");
            cases.push(Case {
                line,
                level: text_of(&arg["level"]),
            });
        }
        cases.push(Case {
            line,
            level: text_of(&command["level"]),
        });
    }
    cases
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

/// The query that gives a command's path what it cannot do without.
fn query(commands: &[Value], path: &str) -> String {
    let name = path.trim_start_matches("/cmd/").replace('/', " ");
    let command = commands.iter().find(|command| command["name"] == *name);
    let args = command
        .and_then(|command| command["args"].as_array())
        .into_iter()
        .flatten();
    let required = args.filter(|arg| is_given(arg));
    let mut pairs: Vec<String> = required
        .map(|arg| format!("{}={}", text_of(&arg["name"]), sample(arg)))
        .collect();
    if ["/profile", "/wall", "/fgprof"]
        .iter()
        .any(|end| path.ends_with(end))
        && pairs.is_empty()
    {
        pairs.push("seconds=1".to_owned());
    }
    format!("?{}", pairs.join("&"))
}

/// Whether a case has the argument: it must, or it says how long the answer takes.
fn is_given(arg: &Value) -> bool {
    arg["required"] == true || arg["type"] == "duration"
}

/// A word that fits the type of an argument.
fn sample(arg: &Value) -> String {
    let number = |key: &str| {
        arg[key]
            .as_f64()
            .map_or("1".to_owned(), |number| number.to_string())
    };
    match arg["type"].as_str().unwrap_or("") {
        "int" | "float" => number("min"),
        "duration" => "1s".to_owned(),
        "bytes" => "1".to_owned(),
        "bool" => "true".to_owned(),
        "choice" => arg["choices"][0].as_str().unwrap_or("x").to_owned(),
        _ => "x".to_owned(),
    }
}

/// Whether the console refuses `line` for lack of rights; the first bytes of an answer tell, and
/// what runs on is cut off.
fn refused(socket: &Path, line: &str) -> bool {
    let mut conn = Conn::open(socket);
    conn.send(format!("{line}\n"));
    let first = conn.read_some(manhole_tests::wait::PATIENCE);
    let first = first.unwrap_or_else(|| panic!("{line}: no answer"));
    let denied = first.starts_with(b"ERR denied ");
    if denied {
        let rest = String::from_utf8(conn.read_to_end()).expect("text");
        let error = String::from_utf8(first).expect("text") + &rest;
        assert!(
            text::expect_error(&error, "denied").contains("needs level"),
            "{error}"
        );
    }
    denied
}

fn victim(options: &str) -> Victim {
    let mut victim = setup().install_with(options);
    victim.tell("register good");
    victim.tell("variables good");
    victim
}

#[test]
fn every_command_is_refused_below_its_level_and_run_at_it() {
    for level in LEVELS {
        let mut victim = victim(&format!("max_level={level}"));
        let socket = victim.socket();
        let cases = cases(&socket);
        assert!(cases.len() > 20, "only {} cases", cases.len());
        for Case {
            line,
            level: needed,
        } in cases
        {
            let expected = rank(level) < rank(&needed);
            assert_eq!(
                refused(&socket, &line),
                expected,
                "{line} needs {needed}, the caller has {level}"
            );
        }
        let acts = if level == "control" { "1" } else { "0" };
        assert_eq!(victim.tell("acts"), acts, "at level {level}");
    }
}

#[test]
fn every_http_path_is_refused_below_its_level_and_served_at_it() {
    for level in LEVELS {
        let mut victim = victim(&format!("max_level={level} route=/debug/custom"));
        let socket = victim.socket();
        let index = http::get(&socket, "/");
        let commands = commands(&socket);
        let mut count = 0;
        for line in index.text().lines().filter(|line| line.starts_with('/')) {
            let mut words = line.split_whitespace();
            let (path, needed) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
            if path.ends_with("/watch") || path.ends_with("/quit") {
                continue; // without an end, and without a meaning
            }
            let acts = [("X-Manhole", "1")];
            let (method, headers) = if needed == "control" {
                ("POST", &acts[..])
            } else {
                ("GET", &[][..])
            };
            let target = path.to_owned() + &query(&commands, path);
            let response = http::request(&socket, method, &target, headers, b"");
            let denied = response.status == 403;
            assert_eq!(
                denied,
                rank(level) < rank(needed),
                "{path} needs {needed}, the caller has {level}: {}",
                response.text()
            );
            count += 1;
        }
        assert!(count > 15, "only {count} paths in {}", index.text());
    }
}

#[test]
fn the_same_holds_for_users_that_the_builder_lets_in() {
    if !root() {
        return;
    }
    let mut victim = victim(&format!("allow_uid={ALICE}:view allow_uid={BOB}:inspect"));
    let socket = victim.socket();
    let cases: Vec<Case> = cases(&socket)
        .into_iter()
        .filter(|case| !case.line.contains("watch"))
        .collect();
    let script: String = cases
        .iter()
        .map(|case| format!("{}\n", case.line))
        .collect();
    for (uid, level) in [(ALICE, "view"), (BOB, "inspect")] {
        let nc = Peer::new(["nc.openbsd", "-U"])
            .arg(&socket)
            .by(&become_user(uid, &[]));
        let outcome = nc.run(format!("mode keep\n{script}quit\n"));
        let ends: Vec<&str> = ends(outcome.text());
        assert_eq!(ends.len(), cases.len() + 1, "{}", outcome.text());
        for (case, end) in cases.iter().zip(ends) {
            let denied = end.starts_with("ERR denied ");
            assert_eq!(
                denied,
                rank(level) < rank(&case.level),
                "{}: uid {uid} got {end}",
                case.line
            );
        }
    }
    assert_eq!(victim.tell("acts"), "0");
}

/// The last lines of the replies in a transcript of keep mode.
fn ends(transcript: &str) -> Vec<&str> {
    let mut ends = Vec::new();
    let mut rest = transcript;
    while let Some((line, after)) = rest.split_once('\n') {
        rest = match line.strip_prefix("DATA ") {
            Some(count) => &after[count.parse::<usize>().expect("a count")..],
            None => after,
        };
        if line == "OK" || line.starts_with("ERR ") {
            ends.push(line);
        }
    }
    ends
}

#[test]
fn a_command_that_declares_no_level_needs_control() {
    let mut victim = victim("max_level=inspect");
    let reply = text::run(&victim.socket(), "app undeclared");
    text::expect_error(&reply, "denied");
}

#[test]
fn view_sees_numbers_and_no_texts() {
    let mut victim = victim("max_level=view");
    let socket = victim.socket();
    let vars = http::get(&socket, "/debug/vars");
    assert!(
        vars.text().contains("\"shop.requests\": 8120334"),
        "{}",
        vars.text()
    );
    for hidden in ["eu-west", "shop.config", "listen"] {
        assert!(!vars.text().contains(hidden), "{hidden}: {}", vars.text());
        assert!(!text::run(&socket, "vars").contains(hidden), "{hidden}");
    }
    text::expect_error(&text::run(&socket, "vars get shop.region"), "denied");
    assert_eq!(text::run(&socket, "vars get shop.requests"), "8120334\n");
}

#[test]
fn secrets_are_masked_for_everybody() {
    let mut victim = setup()
        .env("DB_PASSWORD", "hush-1")
        .env("UPSTREAM", "https://joe:hush-2@example.org/")
        .install();
    victim.tell("register good");
    victim.tell("variables good");
    let socket = victim.socket();
    assert_eq!(text::run(&socket, "app login joe hush-3"), "welcome joe\n");
    text::run(&socket, "vars set db.password hush-4");
    for command in [
        "env",
        "vars",
        "vars get shop.config",
        "vars get shop.config --json",
        "env --json",
        "audit",
        "audit --json",
    ] {
        let reply = text::run(&socket, command);
        assert!(!reply.contains("hush"), "{command}: {reply}");
        assert_eq!(text::code(&reply), None, "{command}: {reply}");
    }
    assert_eq!(text::run(&socket, "env --reveal DB_PASSWORD"), "hush-1\n");
    let audit = text::run(&socket, "audit");
    assert!(
        audit.contains("env --reveal DB_PASSWORD"),
        "it is on record: {audit}"
    );
}
