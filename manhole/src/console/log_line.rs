//! The console's own lines: where it listens or why it does not, and what the audit passes on.

use super::{Console, Status};
use crate::{
    app::{messages, relay::Relay},
    command::{Listener, Record},
    sys,
};
use std::{os::fd::AsFd, sync::Arc, time::Duration};

type Lines = Arc<dyn Fn(&str) + Send + Sync>;
type Audit = Arc<dyn Fn(&Record) + Send + Sync>;

/// PIPE_BUF: a pipe that can be written to takes this much without waiting.
const AT_ONCE: usize = 4096;
/// Records that may wait for a slow callback.
const WAITING: usize = 256;

static AUDIT: Relay<Record> = Relay::new("audit callback", WAITING);

/// Where lines go while `install` runs: we are on the application's own thread then.
pub(super) struct Log {
    sink: Option<Lines>,
}

impl Log {
    pub(super) fn new(sink: Option<Lines>) -> Self {
        Self { sink }
    }

    /// Writes one line, or loses it: a log line is no reason to end or to stop a process.
    ///
    /// Standard error may be a pipe that is full or has no reader left, so it is asked first and
    /// written to at once, past std's lock, which a thread stuck in such a pipe may hold.
    pub(super) fn line(&self, line: &str) {
        if let Some(sink) = &self.sink {
            // The application's own code may panic; install must not.
            let told = || sink(line);
            return drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(told)));
        }
        let mut bytes = format!("{line}\n").into_bytes();
        bytes.truncate(AT_ONCE);
        let stderr = std::io::stderr();
        if sys::writable_now(stderr.as_fd()) {
            let _ = nix::unistd::write(stderr.as_fd(), &bytes);
        }
    }

    /// Says what became of the console.
    pub(super) fn say(&self, console: &Console) {
        match console.status() {
            Status::Listening => self.line(&listening(console)),
            Status::Starting => {
                self.line("manhole: still starting; the socket will be there in a moment")
            }
            Status::Dormant => self.line("manhole: dormant; its signal opens the socket"),
            Status::Failed(why) => self.line(&format!("manhole: no console: {why}")),
            // Whoever switched it off knows.
            Status::Disabled(_) | Status::Closed => {}
        }
    }
}

/// The line to paste.
fn listening(console: &Console) -> String {
    let (Some(path), Some(state)) = (console.path(), &console.inner.state) else {
        return "manhole: listening".to_owned();
    };
    format!("manhole: {}", super::island::invitation(&path, state))
}

/// Connects the audit with the application's callback and with the log facades.
pub(super) fn listener(audit: Option<Audit>) -> Box<dyn Listener> {
    let facades = cfg!(feature = "tracing") || cfg!(feature = "log");
    if audit.is_none() && !facades {
        return Box::new(crate::command::Nobody);
    }
    AUDIT.connect(move |record| {
        tell_facades(record);
        if let Some(audit) = &audit {
            audit(record);
        }
    });
    Box::new(Forward)
}

/// Connects later messages: to `log_to`, or to the facades; else the island takes them to stderr.
pub(super) fn connect_messages(log_to: Option<Lines>) {
    match log_to {
        Some(sink) => messages::log_to(move |line| sink(line)),
        None => drop(messages::to_facades()),
    }
}

struct Forward;

impl Listener for Forward {
    fn record(&self, record: &Record) {
        AUDIT.offer(record.clone());
    }

    fn settle(&self, patience: Duration) {
        AUDIT.settle(patience);
    }
}

fn tell_facades(record: &Record) {
    let _line = format!(
        "uid {} pid {} {} {}: {} ({} B, {} ms)",
        record.uid,
        record.pid,
        record.dialect,
        record.line,
        record.result,
        record.bytes,
        record.elapsed_ms
    );
    #[cfg(feature = "tracing")]
    tracing::info!(target: "manhole::audit", "{_line}");
    #[cfg(feature = "log")]
    log::info!(target: "manhole::audit", "{_line}");
}
