//! Hostile bytes for a terminal: nothing it would obey is left, whatever the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::escape::{self, Sanitizer};
use manhole_fuzz::split;

fuzz_target!(|data: &[u8]| {
    let Some((input, pieces)) = split(data) else {
        return;
    };
    let whole = escape::bytes(input);
    let mut sanitizer = Sanitizer::default();
    let mut text: String = pieces.iter().map(|piece| sanitizer.feed(piece)).collect();
    text += &sanitizer.finish();
    assert_eq!(text, whole);
    assert!(!whole.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
    assert_eq!(escape::line(&whole), whole);
    assert!(!escape::one_line(&whole).contains(['\n', '\t']));
});
