//! Hostile bytes for a terminal: nothing that it would obey is left, and nothing else is changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::escape;

fuzz_target!(|data: &[u8]| {
    let text = escape::bytes(data);
    assert!(!text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')));
    assert_eq!(escape::line(&text), text);
    assert!(!escape::one_line(&text).contains(['\n', '\t']));
    if data
        .iter()
        .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'))
    {
        assert_eq!(text.as_bytes(), data);
    }
});
