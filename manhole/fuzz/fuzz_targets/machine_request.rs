//! Requests: no line is too odd to be answered, and what is understood can be written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::machine::{Requests, parse_request};
use manhole_fuzz::split;

fuzz_target!(|data: &[u8]| {
    let Some((input, pieces)) = split(data) else {
        return;
    };
    if let Ok(request) = parse_request(input) {
        assert_eq!(parse_request(request.encode().as_bytes()), Ok(request));
    }
    let mut whole = Requests::default();
    whole.feed(input);
    let whole: Vec<_> = whole.collect();
    let mut requests = Requests::default();
    let mut found = Vec::new();
    for piece in pieces {
        requests.feed(piece);
        found.extend(requests.by_ref());
    }
    assert_eq!(found, whole);
});
