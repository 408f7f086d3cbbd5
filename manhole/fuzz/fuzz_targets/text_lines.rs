//! Lines: the same events whatever the pieces, and only clean lines within the bound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::{
    LINE_MAX,
    text::{LineEvent, Lines},
};
use manhole_fuzz::split;

fn events(pieces: &[&[u8]]) -> Vec<LineEvent> {
    let mut lines = Lines::default();
    let mut events = Vec::new();
    for piece in pieces {
        lines.feed(piece);
        events.extend(lines.by_ref());
    }
    events
}

fuzz_target!(|data: &[u8]| {
    let Some((input, pieces)) = split(data) else {
        return;
    };
    let whole = events(&[input]);
    assert_eq!(events(&pieces), whole);
    let ends = input.iter().filter(|byte| **byte == b'\n').count();
    assert!(whole.len() <= ends + 1);
    for event in whole {
        if let LineEvent::Line(line) = event {
            assert!(line.len() < LINE_MAX);
            assert!(!line.contains(|c: char| c.is_control() && c != '\t'));
        }
    }
});
