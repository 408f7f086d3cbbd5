//! The machine dialect: many commands at a time, progress, cancelling, and errors that keep the
//! connection.

use crate::service;
use manhole_tests::{
    machine::{Machine, Message},
    wait,
};

#[test]
fn replies_carry_their_id_and_a_fast_one_overtakes_a_slow_one() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    let slow = machine.send(&["app", "slow", "60s"]);
    let fast = machine.send(&["app", "echo", "hi"]);
    loop {
        let (id, message) = machine.message();
        match message {
            Message::End(end) => {
                assert_eq!((id, end["status"].as_str()), (fast, Some("ok")));
                break;
            }
            Message::Data(_, payload) => {
                assert_eq!((id, payload.as_slice()), (fast, b"hi\n".as_slice()))
            }
            Message::Progress(_) => assert_eq!(id, slow),
        }
    }
    machine.cancel(slow);
    let reply = machine.reply(slow);
    assert_eq!(reply.code(), Some("cancelled"));
    wait::until_true("the command is told", || victim.tell("cancelled") == "1");
    assert_eq!(machine.run(&["app", "echo", "still"]).data, b"still\n");
}

#[test]
fn progress_says_how_far() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    let id = machine.send(&["app", "slow", "60s"]);
    let (of, message) = machine.message();
    let Message::Progress(progress) = message else {
        panic!("{message:?}");
    };
    assert_eq!(
        (of, progress["total"].as_f64(), progress["unit"].as_str()),
        (id, Some(60.0), Some("s"))
    );
    assert!(progress["done"].is_f64());
}

#[test]
fn an_end_tells_time_verdict_and_what_to_run_next() {
    let mut victim = service();
    let reply = Machine::open(&victim.socket()).run(&["triage"]);
    let end = &reply.end;
    assert_eq!(end["status"], "ok");
    assert!(end["elapsed_ms"].is_u64(), "{end}");
    assert!(
        ["ok", "warn", "bad"].contains(&end["verdict"]["severity"].as_str().unwrap_or("")),
        "{end}"
    );
    assert!(
        end["verdict"]["text"]
            .as_str()
            .is_some_and(|text| text.ends_with('.')),
        "{end}"
    );
}

#[test]
fn what_is_no_request_is_an_error_and_the_connection_goes_on() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    for wrong in [
        "{\"id\":7}",
        "{}",
        "{\"id\":7,\"command\":\"version\"}",
        "{\"id\":-1,\"command\":[\"version\"]}",
        "{\"id\":7,\"command\":[]}",
        "{\"unheard\":1}",
        "{\"id\":7,\"command\":[\"version\"]",
    ] {
        machine.conn.send(format!("{wrong}\n"));
        let (_, message) = machine.message();
        let Message::End(end) = message else {
            panic!("{wrong}: {message:?}");
        };
        assert_eq!(end["status"], "error", "{wrong}");
        let code = end["code"].as_str();
        assert!(
            matches!(code, Some("protocol" | "syntax")),
            "{wrong}: {end}"
        );
    }
    assert_eq!(machine.run(&["app", "echo", "still"]).data, b"still\n");
}

#[test]
fn unknown_fields_are_ignored() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    machine
        .conn
        .send("{\"new\":[1],\"id\":5,\"command\":[\"app\",\"echo\",\"x\"],\"client\":\"c\"}\n");
    assert_eq!(machine.reply(5).data, b"x\n");
}

#[test]
fn an_id_under_way_cannot_be_used_twice() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    machine.conn.send(
        "{\"id\":1,\"command\":[\"app\",\"slow\",\"60s\"]}\n{\"id\":1,\"command\":[\"version\"]}\n",
    );
    let end = loop {
        if let (1, Message::End(end)) = machine.message() {
            break end;
        }
    };
    assert_eq!(end["code"], "protocol", "{end}");
    machine.cancel(1);
    assert_eq!(machine.reply(1).code(), Some("cancelled"));
}

#[test]
fn chunks_are_bounded_and_add_up() {
    let mut victim = service();
    let reply = Machine::open(&victim.socket()).run(&["app", "big", "3000000"]);
    assert_eq!(reply.data.len(), 3_000_000);
    assert!(reply.headers.len() > 10);
    assert!(
        reply
            .headers
            .iter()
            .all(|header| header["media"] == "text/plain; charset=utf-8")
    );
}

#[test]
fn the_end_of_input_waits_for_what_runs() {
    let mut victim = service();
    let mut machine = Machine::open(&victim.socket());
    let id = machine.send(&["app", "slow", "500ms"]);
    machine.conn.half_close();
    assert_eq!(machine.reply(id).data, b"done\n");
    assert_eq!(machine.conn.read_to_end(), b"");
}

#[test]
fn the_command_tree_describes_every_argument() {
    let mut victim = service();
    let reply = Machine::open(&victim.socket())
        .run(&["commands", "--json"])
        .json();
    let commands = reply["data"]["commands"]
        .as_array()
        .or(reply["commands"].as_array());
    let commands = commands.unwrap_or_else(|| panic!("{reply}"));
    let typed = commands
        .iter()
        .find(|command| command["name"] == "app typed");
    let typed = typed.expect("the application's command is among them");
    assert_eq!(typed["level"], "view");
    let args = typed["args"].as_array().expect("arguments");
    let of = |name: &str| {
        args.iter()
            .find(|arg| arg["name"] == name)
            .expect("the argument")
            .clone()
    };
    assert_eq!(
        (&of("count")["min"], &of("count")["max"]),
        (&1.into(), &10.into())
    );
    assert_eq!(of("mode")["choices"], serde_json::json!(["fast", "safe"]));
    assert_eq!(of("mode")["default"], "safe");
    assert_eq!(of("dry")["kind"], "flag");
    for command in commands {
        for key in ["name", "group", "about", "usage", "level", "impact", "args"] {
            assert!(!command[key].is_null(), "{key} of {command}");
        }
    }
}
