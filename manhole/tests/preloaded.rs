//! A service that is started with another `malloc`, by `LD_PRELOAD`: no feature is needed for those.
//!
//! A program of its own: `cargo test -p manhole --test preloaded`.

mod allocators;

use std::{path::Path, process::Command};

/// Says which allocator this process was started with.
const ROLE: &str = "MANHOLE_PRELOADED_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("jemalloc") => allocators::check(&allocators::Expected {
            name: "jemalloc 5.",
            purge: "jemalloc purge",
            counts: true,
            sampled: false,
            beside_libc: false,
        }),
        Ok("mimalloc") => allocators::check(&allocators::Expected {
            name: "mimalloc 2.",
            purge: "mimalloc collect",
            counts: false,
            sampled: false,
            beside_libc: false,
        }),
        _ => {
            again_with("jemalloc", "libjemalloc.so.2");
            again_with("mimalloc", "libmimalloc.so.2");
        }
    }
}

fn again_with(role: &str, library: &str) {
    let path = format!("/usr/lib/{}-linux-gnu/{library}", std::env::consts::ARCH);
    assert!(
        Path::new(&path).exists(),
        "{path} is missing: apt-get install libjemalloc2 libmimalloc2.0"
    );
    let exe = std::env::current_exe().expect("this program");
    let ended = Command::new(exe)
        .env(ROLE, role)
        .env("LD_PRELOAD", path)
        .env_remove("MANHOLE")
        .status()
        .expect("a service");
    assert!(ended.success(), "{role}: {ended}");
}
