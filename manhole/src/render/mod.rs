//! Plain values to bytes: text, JSON, expvar, OpenMetrics. Pure.
//!
//! Whatever comes from the application or the kernel passes through [`escape`] here, so that neither
//! a terminal nor a table can be broken by it; commands hand over what they found as it is.

#![allow(unreachable_pub)] // the command-line client and the fuzzers use some of these

mod cell;
pub mod collapsed;
pub mod escape;
pub mod expvar;
pub mod goroutine;
pub mod json;
mod layout;
pub mod legacy;
pub(crate) mod mask;
pub mod openmetrics;
pub mod out;
pub mod pprof;
pub mod stacks;
pub mod text;
pub mod units;
pub(crate) mod words;

/// Which command of which process answered, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The command as it was called, without its arguments.
    pub command: String,
    /// Name of the process.
    pub name: String,
    /// Process id, as the process sees it.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// When the command began, in nanoseconds since the epoch.
    pub time_unix_ns: u64,
    /// How long it ran, in nanoseconds.
    pub elapsed_ns: u64,
}

#[cfg(test)]
impl Provenance {
    /// The one that the tests of the renderers share.
    fn sample() -> Self {
        Self {
            command: "threads".to_owned(),
            name: "checkout".to_owned(),
            pid: 4711,
            host: "web-17".to_owned(),
            time_unix_ns: 1_795_270_831_123_456_789,
            elapsed_ns: 3_000_000,
        }
    }
}
