//! A hostile server, machine dialect: the same events whatever the pieces, none beyond its bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::{
    CHUNK_MAX,
    machine::{Decoder, Event},
};
use manhole_fuzz::split;

fn events(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        for event in decoder.by_ref() {
            if let Ok(Event::Data { payload, .. }) = &event {
                assert!(payload.len() <= CHUNK_MAX);
            }
            events.push(format!("{event:?}"));
        }
    }
    events.push(format!("{}", decoder.has_partial()));
    events
}

fuzz_target!(|data: &[u8]| {
    if let Some((input, pieces)) = split(data) {
        assert_eq!(events(&pieces), events(&[input]));
    }
});
