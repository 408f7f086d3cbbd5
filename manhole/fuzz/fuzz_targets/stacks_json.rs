//! Stacks as a hostile process sends them: a dump or an error, and every dump comes back as it went.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::stack::{from_json, to_json};

fuzz_target!(|data: &[u8]| {
    let Ok(value) = serde_json::from_slice(data) else {
        return;
    };
    if let Ok(dump) = from_json(&value) {
        assert_eq!(from_json(&to_json(&dump).into()), Ok(dump));
    }
});
