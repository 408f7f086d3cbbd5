//! Profiles made by hand, whole and damaged.

use super::*;

/// A message's field.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// Fields with small numbers.
fn numbers(fields: &[(u8, u8)]) -> Vec<u8> {
    fields
        .iter()
        .flat_map(|(field, value)| [field << 3, *value])
        .collect()
}

const STRINGS: [&str; 9] = [
    "",
    "samples",
    "count",
    "cpu",
    "nanoseconds",
    "/usr/bin/shop",
    "main",
    "_ZN1f",
    "slow",
];

/// Two types, a main and an inlined function, an address without a name.
fn profile(strings: &[&str]) -> Vec<u8> {
    let line = |function| field(4, &numbers(&[(1, function)]));
    let mut parts = vec![
        field(1, &numbers(&[(1, 1), (2, 2)])),
        field(1, &numbers(&[(1, 3), (2, 4)])),
        field(2, &[field(1, &[2, 1]), field(2, &[1, 10])].concat()),
        field(
            2,
            &[
                field(1, &[3]),
                field(2, &[2, 20]),
                field(3, &numbers(&[(1, 1)])),
            ]
            .concat(),
        ),
        field(3, &numbers(&[(1, 1), (5, 5)])),
        field(4, &[numbers(&[(1, 1), (2, 1)]), line(1)].concat()),
        field(4, &[numbers(&[(1, 2), (2, 1)]), line(2), line(1)].concat()),
        field(4, &numbers(&[(1, 3), (2, 1)])),
        field(5, &numbers(&[(1, 1), (2, 6)])),
        field(5, &numbers(&[(1, 2), (3, 7)])),
        numbers(&[(9, 77), (10, 99), (14, 1)]),
        field(13, &[8, 6]),
    ];
    parts.extend(strings.iter().map(|string| field(6, string.as_bytes())));
    parts.concat()
}

#[test]
fn a_profile_is_read_leaf_first_with_inlined_functions() {
    let profile = decode(&profile(&STRINGS)).unwrap();
    let kinds: Vec<&str> = profile.types.iter().map(|t| t.kind.as_str()).collect();
    assert_eq!(kinds, ["samples", "cpu"]);
    assert_eq!(
        (profile.default, profile.began_unix_ns, profile.duration_ns),
        (0, 77, 99)
    );
    assert_eq!(profile.binary, "/usr/bin/shop");
    assert_eq!(profile.comments, ["slow", "main"]);
    let stacks: Vec<String> = profile
        .stacks
        .iter()
        .map(|stack| {
            let names: Vec<&str> = stack.frames.iter().map(|f| profile.name(*f)).collect();
            format!("{} {:?}", names.join(";"), stack.values)
        })
        .collect();
    assert_eq!(stacks, ["_ZN1f;main;main [1, 10]", "[shop] [2, 20]"]);
}

#[test]
fn damage_is_an_error_and_never_a_wrong_profile() {
    let check = |bytes: &[u8], expected: &str| {
        let error = decode(bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let whole = profile(&STRINGS);
    check(&profile(&STRINGS[..8]), "a string is missing");
    check(&whole[..whole.len() - 1], "no profile, or a damaged one");
    check(
        &[whole.clone(), field(2, &field(1, &[9]))].concat(),
        "an address that is missing",
    );
    let nameless = field(
        4,
        &[numbers(&[(1, 4)]), field(4, &numbers(&[(1, 9)]))].concat(),
    );
    check(&[whole.clone(), nameless].concat(), "a function is missing");
    check(&[whole, field(2, &[0xff])].concat(), "damaged one: ");
    check(&[], "what was counted");
}

#[test]
fn no_cut_and_no_flipped_byte_panics() {
    let whole = profile(&STRINGS);
    for at in 0..whole.len() {
        let _ = decode(&whole[..at]);
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let _ = decode(&flipped);
        }
    }
}

#[test]
fn what_would_not_fit_into_memory_is_refused() {
    let refused = |bytes: &[u8], expected: &str| {
        let error = within(1 << 20, bytes).unwrap_err();
        assert!(error.contains(expected), "{error}");
    };
    let whole = profile(&STRINGS);
    let many = [whole.clone(), [0x12, 0].repeat((1 << 20) / ENTRY)].concat();
    refused(&many, "over 1 MiB");
    // An address with many inlined functions, in many stacks.
    let lines = field(4, &numbers(&[(1, 1)])).repeat(20);
    let place = field(4, &[numbers(&[(1, 5)]), lines].concat());
    let stack = field(2, &field(1, &[5; 100]));
    refused(&[whole, place, stack.repeat(500)].concat(), "over 1 MiB");
    let long = [
        &[0x32, 0x81, 0x80, 0x80, 0x02][..],
        &vec![b'a'; LONGEST + 1],
    ]
    .concat();
    refused(&long, "has an entry of 4194305 bytes");
}
