//! Who asked what: a ring of the last 256 commands, handed on to whoever listens.

use crate::model::{Caller, Dialect, Level};
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How many commands are kept.
pub(crate) const KEPT: usize = 256;
/// How many of those who were not let in are kept, apart: by knocking nobody can wash away what was
/// done here.
const STRANGERS: usize = 32;
/// How many bytes of a command line are kept.
const LINE: usize = 256;

/// What happened, as the audit callback and the `audit` command see it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Wall-clock time when it was written, in nanoseconds since the epoch.
    pub time_unix_ns: u64,
    /// Number of the connection, from 1 in this process.
    pub connection: u64,
    /// Effective user id of the peer.
    pub uid: u32,
    /// Effective group id of the peer.
    pub gid: u32,
    /// Process id of the peer in our namespace, 0 outside it.
    pub pid: i32,
    /// What the peer calls itself; its own claim, escaped.
    pub client: Option<String>,
    /// `text`, `machine`, `http`.
    pub dialect: &'static str,
    /// The level the peer had; `None` when it was not let in.
    pub level: Option<Level>,
    /// The command line: escaped, at most 256 bytes, secrets masked.
    pub line: String,
    /// `begun`, `ok`, or an error code.
    pub result: &'static str,
    /// Bytes of the reply's body.
    pub bytes: u64,
    /// How long it took, in milliseconds.
    pub elapsed_ms: u64,
}

/// What one conversation knows before a command ends.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The peer.
    pub caller: Caller,
    /// Whether it was let in.
    pub admitted: bool,
    /// What it calls itself.
    pub client: Option<String>,
    /// Its dialect.
    pub dialect: Dialect,
    /// The masked, escaped line.
    pub line: String,
}

impl Entry {
    /// The record of this entry with its result.
    pub(crate) fn record(&self, result: &'static str, bytes: u64, elapsed_ms: u64) -> Record {
        Record {
            time_unix_ns: super::state::unix_now_ns(),
            connection: self.caller.connection,
            uid: self.caller.uid,
            gid: self.caller.gid,
            pid: self.caller.pid,
            client: self.client.as_deref().map(shorten),
            dialect: self.dialect.name(),
            level: self.admitted.then_some(self.caller.level),
            line: shorten(&self.line),
            result,
            bytes,
            elapsed_ms,
        }
    }
}

fn shorten(text: &str) -> String {
    let line = crate::render::escape::line(text).replace('\n', "\\x0a");
    match line
        .char_indices()
        .find(|(at, c)| at + c.len_utf8() > LINE - 3)
    {
        Some((at, _)) if line.len() > LINE => line.get(..at).unwrap_or("").to_owned() + "…",
        _ => line,
    }
}

/// Who is told of each record: the application's callback and its log, on the application's threads.
pub(crate) trait Listener: Send + Sync {
    /// Takes a record; must not block.
    fn record(&self, record: &Record);
    /// Waits until everything so far was handed over, for `patience` at most.
    fn settle(&self, patience: Duration);
    /// How many records it could not be told.
    fn dropped(&self) -> u64 {
        0
    }
}

/// Nobody listens; the ring is all there is.
pub(crate) struct Nobody;

impl Listener for Nobody {
    fn record(&self, _: &Record) {}
    fn settle(&self, _: Duration) {}
}

/// The last records of those who were let in and of those who were not.
#[derive(Default)]
struct Ring {
    guests: VecDeque<Record>,
    strangers: VecDeque<Record>,
}

/// The ring, and who is told.
pub(crate) struct AuditLog {
    ring: Mutex<Ring>,
    listener: Box<dyn Listener>,
}

impl AuditLog {
    /// An empty ring.
    pub(crate) fn new(listener: Box<dyn Listener>) -> Self {
        Self {
            ring: Mutex::default(),
            listener,
        }
    }

    /// Adds a record, dropping the oldest.
    pub(crate) fn add(&self, record: Record) {
        self.listener.record(&record);
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let (ring, most) = match record.level {
            Some(_) => (&mut ring.guests, KEPT),
            None => (&mut ring.strangers, STRANGERS),
        };
        if ring.len() >= most {
            ring.pop_front();
        }
        ring.push_back(record);
    }

    /// Adds the record of something that is about to change the process, and waits a moment for
    /// the listener to have it: if the change kills the process, it is known who asked.
    pub(crate) fn add_before(&self, record: Record) {
        self.add(record);
        self.listener.settle(Duration::from_secs(1));
    }

    /// How many records whoever listens was not told, since it is slow or panics.
    pub(crate) fn dropped(&self) -> u64 {
        self.listener.dropped()
    }

    /// The records kept, oldest first.
    pub(crate) fn records(&self) -> Vec<Record> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let all = ring.guests.iter().chain(&ring.strangers);
        let mut all: Vec<Record> = all.cloned().collect();
        crate::model::order::sort_by_key(&mut all, |record| record.time_unix_ns);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(line: &str) -> Entry {
        Entry {
            caller: Caller {
                uid: 1,
                gid: 2,
                pid: 3,
                level: Level::View,
                connection: 4,
            },
            admitted: true,
            client: None,
            dialect: Dialect::Text,
            line: line.to_owned(),
        }
    }

    struct Counter(std::sync::Arc<std::sync::atomic::AtomicUsize>);

    impl Listener for Counter {
        fn record(&self, _: &Record) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        fn settle(&self, _: Duration) {}
    }

    #[test]
    fn the_ring_keeps_the_newest_and_all_are_passed_on() {
        let seen = std::sync::Arc::default();
        let log = AuditLog::new(Box::new(Counter(std::sync::Arc::clone(&seen))));
        for i in 0..KEPT + 5 {
            log.add(entry(&format!("line {i}")).record("ok", 0, 0));
        }
        let records = log.records();
        assert_eq!(records.len(), KEPT);
        assert_eq!(records[0].line, "line 5");
        assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), KEPT + 5);
    }

    #[test]
    fn strangers_wash_nothing_away() {
        let log = AuditLog::new(Box::new(Nobody));
        log.add(entry("gc run").record("ok", 0, 0));
        let stranger = Entry {
            admitted: false,
            ..entry("(connect)")
        };
        for _ in 0..2 * KEPT {
            log.add(stranger.record("denied", 0, 0));
        }
        log.add(entry("version").record("ok", 0, 0));
        let records = log.records();
        assert_eq!(records.len(), 2 + STRANGERS);
        let ends = [0, 1 + STRANGERS].map(|at| records[at].line.as_str());
        assert_eq!(ends, ["gc run", "version"]);
    }

    #[test]
    fn lines_are_cut_and_escaped() {
        let record = entry(&format!("a\u{1b}[31m\n{}", "é".repeat(300))).record("ok", 0, 0);
        assert!(record.line.len() <= LINE, "{}", record.line.len());
        assert!(
            record.line.starts_with("a\\x1b[31m\\x0a"),
            "{}",
            record.line
        );
        assert!(record.line.ends_with('…'));
    }
}
