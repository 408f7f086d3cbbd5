//! A service with an allocator of its own, and what the console says of it: shared by the programs
//! `jemalloc`, `mimalloc` and `preloaded`, each of which can have one allocator only.

#[path = "../support/ask.rs"]
mod ask;

use ask::ask;
use serde_json::Value;
use std::{hint::black_box, path::Path, thread};

const MIB: u64 = 1 << 20;
/// What four threads allocate, in blocks of a KiB.
const HEAP: u64 = 64 * MIB;

/// What is expected of an allocator.
pub(crate) struct Expected {
    /// What its name begins with, the version's digits included.
    pub(crate) name: &'static str,
    /// The step of `gc run`.
    pub(crate) purge: &'static str,
    /// What of it is at least as much as was allocated.
    pub(crate) counts: &'static [&'static str],
    /// What it does not count, so that it is null.
    pub(crate) unknown: &'static [&'static str],
    /// What of that `--deep` tells.
    pub(crate) deep: &'static [&'static str],
    /// Whether C code has libc's.
    pub(crate) beside_libc: bool,
}

/// Fills the heap, empties it, and looks on through the console; ends the process when that shows
/// something else than it should.
pub(crate) fn check(expected: &Expected) {
    let dir = format!("/tmp/mh-allocators-{}", std::process::id());
    std::fs::create_dir(&dir).expect("a directory of our own");
    let console = manhole::builder().socket_dir(&dir).install();
    let path = console.path().expect("a socket");
    let stats = data(&path, "gc stats --json");
    let name = stats["allocator"].as_str().unwrap_or("unknown");
    assert!(name.starts_with(expected.name), "{name}");
    let of_c = stats["c_allocator"].as_str().unwrap_or("");
    assert_eq!(of_c.starts_with("glibc "), expected.beside_libc, "{of_c}");
    let heap = fill();
    let full = data(&path, "gc stats --json");
    let figure = |key: &str| full[key].as_u64();
    // Half a MiB a sample: 9 % is one standard deviation.
    assert!(figure("live_bytes") > Some(HEAP / 2), "{full}");
    assert!(figure("live_objects") > Some(10_000), "{full}");
    for key in expected.counts {
        assert!(figure(key) >= Some(HEAP), "{key}: {full}");
    }
    for key in expected.unknown {
        assert!(full[key].is_null(), "{key}: {full}");
    }
    let deep = data(&path, "gc stats --deep --json");
    for key in expected.deep {
        assert!(deep[key].is_u64(), "{key}: {deep}");
    }
    let memory = data(&path, "memory --json");
    assert!(
        memory["heap"]["live_bytes"].as_u64() > Some(HEAP / 2),
        "{memory}"
    );
    assert_eq!(memory["heap"]["allocator"], stats["allocator"]);
    drop(heap);
    let run = data(&path, "gc run --json");
    let steps = run["steps"].as_array().expect("steps");
    let purge = |step: &&Value| step["step"] == expected.purge;
    let step = steps.iter().find(purge).unwrap_or_else(|| panic!("{run}"));
    assert!(
        step["took_ns"].is_u64() && step["problem"].is_null(),
        "{step}"
    );
    let after = steps
        .last()
        .and_then(|step| step["resident_bytes"].as_u64());
    let before = full["resident_bytes"].as_u64();
    assert!(
        after < before.map(|bytes| bytes - HEAP / 2),
        "{before:?} {run}"
    );
    println!(
        "{name}: {} MiB full, {} after gc run",
        mib(before),
        mib(after)
    );
    drop(std::fs::remove_dir_all(&dir));
}

fn mib(bytes: Option<u64>) -> u64 {
    bytes.unwrap_or(0) / MIB
}

/// Threads that are gone when this returns; what they allocated is not.
fn fill() -> Vec<Vec<Vec<u8>>> {
    let part = || {
        let blocks = HEAP / 4 / 1024;
        (0..blocks)
            .map(|n| black_box(vec![n as u8; 1024]))
            .collect()
    };
    let threads: Vec<_> = (0..4).map(|_| thread::spawn(part)).collect();
    threads
        .into_iter()
        .map(|thread| thread.join().expect("a quarter of the heap"))
        .collect()
}

fn data(path: &Path, command: &str) -> Value {
    let reply = ask(path, command);
    let mut reply: Value = serde_json::from_str(reply.trim()).unwrap_or_else(|_| panic!("{reply}"));
    reply["data"].take()
}
