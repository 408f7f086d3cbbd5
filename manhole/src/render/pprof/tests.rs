//! Profiles read back by a decoder as simple as the format: field numbers to values.

use super::*;
use std::{
    io::Write,
    process::{Command, Stdio},
};

/// A field's value.
#[derive(Debug, PartialEq)]
enum Wire {
    Int(i64),
    Bytes(Vec<u8>),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Wire)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let value = match tag & 7 {
            0 => Wire::Int(varint(&mut bytes) as i64),
            2 => {
                let (field, rest) = {
                    let length = varint(&mut bytes) as usize;
                    bytes.split_at(length)
                };
                bytes = rest;
                Wire::Bytes(field.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, value));
    }
    fields
}

/// The messages of one field.
fn all(message: &[u8], number: u64) -> Vec<Vec<u8>> {
    let of = fields(message)
        .into_iter()
        .filter(|(field, _)| *field == number);
    of.map(|(_, value)| match value {
        Wire::Bytes(bytes) => bytes,
        Wire::Int(value) => panic!("{number} is the integer {value}"),
    })
    .collect()
}

/// An integer, 0 when it is left out.
fn int(message: &[u8], number: u64) -> i64 {
    let found = fields(message)
        .into_iter()
        .find(|(field, _)| *field == number);
    match found {
        Some((_, Wire::Int(value))) => value,
        None => 0,
        Some((_, other)) => panic!("{number} is {other:?}"),
    }
}

fn packed(message: &[u8], number: u64) -> Vec<i64> {
    let lists = all(message, number);
    let mut list: &[u8] = lists.first().map_or(&[], Vec::as_slice);
    let mut values = Vec::new();
    while !list.is_empty() {
        values.push(varint(&mut list) as i64);
    }
    values
}

fn encoded(profile: &Profile) -> Vec<u8> {
    let mut zipped = Vec::new();
    render(profile, &mut |piece| zipped.extend_from_slice(piece));
    let mut child = Command::new("gzip")
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&zipped));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

fn function(name: &str, mangled: &str, line: u32) -> Function {
    Function {
        name: name.to_owned(),
        mangled: Some(mangled.to_owned()),
        file: Some("/src/cache.rs".to_owned()),
        line: Some(line),
    }
}

fn sample_profile() -> Profile {
    let frame = |address, functions: Vec<Function>| Frame {
        address,
        module: Some(0),
        uncertain: false,
        functions: functions.into(),
        inlines_known: true,
    };
    let lookup = || function("checkout::Cache<T>::lookup", "_RNvCheckoutLookup", 41);
    Profile {
        sample_types: vec![
            ValueType::new("samples", "count"),
            ValueType::new("cpu", "nanoseconds"),
        ],
        default_type: Some("cpu"),
        period_type: Some(ValueType::new("cpu", "nanoseconds")),
        period: 10_101_010,
        time_unix_ns: 1_795_270_831_123_456_789,
        duration_ns: 5_000_000_000,
        modules: vec![
            Module {
                path: "/usr/bin/checkout".to_owned(),
                binary: true,
                start: 0x5555_0000_0000,
                end: 0x5555_0010_0000,
                build_id: Some("c0ffee".to_owned()),
                code: vec![Code {
                    start: 0x5555_0000_1000,
                    end: 0x5555_0001_0000,
                    offset: 0x1000,
                }],
                ..Module::default()
            },
            Module::default(),
        ],
        frames: vec![
            frame(
                0x5555_0000_1000,
                vec![function("inlined", "_RInlined", 7), lookup()],
            ),
            frame(0x5555_0000_2000, vec![lookup()]),
            Frame {
                address: 0x7fff_0000,
                ..Frame::default()
            },
        ],
        samples: vec![
            Sample {
                frames: vec![0, 1, 2],
                values: vec![3, 30_303_030],
                labels: vec![Label {
                    key: "thread".to_owned(),
                    value: LabelValue::Text("worker".to_owned()),
                }],
            },
            Sample {
                frames: vec![1],
                values: vec![-1, 0],
                labels: vec![Label {
                    key: "bytes".to_owned(),
                    value: LabelValue::Number(512, "bytes"),
                }],
            },
        ],
        comments: vec!["0 dropped".to_owned()],
        drop_frames: "malloc|__rust_alloc",
    }
}

#[test]
fn everything_comes_back() {
    let bytes = encoded(&sample_profile());
    let strings = all(&bytes, 6);
    let string = |place: i64| String::from_utf8(strings[place as usize].clone()).unwrap();
    assert_eq!(string(0), "");

    let kinds: Vec<_> = all(&bytes, 1)
        .iter()
        .map(|kind| (string(int(kind, 1)), string(int(kind, 2))))
        .collect();
    assert_eq!(
        kinds,
        [("samples", "count"), ("cpu", "nanoseconds")].map(|(a, b)| (a.into(), b.into()))
    );
    assert_eq!(string(int(&bytes, 14)), "cpu");
    assert_eq!(string(int(&bytes, 7)), "malloc|__rust_alloc");
    assert_eq!(int(&bytes, 9), 1_795_270_831_123_456_789);
    assert_eq!(int(&bytes, 10), 5_000_000_000);
    assert_eq!(int(&bytes, 12), 10_101_010);
    assert_eq!(string(packed(&bytes, 13)[0]), "0 dropped");

    let samples = all(&bytes, 2);
    assert_eq!(packed(&samples[0], 1), [1, 2, 3]);
    assert_eq!(packed(&samples[0], 2), [3, 30_303_030]);
    assert_eq!(packed(&samples[1], 2), [-1, 0]);
    let label = &all(&samples[0], 3)[0];
    assert_eq!(
        (string(int(label, 1)), string(int(label, 2))),
        ("thread".to_owned(), "worker".to_owned())
    );
    let label = &all(&samples[1], 3)[0];
    assert_eq!(
        (int(label, 2), int(label, 3), string(int(label, 4))),
        (0, 512, "bytes".to_owned())
    );

    let mappings = all(&bytes, 3);
    assert_eq!(mappings.len(), 2);
    let place = |mapping: &[u8]| [2, 3, 4].map(|field| int(mapping, field));
    assert_eq!(
        place(&mappings[0]),
        [0x5555_0000_1000, 0x5555_0001_0000, 0x1000]
    );
    assert_eq!(string(int(&mappings[0], 6)), "c0ffee");
    let known = |mapping: &[u8]| [7, 8, 9, 10].map(|field| int(mapping, field));
    assert_eq!(known(&mappings[0]), [1, 1, 1, 1]);
    assert_eq!(known(&mappings[1]), [1, 0, 0, 0]);

    let locations = all(&bytes, 4);
    let ids: Vec<_> = locations.iter().map(|location| int(location, 1)).collect();
    assert_eq!(ids, [1, 2, 3]);
    assert_eq!(int(&locations[2], 2), 0, "no module stands behind it");
    let lines = all(&locations[0], 4);
    assert_eq!(
        (int(&lines[0], 2), int(&lines[1], 2)),
        (7, 41),
        "innermost first"
    );
    let outer = int(&all(&locations[1], 4)[0], 1);
    assert_eq!(int(&lines[1], 1), outer, "one function, one id");

    let functions = all(&bytes, 5);
    assert_eq!(functions.len(), 2);
    let lookup = &functions[outer as usize - 1];
    assert_eq!(string(int(lookup, 2)), "checkout::Cache<T>::lookup");
    assert_eq!(string(int(lookup, 3)), "_RNvCheckoutLookup");
    assert_eq!(string(int(lookup, 4)), "/src/cache.rs");
}

#[test]
fn an_empty_profile_is_a_valid_file() {
    let empty = Profile {
        sample_types: vec![ValueType::new("contentions", "count")],
        ..Profile::default()
    };
    let bytes = encoded(&empty);
    assert_eq!(all(&bytes, 1).len(), 1);
    assert_eq!(all(&bytes, 6)[0], b"");
    assert_eq!(all(&bytes, 2).len(), 0);
}

#[test]
fn a_large_profile_is_handed_on_in_pieces() {
    let mut profile = sample_profile();
    profile.samples = (0..50_000)
        .map(|n| Sample {
            frames: vec![n % 3],
            values: vec![i64::from(n), 1],
            labels: Vec::new(),
        })
        .collect();
    let (mut pieces, mut largest) = (0, 0);
    render(&profile, &mut |piece| {
        pieces += 1;
        largest = largest.max(piece.len());
    });
    assert!(pieces > 5 && largest <= 16 << 10, "{pieces} {largest}");
    assert_eq!(all(&encoded(&profile), 2).len(), 50_000);
}

#[test]
fn each_segment_of_code_is_a_mapping() {
    let code = |start| Code {
        start,
        end: start + 0x100,
        offset: start & 0xfff,
    };
    let module = |code: Vec<Code>| Module {
        start: 0x1000,
        end: 0x9000,
        code,
        ..Module::default()
    };
    let frame = |module, address| Frame {
        module,
        address,
        ..Frame::default()
    };
    let profile = Profile {
        modules: vec![
            module(vec![code(0x1100), code(0x3300)]),
            module(Vec::new()),
            module(vec![code(0x5500)]),
        ],
        frames: vec![
            frame(Some(0), 0x1180),
            frame(Some(0), 0x33ff),
            frame(Some(0), 0x8000),
            frame(Some(1), 0x1180),
            frame(Some(2), 0x5500),
            frame(None, 0x5500),
        ],
        ..Profile::default()
    };
    let bytes = encoded(&profile);
    let starts: Vec<i64> = all(&bytes, 3)
        .iter()
        .map(|mapping| int(mapping, 2))
        .collect();
    assert_eq!(starts, [0x1100, 0x3300, 0x1000, 0x5500]);
    let locations = all(&bytes, 4);
    let mappings: Vec<i64> = locations.iter().map(|location| int(location, 2)).collect();
    assert_eq!(mappings, [1, 2, 1, 3, 4, 0]);
}
