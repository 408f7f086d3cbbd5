//! Transcripts of conversations: the errors one meets, the prompt, keep mode, HTTP; and what is
//! different at level view. As in `goldens`, figures are replaced by words.

use crate::goldens::{known_victim, known_victim_with};
use manhole_tests::{
    golden, http,
    keep::Keep,
    normal,
    text::{self, Prompt},
};
use std::fmt::Write;

/// What people get wrong.
const ERRORS: [&str; 34] = [
    "nope",
    "var",
    "gc",
    "bt",
    "ps",
    "jstack",
    "pstack",
    "stacks --thread nobody",
    "stacks --names odd",
    "cpu 1000",
    "cpu 0.5",
    "cpu --hz 1001",
    "cpu --thread nobody",
    "wall --thread ,",
    "block --rows few",
    "mutex --format svg",
    "heap",
    "heap --rows 0",
    "heap leaks --min-age 0s",
    "heap diff +1h",
    "heap sampling much",
    "vars get",
    "vars get nope",
    "vars get shop.batch more",
    "vars set shop.batch",
    "vars set shop.batch 5000",
    "vars set shop.batch x",
    "vars set shop.requests 1",
    "vars set shop.batch 7 for ever",
    "vars --nope",
    "help nope",
    "vars 'unfinished",
    "env --reveal NOPE",
    "app typed 11",
];

#[test]
fn errors_say_what_is_wrong_and_what_to_do() {
    let (mut victim, names) = known_victim();
    let socket = victim.socket();
    let mut transcript = String::new();
    for line in ERRORS {
        let reply = normal::text(&text::run(&socket, line), &names);
        let _ = write!(transcript, "$ {line}\n{reply}\n"); // a String takes everything
    }
    golden::check("errors.txt", &transcript);
}

#[test]
fn at_level_view_less_is_answered_and_the_rest_is_denied() {
    let (mut victim, names) = known_victim_with("max_level=view");
    let mut prompt = Prompt::open(&victim.socket());
    let lines = [
        "help",
        "vars",
        "vars get shop.region",
        "vars set shop.batch 1",
        "gc run",
        "env",
        "audit",
        "fds --all",
        "stacks",
        "app act",
    ];
    golden::check("view.txt", &converse(&mut prompt, &lines, &names));
}

#[test]
fn the_prompt_reads_like_this() {
    let (mut victim, names) = known_victim();
    let mut prompt = Prompt::open(&victim.socket());
    let lines = [
        "version",
        "",
        "# a comment",
        "vars get shop.region; vars get shop.batch",
        "vars set shop.batch 40",
        "nope",
        "app typed",
        "gc stats",
        "app echo hello",
        "help vars set",
    ];
    let mut transcript = normal::text(&prompt.banner, &names);
    transcript += &converse(&mut prompt, &lines, &names);
    prompt.conn().send("quit\n");
    assert_eq!(prompt.conn().read_to_end(), b"", "quit says nothing");
    golden::check("prompt.txt", &transcript);
}

fn converse(prompt: &mut Prompt, lines: &[&str], names: &[(String, &'static str)]) -> String {
    let mut transcript = String::new();
    for line in lines {
        let typed = normal::text(prompt.prompt(), names);
        let shown = match prompt.run(line) {
            nothing if nothing.is_empty() => nothing,
            shown => normal::text(&shown, names) + "\n",
        };
        let _ = write!(transcript, "{} {line}\n{shown}", typed.trim_end());
    }
    transcript
}

#[test]
fn keep_mode_reads_like_this() {
    let (mut victim, names) = known_victim();
    let mut keep = Keep::open(&victim.socket());
    let mut transcript = String::new();
    for line in [
        "version",
        "vars get shop.region",
        "nope",
        "vars get",
        "app echo two words",
        "quit",
    ] {
        let reply = keep.run(line);
        let data = normal::text(&String::from_utf8_lossy(&reply.data), &names);
        let end = match reply.end {
            Ok(()) => "OK".to_owned(),
            Err(error) => format!("ERR {error}"),
        };
        let _ = write!(transcript, "> {line}\nDATA\n{data}{end}\n\n");
    }
    golden::check("keep.txt", &transcript);
}

#[test]
fn http_reads_like_this() {
    let (mut victim, names) = known_victim();
    let socket = victim.socket();
    let mut transcript = String::new();
    for path in [
        "/",
        "/nope",
        "/metrics",
        "/debug/pprof",
        "/debug/pprof/nope",
        "/debug/pprof/cmdline",
        "/debug/pprof/goroutine?seconds=x",
        "/debug/pprof/heap?debug=1",
        "/debug/pprof/heap?seconds=1&debug=1",
        "/debug/pprof/threadcreate?debug=1",
        "/debug/pprof/symbol?0x1",
        "/debug/pprof/trace?seconds=0.01",
        "/debug/pprof/profile?seconds=1000",
        "/debug/pprof/wall?hz=0",
        "/debug/fgprof?seconds=x",
        "/debug/fgprof?format=x",
        "/cmd/version",
        "/cmd/vars/get?name=shop.region",
        "/cmd/vars/get?name=shop.region&json=1",
        "/cmd/vars/get",
        "/cmd/vars/set?name=shop.batch&value=7",
        "/cmd/nope",
    ] {
        let reply = http::get(&socket, path);
        let media = reply.header("content-type").unwrap_or("-");
        let body = normal::text(reply.text(), &names);
        let _ = write!(transcript, "GET {path}\n{} {media}\n{body}\n", reply.status);
    }
    golden::check("http.txt", &transcript);
}

#[test]
fn expvars_reads_like_this() {
    let (mut victim, names) = known_victim();
    let reply = http::get(&victim.socket(), "/debug/vars");
    // What a scraper knows a process by: names, and the shape around them.
    let lines = reply
        .text()
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((name, _)) => format!("{name}: ...\n"),
            None => format!("{line}\n"),
        });
    golden::check(
        "expvar.txt",
        &normal::text(&lines.collect::<String>(), &names),
    );
}
