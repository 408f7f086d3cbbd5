//! A hostile server, keep mode: the same frames whatever the pieces, none beyond its bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::{
    CHUNK_MAX,
    keep::{Decoder, Frame},
};
use manhole_fuzz::split;

fn frames(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        for frame in decoder.by_ref() {
            if let Ok(Frame::Data(payload)) = &frame {
                assert!(payload.len() <= CHUNK_MAX);
            }
            frames.push(format!("{frame:?}"));
        }
    }
    frames
}

fuzz_target!(|data: &[u8]| {
    if let Some((input, pieces)) = split(data) {
        assert_eq!(frames(&pieces), frames(&[input]));
    }
});
