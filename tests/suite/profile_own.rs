//! Profiles that the application makes, over HTTP: counted by who made what is there, read by Go's tool.

use crate::setup;
use manhole_tests::{golang, http, scratch::Scratch};
use std::fs;

const PATH: &str = "/debug/pprof/victim/things";

#[test]
fn things_are_counted_by_who_made_them() {
    let mut victim = setup().install();
    let socket = victim.socket();
    assert_eq!(http::get(&socket, PATH).text(), "Unknown profile\n");
    assert_eq!(victim.tell("things 5"), "5");
    let text = http::get(&socket, &format!("{PATH}?debug=1"));
    assert_eq!(
        text.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
    let text = text.text();
    assert!(
        text.starts_with("victim/things profile: total 5\n5 @ 0x"),
        "{text}"
    );
    assert!(text.contains("victim::samples::open_thing"), "{text}");
    assert_eq!(victim.tell("things 2"), "2");
    let scratch = Scratch::new();
    let file = scratch.join("things.pb.gz");
    let reply = http::get(&socket, PATH);
    let named = reply.header("content-disposition");
    assert_eq!(named, Some("attachment; filename=\"victim/things\""));
    fs::write(&file, &reply.body).expect("a file in our directory");
    let top = golang::pprof(&file, &["-top"]);
    assert!(top.contains("Type: victim/things"), "{top}");
    assert!(
        top.contains("2 total") || top.contains("of 2 total"),
        "{top}"
    );
    let first = top.lines().find(|line| line.contains("open_thing"));
    assert!(
        first.is_some_and(|line| line.trim_start().starts_with("2 ")),
        "{top}"
    );
    for path in ["/debug/pprof/", "/"] {
        assert!(http::get(&socket, path).text().contains(PATH), "{path}");
    }
}

#[test]
fn a_time_is_refused_in_gos_words() {
    let mut victim = setup().install();
    victim.tell("things 1");
    let socket = victim.socket();
    let check = |query: &str, expected: &str| {
        let reply = http::get(&socket, &format!("{PATH}?{query}"));
        assert_eq!((reply.status, reply.text()), (400, expected), "{query}");
    };
    let unsupported = "\"seconds\" parameter is not supported for this profile type\n";
    let invalid = "invalid value for \"seconds\" - must be a positive integer\n";
    check("seconds=1", unsupported);
    check("seconds=1&debug=1", unsupported);
    check("seconds=0", invalid);
    check("seconds=x", invalid);
    assert_eq!(http::get(&socket, &format!("{PATH}?seconds=")).status, 200);
}
