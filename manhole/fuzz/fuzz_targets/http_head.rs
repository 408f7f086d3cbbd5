//! What follows a method: HTTP exactly when it completes a request line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::sniff::{Sniff, Sniffer};
use manhole_fuzz::begins_with_request_line;

fuzz_target!(|data: &[u8]| {
    let head = [b"GET /", data].concat();
    let sniff = Sniffer::default().feed(&head);
    assert_eq!(sniff == Sniff::Http, begins_with_request_line(&head));
    // More bytes never change what was decided, and 8 KiB decide everything.
    let longer = [&head[..], &[b'x'; 8192]].concat();
    let later = Sniffer::default().feed(&longer);
    assert!(sniff == Sniff::Need || sniff == later);
    assert_ne!(later, Sniff::Need);
});
