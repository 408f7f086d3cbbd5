//! What the benchmarks share: a service in a process of its own, clients, figures and a table.
//!
//! A benchmark starts itself again in a role (`--role NAME`), so that what is measured lives in a
//! process of its own, as a console does, and everything that is compared runs in turns within one
//! run: on a noisy machine a ratio of medians holds where a figure does not. Nothing asserts on time.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each benchmark uses its part of this"
)]

pub mod figures;
pub mod floor;
pub mod process;
pub mod service;
pub mod waiting;
pub mod wire;

pub use figures::{Figures, Table};
pub use service::Service;

/// The role this process was started in, if it is not the benchmark itself.
pub fn role() -> Option<String> {
    let mut args = std::env::args().skip(1);
    args.find(|arg| arg == "--role").and_then(|_| args.next())
}

/// A number from the environment, to make a run longer or shorter: `name=value cargo bench`.
pub fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name).ok();
    value.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Says once what was run where: the head of every table.
pub fn heading(title: &str) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let model = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("?".to_owned(), |(_, name)| name.to_owned());
    let load = read("/proc/loadavg");
    println!(
        "\n## {title}\n\n{cores} cores of {model}, Linux {}, load {}\n",
        read("/proc/sys/kernel/osrelease").trim(),
        load.split(' ').next().unwrap_or("?"),
    );
}
