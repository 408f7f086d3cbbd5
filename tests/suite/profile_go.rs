//! Profiles over HTTP beside those of a real Go program, endpoint by endpoint, errors included: the
//! same status, headers and words, and files that say the same of what they hold.

use crate::setup;
use manhole_tests::{
    golang::{self, Server},
    http::{self, Response},
    scratch::Scratch,
};
use std::{collections::BTreeMap, fs, path::Path};

/// What is asked of both.
const REQUESTS: [(&str, &str); 42] = [
    ("GET", "heap"),
    ("HEAD", "heap"),
    ("GET", "heap?gc=1"),
    ("GET", "heap?seconds=1"),
    ("GET", "heap?seconds="),
    ("GET", "heap?debug=1"),
    ("GET", "heap?debug=0"),
    ("GET", "heap?debug=x"),
    ("GET", "heap?seconds=1&debug=1"),
    ("GET", "heap?seconds=0"),
    ("GET", "heap?seconds=-1"),
    ("GET", "heap?seconds=1.5"),
    ("GET", "heap?seconds=x&debug=1"),
    ("GET", "heap?seconds=99999999999999999999"),
    ("GET", "allocs"),
    ("GET", "allocs?seconds=1"),
    ("GET", "allocs?debug=1"),
    ("GET", "goroutine"),
    ("GET", "goroutine?seconds=1"),
    ("GET", "goroutine?debug=1"),
    ("GET", "goroutine?debug=2"),
    ("GET", "goroutine?debug=7"),
    ("GET", "goroutine?debug=2&seconds=1"),
    ("GET", "threadcreate"),
    ("GET", "threadcreate?seconds=1"),
    ("GET", "threadcreate?debug=1"),
    ("GET", "block"),
    ("GET", "block?seconds=1"),
    ("GET", "block?debug=1"),
    ("GET", "block?seconds=x"),
    ("GET", "mutex"),
    ("GET", "mutex?seconds=1"),
    ("GET", "mutex?debug=1"),
    ("GET", "mutex?debug=1&seconds=1"),
    ("GET", "profile?seconds=1"),
    ("GET", "trace?seconds=0.1"),
    ("GET", "symbol"),
    ("GET", "symbol?0x1+x+0"),
    ("GET", "cmdline"),
    ("GET", "nothing"),
    ("GET", "nothing?debug=1&seconds=x"),
    ("GET", "heap/"),
];

/// The headers that say what a reply is; the others are of how it is sent.
fn headers(response: &Response) -> BTreeMap<&str, &str> {
    let meant =
        |name: &str| !["date", "connection", "content-length", "transfer-encoding"].contains(&name);
    let all = response.headers.iter();
    all.map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| meant(name))
        .collect()
}

fn ask(socket: &Path, method: &str, path: &str, body: &str) -> Response {
    let path = format!("/debug/pprof/{path}");
    http::request(
        socket,
        method,
        &path,
        &[("Connection", "close")],
        body.as_bytes(),
    )
}

#[test]
fn status_headers_and_words_are_those_of_go() {
    let (mut victim, go) = (setup().install(), Server::start());
    for (method, path) in REQUESTS {
        let ours = ask(&victim.socket(), method, path, "");
        let theirs = ask(&go.socket(), method, path, "");
        assert_eq!(ours.status, theirs.status, "{method} {path}");
        assert_eq!(headers(&ours), headers(&theirs), "{method} {path}");
        if theirs.status != 200 {
            assert_eq!(ours.text(), theirs.text(), "{method} {path}");
        } else if theirs.header("content-disposition").is_none() && method == "GET" {
            assert_eq!(shape(&ours), shape(&theirs), "{method} {path}");
        }
    }
    let long = format!("0x1+{}", "1".repeat(5000));
    for words in ["0x1+0x2", "", &long] {
        let ours = ask(&victim.socket(), "POST", "symbol", words);
        let theirs = ask(&go.socket(), "POST", "symbol", words);
        assert_eq!(ours.text(), theirs.text(), "{words}");
        assert_eq!(headers(&ours), headers(&theirs), "{words}");
    }
}

/// The beginning of a text, without its figures: what programs know it by.
fn shape(response: &Response) -> String {
    let line = response.text().lines().next().unwrap_or_default();
    match line.starts_with('/') {
        true => "a command line".to_owned(),
        false => {
            let words = line.split(['[', '@', '/']).next().unwrap_or_default();
            let words = words.split(' ').map(|word| word.trim_matches(':'));
            words
                .filter(|word| word.parse::<u64>().is_err())
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

/// What a file says of what it holds: its types, the usual one marked, and its period.
fn described(response: &Response, scratch: &Scratch) -> Vec<String> {
    let file = scratch.join("profile.pb.gz");
    fs::write(&file, &response.body).expect("a file in our directory");
    let raw = golang::pprof(&file, &["-raw"]);
    let lines: Vec<&str> = raw.lines().collect();
    let types = lines
        .iter()
        .position(|line| *line == "Samples:")
        .map(|at| at + 1);
    let types = types
        .and_then(|at| lines.get(at))
        .unwrap_or_else(|| panic!("{raw}"));
    let kept = |line: &&&str| line.starts_with("PeriodType:") || line.starts_with("Period:");
    let mut described: Vec<String> = lines
        .iter()
        .filter(kept)
        .map(|line| (*line).to_owned())
        .collect();
    described.push((*types).to_owned());
    described
}

#[test]
fn files_describe_themselves_as_those_of_go() {
    let (mut victim, go, scratch) = (setup().install(), Server::start(), Scratch::new());
    for path in [
        "heap",
        "allocs",
        "goroutine",
        "threadcreate",
        "block?seconds=1",
        "mutex?seconds=1",
        "profile?seconds=1",
    ] {
        let mut ours = described(&ask(&victim.socket(), "GET", path, ""), &scratch);
        let mut theirs = described(&ask(&go.socket(), "GET", path, ""), &scratch);
        if path.starts_with("profile") {
            // 99 times a second, not 100: that would beat with what is done every 10 ms.
            for lines in [&mut ours, &mut theirs] {
                lines.retain(|line| !line.starts_with("Period:"));
            }
        }
        assert_eq!(ours, theirs, "{path}");
    }
}
