//! What the application says cannot command a terminal, nor pass for a frame of ours.

use crate::setup;
use manhole_tests::{
    http,
    keep::Keep,
    machine::Machine,
    text::{self, Prompt},
    victim::Victim,
};

#[track_caller]
fn hostile() -> Victim {
    let mut victim = setup().install();
    victim.tell("register evil");
    victim.tell("variables evil");
    victim
}

/// Requires that no byte of `reply` means anything to a terminal.
#[track_caller]
fn harmless(reply: &str) {
    let harm = |c: char| {
        let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        bidi || (c.is_control() && c != '\n' && c != '\t')
    };
    assert!(!reply.contains(harm), "{reply:?}");
}

#[test]
fn escape_sequences_of_commands_variables_and_errors_are_shown_not_sent() {
    let mut victim = hostile();
    let socket = victim.socket();
    for command in [
        "evil escape",
        "evil fail",
        "vars get evil.text",
        "vars evil.text",
        "audit",
        "evil escape --json",
    ] {
        let reply = text::run(&socket, command);
        harmless(&reply);
        let prompt = Prompt::open(&socket).run(command);
        harmless(&prompt);
        harmless(
            http::get(
                &socket,
                &format!("/cmd/{}", command.replace(' ', "/").replace("/--json", "")),
            )
            .text(),
        );
    }
    let reply = text::run(&socket, "evil escape");
    assert!(
        reply.contains("\\x1b[31mred") && reply.contains("\\x07"),
        "{reply}"
    );
    assert!(
        reply.contains("\\u{202e}") && reply.contains("\\u{9b}"),
        "{reply}"
    );
}

#[test]
fn what_a_caller_sends_is_not_echoed_raw() {
    let mut victim = hostile();
    let socket = victim.socket();
    let path = http::get(&socket, "/x%1b%5b31m%e2%80%ae");
    harmless(path.text());
    let mut machine = Machine::open(&socket);
    machine
        .conn
        .send("{\"id\":1,\"command\":[\"\\u001b[31m\"],\"client\":\"\\u001b]0;x\\u0007\"}\n");
    let reply = machine.reply(1);
    assert_eq!(reply.code(), Some("unknown"));
    harmless(&reply.end.to_string());
    let audit = text::run(&socket, "audit");
    harmless(&audit);
    assert!(audit.contains("\\x1b[31m"), "it is on record: {audit}");
}

#[test]
fn an_answer_cannot_pass_for_a_frame_in_keep_mode() {
    let mut victim = hostile();
    let mut keep = Keep::open(&victim.socket());
    let text = keep.ok("evil frames");
    assert!(
        text.contains("ERR busy no\n") && text.contains("DATA 5\n"),
        "{text}"
    );
    assert!(keep.run("evil fail").end.is_err());
    assert_eq!(
        keep.run("version").end,
        Ok(()),
        "the frames are still in step"
    );
}

#[test]
fn names_of_threads_are_escaped() {
    let mut victim = hostile();
    victim.tell("evil_thread");
    let reply = text::run(&victim.socket(), "threads --all");
    harmless(&reply);
    assert!(reply.contains("\\x1b[31mbad"), "{reply}");
}
