//! A service on libc's `malloc`, and one that is started with another by `LD_PRELOAD`: no feature is
//! needed for either.
//!
//! A program of its own: `cargo test -p manhole --test preloaded`.

mod allocators;

use allocators::Expected;
use std::{path::Path, process::Command};

#[global_allocator]
static ALLOC: manhole::Alloc = manhole::Alloc::system();

/// Says which allocator this process was started with.
const ROLE: &str = "MANHOLE_PRELOADED_ROLE";

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("libc") => allocators::check(&Expected {
            name: "glibc 2.",
            purge: "glibc malloc_trim",
            counts: &[],
            unknown: &["used_bytes", "free_bytes"],
            deep: &["used_bytes", "free_bytes"],
            beside_libc: false,
        }),
        Ok("jemalloc") => allocators::check(&Expected {
            name: "jemalloc 5.",
            purge: "jemalloc purge",
            counts: &["used_bytes", "held_bytes"],
            unknown: &[],
            deep: &[],
            beside_libc: false,
        }),
        Ok("mimalloc") => allocators::check(&Expected {
            name: "mimalloc 2.",
            purge: "mimalloc collect",
            counts: &["taken_bytes"],
            unknown: &["used_bytes", "held_bytes"],
            deep: &[],
            beside_libc: false,
        }),
        _ => {
            again_with("libc", None);
            again_with("jemalloc", Some("libjemalloc.so.2"));
            again_with("mimalloc", Some("libmimalloc.so.2"));
        }
    }
}

fn again_with(role: &str, library: Option<&str>) {
    let mut service = Command::new(std::env::current_exe().expect("this program"));
    service.env(ROLE, role).env_remove("MANHOLE");
    if let Some(library) = library {
        let path = format!("/usr/lib/{}-linux-gnu/{library}", std::env::consts::ARCH);
        assert!(
            Path::new(&path).exists(),
            "{path} is missing: apt-get install libjemalloc2 libmimalloc2.0"
        );
        service.env("LD_PRELOAD", path);
    }
    let ended = service.status().expect("a service");
    assert!(ended.success(), "{role}: {ended}");
}
