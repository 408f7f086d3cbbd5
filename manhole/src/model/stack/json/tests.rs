//! Dumps that come back as they went, and JSON that is no dump.

use super::{super::*, *};
use serde_json::{Value, json};

fn dump() -> Dump {
    let frame = |address, uncertain| Frame {
        address,
        module: Some(0),
        uncertain,
        functions: [
            Function {
                name: "shop::price::{closure#0}".to_owned(),
                mangled: Some("_RNv4shop5price".to_owned()),
                file: Some("/build/src/main.rs".to_owned()),
                line: Some(14),
            },
            Function {
                name: "odd \u{1b}[2J\u{202e}\n".to_owned(),
                ..Function::default()
            },
        ]
        .into(),
        inlines_known: true,
    };
    let bare = Frame {
        address: u64::MAX,
        ..Frame::default()
    };
    let thread = |tid, frames| ThreadStack {
        tid,
        name: "w\u{0}".to_owned(),
        state: 'S',
        cpu_ns: u64::MAX,
        answer: Answered::Stack,
        frames,
        end: End::Root,
        call: Some(Call {
            number: Some(-1),
            arguments: [u64::MAX, 1, 2, 3, 4, 1 << 60],
            on: Some("10.2.0.9:5432".to_owned()),
        }),
        waits_in: Some("folio_wait_bit".to_owned()),
        stack_bytes: Some(1 << 40),
        unchanged_since_unix_ns: Some(1_795_270_831_123_456_789),
        ..ThreadStack::default()
    };
    Dump {
        taken_unix_ns: 1_795_270_831_123_456_789,
        took_ns: 3_000_000,
        threads: vec![
            thread(1, [frame(7, false), frame(9, false), bare.clone()].into()),
            thread(2, [frame(9, false), frame(9, true), bare].into()),
            ThreadStack {
                main: true,
                answer: Answered::Blocks,
                ..ThreadStack::default()
            },
        ],
        own_threads: 3,
        modules: vec![Module {
            path: "/usr/bin/shop".to_owned(),
            deleted: true,
            binary: true,
            start: 0x5555_5555_4000,
            end: 0x5555_5565_4000,
            bias: u64::MAX - 4095,
            build_id: Some("0a0b".to_owned()),
            code: vec![Code {
                start: 0x5555_5555_5000,
                end: 0x5555_5555_7000,
                offset: 0x1000,
            }],
        }],
        names: Names {
            named: 5,
            unnamed: 2,
            symbols: Symbols::Known,
            lines: Lines::TooDear {
                ns: u64::MAX,
                bytes: 90 << 20,
            },
            legacy: true,
        },
        app_crates: vec!["shop".to_owned()],
    }
}

fn there_and_back(dump: &Dump) -> Result<Dump, String> {
    let text = Value::from(to_json(dump)).to_string();
    from_json(&serde_json::from_str(&text).unwrap())
}

#[test]
fn nothing_is_lost_on_the_way() {
    assert_eq!(there_and_back(&dump()), Ok(dump()));
    assert_eq!(there_and_back(&Dump::default()), Ok(Dump::default()));
}

#[test]
fn every_word_comes_back() {
    for (answer, _) in words::ANSWERS {
        let mut dump = dump();
        dump.threads[0].answer = answer;
        assert_eq!(there_and_back(&dump), Ok(dump));
    }
    for (end, _) in words::ENDS {
        let mut dump = dump();
        dump.threads[0].end = end;
        assert_eq!(there_and_back(&dump), Ok(dump));
    }
    for (symbols, _) in words::SYMBOLS {
        for (lines, _) in words::LINES {
            let mut dump = dump();
            (dump.names.symbols, dump.names.lines) = (symbols, lines);
            assert_eq!(there_and_back(&dump), Ok(dump));
        }
    }
}

#[test]
fn a_frame_that_threads_share_is_written_once() {
    let json = to_json(&dump());
    assert_eq!(json["frames"].as_array().unwrap().len(), 4);
    assert_eq!(json["threads"][1]["frames"], json!([1, 3, 2]));
    assert_eq!(json["frames"][2], json!({"address": "0xffffffffffffffff"}));
}

#[test]
fn what_a_later_version_adds_is_ignored() {
    let mut json = Value::from(to_json(&dump()));
    json["sections"] = json!([{"title": "RUN"}]);
    json["threads"][0]["mood"] = json!({"good": true});
    assert_eq!(from_json(&json), Ok(dump()));
}

#[test]
fn what_is_wrong_is_named() {
    let check = |place: &str, value: Value, expected: &str| {
        let mut json = Value::from(to_json(&dump()));
        *json.pointer_mut(place).unwrap() = value;
        assert_eq!(from_json(&json).unwrap_err(), expected, "{place}");
    };
    check("/threads", json!(7), "threads: a list is wanted");
    check("/threads/0", json!([]), "threads: an object is wanted");
    check(
        "/threads/0/tid",
        json!(1_u64 << 32),
        "tid: 4294967296 is too large",
    );
    check("/threads/0/tid", json!(-1), "tid: a whole number is wanted");
    check("/threads/0/name", json!(1), "name: a text is wanted");
    check(
        "/threads/0/end",
        json!("heaven"),
        "end: one of the words that this version knows is wanted",
    );
    check(
        "/threads/0/frames/0",
        json!(4),
        "threads.frames: a place in data.frames is wanted",
    );
    check(
        "/frames/0/module",
        json!(1),
        "module: a place in data.modules is wanted",
    );
    check(
        "/frames/0/address",
        json!("0x+1"),
        "address: an address like \"0x7f00\" is wanted",
    );
    check("/app_crates/0", json!(null), "app_crates: a text is wanted");
    assert_eq!(
        from_json(&json!([])).unwrap_err(),
        "data: an object is wanted"
    );
}

#[test]
fn a_hostile_sender_is_bounded() {
    let long = |count: usize| Value::from(vec![0; count]);
    let check = |place: &str, value: Value, expected: &str| {
        let mut json = Value::from(to_json(&dump()));
        *json.pointer_mut(place).unwrap() = value;
        assert_eq!(from_json(&json).unwrap_err(), expected, "{place}");
    };
    check(
        "/threads",
        long(65_537),
        "threads: 65537 of them, at most 65536",
    );
    check(
        "/threads/0/frames",
        long(4097),
        "frames: 4097 of them, at most 4096",
    );
    check(
        "/modules/0/path",
        json!("x".repeat(65_537)),
        "path: 65537 bytes, at most 65536",
    );
    // A million frames: two bytes of JSON each.
    let frame = json!({"address": "0x1"});
    let thread = json!({"tid": 1, "frames": vec![0; 1000]});
    let json = json!({"frames": [frame], "threads": vec![thread; 1000]});
    assert_eq!(
        from_json(&json).unwrap_err(),
        "threads.frames: the stacks are too long altogether"
    );
}

#[test]
fn what_was_asked_comes_back() {
    let check = |asked: Asked| {
        let data = json!({"asked": asked_to_json(&asked)});
        assert_eq!(asked_from_json(&data), Ok(asked));
    };
    check(Asked::default());
    check(Asked {
        thread: Some("4713,worker".to_owned()),
        full: true,
        idle: true,
        full_names: true,
    });
    assert_eq!(
        asked_from_json(&json!({})).unwrap_err(),
        "asked: an object is wanted"
    );
}
