//! Which allocator a program has that says nothing of it. Those that bring one of their own are programs
//! of the library's tests.

use crate::{setup, stacked};
use manhole_tests::{built::Build, text, victim::Victim};
use serde_json::Value;
use std::path::Path;

#[track_caller]
fn data(socket: &Path, command: &str) -> Value {
    let reply = text::run(socket, &format!("{command} --json"));
    let mut reply: Value = serde_json::from_str(&reply).expect(&reply);
    reply["data"].take()
}

#[track_caller]
fn check(mut victim: Victim) {
    let socket = victim.socket();
    let stats = data(&socket, "gc stats");
    let name = stats["allocator"].as_str().expect("an allocator");
    assert!(name.starts_with("glibc "), "{name}");
    for unknown in ["c_allocator", "live_bytes", "used_bytes", "free_bytes"] {
        assert!(stats[unknown].is_null(), "{unknown}: {stats}");
    }
    let deep = data(&socket, "gc stats --deep");
    for known in ["used_bytes", "free_bytes", "measured_ns"] {
        assert!(deep[known].is_u64(), "{known}: {deep}");
    }
    let memory = data(&socket, "memory");
    assert_eq!(memory["heap"]["allocator"], stats["allocator"]);
    assert!(memory["heap"]["live_bytes"].is_null(), "{memory}");
}

#[test]
fn a_program_that_says_nothing_allocates_with_malloc() {
    check(setup().install());
}

/// A block that an optimiser has asked of `calloc` is not the one that was freed last.
#[test]
fn an_optimised_program_does_as_well() {
    check(stacked(Build::Release).install());
}
