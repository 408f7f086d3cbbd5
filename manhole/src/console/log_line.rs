//! The console's own lines: where it listens or why it does not, and what the audit passes on.

use super::{Console, Status};
use crate::{
    app::{messages, relay::Relay},
    command::{Listener, Record},
    sys,
};
use std::{sync::Arc, time::Duration};

type Lines = Arc<dyn Fn(&str) + Send + Sync>;
type Audit = Arc<dyn Fn(&Record) + Send + Sync>;

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

    /// Writes one line; what standard error does not take at once is kept for `info` and for later.
    ///
    /// Standard error may be a pipe that is full or has no reader left, and std's lock may be held by a
    /// thread stuck in such a pipe: that is no reason to end or to stop a process.
    pub(super) fn line(&self, line: &str) {
        if let Some(sink) = &self.sink {
            // The application's own code may panic; install must not.
            let told = || sink(line);
            return drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(told)));
        }
        let text = format!("{line}\n");
        if sys::leader::offer(std::io::stderr(), text.as_bytes()).is_err() {
            messages::note(line.trim_start_matches("manhole: "));
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
        AUDIT.disconnect();
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

    fn dropped(&self) -> u64 {
        AUDIT.dropped()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::in_a_child;
    use std::io::{Read, Write, pipe};

    #[test]
    fn a_standard_error_that_nobody_reads_keeps_nobody_waiting() {
        let (mut reader, mut writer) = pipe().unwrap();
        in_a_child(|| {
            nix::unistd::alarm::set(20);
            nix::unistd::dup2_stderr(&writer).unwrap();
            writer.write_all(&vec![0; 64 << 10]).unwrap();
            Log::new(None).line("manhole: lost");
            let kept = messages::recent();
            kept.last().is_some_and(|message| message.text == "lost")
        });
        drop(writer);
        let mut written = Vec::new();
        reader.read_to_end(&mut written).unwrap();
        assert_eq!(written.len(), 64 << 10);
    }
}
