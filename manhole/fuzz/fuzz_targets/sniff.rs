//! Any first bytes: one outcome, whatever the pieces, and HTTP only for what is HTTP.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::sniff::{Sniff, Sniffer};
use manhole_fuzz::{begins_with_request_line, split};

fuzz_target!(|data: &[u8]| {
    let Some((input, pieces)) = split(data) else {
        return;
    };
    let whole = Sniffer::default().feed(input);
    let mut sniffer = Sniffer::default();
    let last = pieces.iter().map(|piece| sniffer.feed(piece)).last();
    assert_eq!(last.unwrap_or_default(), whole);
    assert_eq!(whole == Sniff::Http, begins_with_request_line(input));
});
