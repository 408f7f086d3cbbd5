//! Any bytes as the beginning of an image or as its notes: nothing is found outside its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manhole::fuzzing::stacks;

fuzz_target!(|data: &[u8]| assert!(stacks::image(data)));
