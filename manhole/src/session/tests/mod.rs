//! Whole conversations over a socket pair, without an island: what goes in, what comes out.

mod http;
mod limits;
mod supervised;

use super::*;
use crate::{
    command::{Access, Nobody},
    model::Level,
};
use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream as Client,
    time::{Duration, Instant},
};

fn state() -> Arc<State> {
    let name = "demo".to_owned();
    Arc::new(State::new(name, None, Access::default(), Box::new(Nobody)))
}

fn caller(level: Level) -> Caller {
    Caller {
        uid: 7,
        gid: 7,
        pid: 1,
        level,
        connection: 1,
    }
}

/// Serves one end of a pair on a thread of its own and gives the other end.
fn connect(level: Level, state: &Arc<State>) -> (Client, Connection) {
    connect_within(level, state, Limits::default(), "")
}

/// The same with limits of the test's own; `first` was sent before they begin.
fn connect_within(
    level: Level,
    state: &Arc<State>,
    limits: Limits,
    first: &str,
) -> (Client, Connection) {
    let (ours, mut theirs) = Client::pair().unwrap();
    theirs.write_all(first.as_bytes()).unwrap();
    let connection = Connection::new();
    let (handle, state) = (connection.clone(), state.clone());
    let caller = caller(level);
    std::thread::spawn(move || {
        let talk = async move {
            let stream = Stream::new(ours).unwrap();
            converse_with(Peer::new(stream, caller, handle, state, limits)).await;
        };
        crate::rt::block_on(talk).unwrap();
    });
    theirs
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    (theirs, connection)
}

fn talk_as(level: Level, input: &str) -> String {
    let (mut client, _) = connect(level, &state());
    client.write_all(input.as_bytes()).unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

fn talk(input: &str) -> String {
    talk_as(Level::Control, input)
}

fn read_until(client: &mut Client, end: &str) -> String {
    let (mut reply, mut byte) = (Vec::new(), [0]);
    while !reply.ends_with(end.as_bytes()) {
        assert_eq!(
            client.read(&mut byte).unwrap(),
            1,
            "{:?}",
            String::from_utf8_lossy(&reply)
        );
        reply.push(byte[0]);
    }
    String::from_utf8(reply).unwrap()
}

#[test]
fn batch_answers_every_line_and_closes_by_itself() {
    let one = talk("version\n");
    assert!(one.starts_with("service     demo\n"), "{one}");
    for trailing in ["\n", "\r\n", "# done\n", " \n;\n\n"] {
        let reply = talk(&format!("version\n{trailing}"));
        assert!(reply.starts_with("service     demo\n"), "{reply}");
    }
    let two = talk("version; quit\n");
    assert!(
        two.starts_with("== version\nservice     demo\n") && two.ends_with("== quit\n"),
        "{two}"
    );
    assert_eq!(
        talk("nope\n# a comment\n\nnope\n")
            .matches("ERR unknown nope")
            .count(),
        2
    );
    assert_eq!(talk("# only a comment\n"), "");
}

#[test]
fn ten_thousand_pipelined_commands_are_all_answered() {
    let reply = talk(&"x\n".repeat(10_000));
    assert_eq!(reply.matches("ERR unknown x: ").count(), 10_000);
}

#[test]
fn a_client_that_never_pauses_leaves_others_their_turn() {
    let (endless, busy) = Client::pair().unwrap();
    let (mut other, theirs) = Client::pair().unwrap();
    let serve = |stream: Client| {
        let stream = Stream::new(stream).unwrap();
        converse(stream, caller(Level::View), Connection::new(), state())
    };
    let server = std::thread::spawn(move || {
        let talk = async move {
            crate::rt::spawn(serve(busy));
            serve(theirs).await;
        };
        crate::rt::block_on(talk).unwrap();
    });
    let begun = Instant::now();
    let mut pipe = endless.try_clone().unwrap();
    let flood = std::thread::spawn(move || {
        let lines = "x\n".repeat(2048);
        while begun.elapsed() < Duration::from_secs(10) && pipe.write_all(lines.as_bytes()).is_ok()
        {
        }
    });
    let drain = std::thread::spawn(move || std::io::copy(&mut &endless, &mut std::io::sink()));
    std::thread::sleep(Duration::from_millis(100));
    other.write_all(b"version\n").unwrap();
    let mut reply = String::new();
    other.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("service"), "{reply}");
    assert!(begun.elapsed() < Duration::from_secs(9), "it had to wait");
    server.join().unwrap();
    let _ = (flood.join(), drain.join());
}

#[test]
fn keep_mode_counts_and_stays_open() {
    let (mut client, _) = connect(Level::Inspect, &state());
    client.write_all(b"mode keep\nversion\n").unwrap();
    let head = read_until(&mut client, "\n");
    let count: usize = head.strip_prefix("DATA ").unwrap().trim().parse().unwrap();
    let mut body = vec![0; count];
    client.read_exact(&mut body).unwrap();
    assert!(body.starts_with(b"service"));
    assert_eq!(read_until(&mut client, "\n"), "OK\n");
    client.write_all(b"nope; audit --rows 0\n").unwrap();
    assert!(read_until(&mut client, "\n").starts_with("ERR unknown nope: "));
    assert!(read_until(&mut client, "\n").starts_with("ERR usage audit: --rows is 0"));
    client.write_all(b"quit\n").unwrap();
    assert_eq!(read_until(&mut client, "\n"), "OK\n");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_prompt_greets_and_asks_again() {
    let (mut client, _) = connect(Level::Inspect, &state());
    client.write_all(b"\n").unwrap();
    let prompt = format!("demo[{}]> ", std::process::id());
    let banner = read_until(&mut client, &prompt);
    assert!(
        banner.contains("You: uid 7, level inspect.\nType triage to start"),
        "{banner}"
    );
    for nothing in [&b"\n"[..], b"# a comment\n", b" ;\r\n"] {
        client.write_all(nothing).unwrap();
        assert_eq!(read_until(&mut client, &prompt), prompt);
    }
    client.write_all(b"nope\n").unwrap();
    let reply = read_until(&mut client, &prompt);
    assert!(
        reply.starts_with("ERR unknown nope") && reply.contains("\n\n"),
        "{reply}"
    );
    client.write_all(b"exit\n").unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_line_without_its_end_is_not_run() {
    let (mut client, _) = connect(Level::Control, &state());
    client.write_all(b"version").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(
        reply.starts_with("ERR syntax the last line has no line end"),
        "{reply}"
    );
}

#[test]
fn a_smuggled_request_ends_the_conversation_before_it_runs_anything() {
    let reply = talk("version\nGET /x HTTP/1.1\r\nversion\n");
    assert_eq!(reply.matches("service").count(), 1, "{reply}");
    assert!(reply.contains("ERR protocol"), "{reply}");
    let reply = talk("vars\nHost: evil\nversion\n");
    assert!(!reply.contains("service     demo"), "{reply}");
}

#[test]
fn a_level_that_does_not_suffice_is_told_who_has_it() {
    let reply = talk_as(Level::View, "audit\n");
    assert!(
        reply.starts_with("ERR denied audit: needs level inspect, uid 7 has view; uid "),
        "{reply}"
    );
    for nonsense in ["audit --nope 1", "vars set", "gc run x", "env --reveal"] {
        let reply = talk_as(Level::View, &format!("{nonsense}\n"));
        assert!(reply.starts_with("ERR denied "), "{nonsense}: {reply}");
    }
    for (level, line, code) in [
        (Level::Inspect, "env --reveal", "denied"),
        (Level::Control, "env --reveal", "usage"),
        (Level::Inspect, "audit --nope", "usage"),
    ] {
        let reply = talk_as(level, &format!("{line}\n"));
        assert!(
            reply.starts_with(&format!("ERR {code} ")),
            "{line}: {reply}"
        );
    }
    let nonsense = "POST /cmd/vars/set?nope=1 HTTP/1.1\r\nHost: x\r\nX-Manhole: 1\r\n\r\n";
    let reply = talk_as(Level::View, nonsense);
    assert!(reply.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{reply}");
    let reply = talk_as(Level::View, "GET /cmd/audit HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(reply.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{reply}");
}

#[test]
fn the_machine_dialect_answers_by_id_and_survives_bad_lines() {
    let (mut client, _) = connect(Level::View, &state());
    client
        .write_all(b"{\"id\":7,\"command\":[\"version\"],\"client\":\"test 1\"}\n{\"huh\":1}\n")
        .unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    assert!(reply.contains("{\"id\":7,\"data\":"), "{reply}");
    assert!(
        reply.contains("{\"id\":7,\"end\":{\"status\":\"ok\""),
        "{reply}"
    );
    assert!(
        reply.contains("{\"id\":0,\"end\":{\"status\":\"error\",\"code\":\"protocol\""),
        "{reply}"
    );
}

#[test]
fn a_cancel_is_heard_while_a_reply_pours_out() {
    crate::command("test pour")
        .level(Level::View)
        .run(|ctx, _| while ctx.say("x".repeat(1000)) {});
    crate::sys::origin::claim();
    crate::app::activate();
    let mut client = loop {
        let (mut client, _) = connect(Level::View, &state());
        client
            .write_all(b"{\"id\":1,\"command\":[\"test\",\"pour\"]}\n")
            .unwrap();
        // Other tests share the two places for commands of the application.
        if !read_until(&mut client, "\n").contains("busy") {
            break client;
        }
    };
    let mut reply = vec![0; 1 << 20];
    client.read_exact(&mut reply).unwrap();
    client.write_all(b"{\"cancel\":1}\n").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert!(rest.len() < 16 << 20, "{} bytes more", rest.len());
    let rest = String::from_utf8_lossy(&rest);
    assert!(rest.contains("\"code\":\"cancelled\""));
}

#[test]
fn every_first_byte_has_an_end() {
    for byte in 0..=255_u8 {
        let (mut client, _) = connect(Level::View, &state());
        client.write_all(&[byte, b'\n']).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
    }
}

#[test]
fn an_idle_connection_whose_place_is_needed_is_told() {
    let (mut client, connection) = connect(Level::View, &state());
    client.write_all(b"mode keep\n").unwrap();
    client.write_all(b"version\n").unwrap();
    read_until(&mut client, "OK\n");
    let patience = Instant::now() + Duration::from_secs(20);
    while !connection.evict() {
        assert!(Instant::now() < patience);
        std::thread::yield_now();
    }
    assert!(
        read_until(&mut client, "\n")
            .starts_with("ERR busy this connection was the longest idle one")
    );
}

#[test]
fn every_command_is_audited_whatever_became_of_it() {
    let state = state();
    let (mut client, _) = connect(Level::View, &state);
    let (mut leaving, _) = connect(Level::View, &state);
    leaving.write_all(b"quit\n").unwrap();
    assert_eq!(leaving.read(&mut [0]).unwrap(), 0);
    client
        .write_all(b"version\nnope --password x\naudit\nGET /\n")
        .unwrap();
    let mut reply = String::new();
    client.read_to_string(&mut reply).unwrap();
    let records = state.audit.records();
    let seen: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record.line.as_str(), record.result))
        .collect();
    assert_eq!(
        seen,
        [
            ("quit", "ok"),
            ("version", "ok"),
            ("nope --password ***", "unknown"),
            ("audit", "denied"),
            ("(HTTP)", "protocol")
        ]
    );
    assert!(
        records
            .iter()
            .all(|record| record.uid == 7 && record.dialect == "text")
    );
}
