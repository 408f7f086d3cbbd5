//! Any bytes as unwind information, for both machines: every walk by it ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::stacks;

fuzz_target!(|data: &[u8]| stacks::rows(data));
