//! The builder and `install()`: the only place that knows all layers.

mod builder;
mod environment;
mod exit;
mod fork;
mod handle;
mod hooks;
mod island;
mod log_line;
mod rights;
mod start;
mod tick;

pub use builder::{AfterFork, Builder, Signal};
pub use handle::{Console, Status};

/// Installs the console with every default and returns its handle, which may be dropped.
///
/// Never fails, never panics, never ends the process, and waits 100 ms at most for the socket to be
/// ready. Without `log_to` one line on stderr says how to reach the console, or why there is none.
///
/// Call it after daemonising, dropping privileges and sandboxing: threads keep the capabilities, the
/// seccomp filter and the namespaces of their birth.
pub fn install() -> Console {
    builder().install()
}

/// Starts to describe a console that differs from the default.
pub fn builder() -> Builder {
    Builder::default()
}
