//! A whole conversation, sniffer and parser of its dialect: the events do not depend on the pieces.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::conversation;
use manhole_fuzz::split;

fuzz_target!(|data: &[u8]| {
    if let Some((input, pieces)) = split(data) {
        assert_eq!(conversation::events(pieces), conversation::events([input]));
    }
});
