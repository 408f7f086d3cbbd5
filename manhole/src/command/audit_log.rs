//! Who asked what: every command is handed on to whoever listens, and the last ones are kept.

use super::audit_ring::{Kept, Kind, Ring};
use crate::{
    model::{Caller, Code, Dialect, Failure, Level, order},
    sys::unix_now_ns,
};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

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
    /// Whether what it asks for may change the process.
    pub changes: bool,
    /// The masked, escaped line.
    pub line: String,
}

impl Entry {
    fn kind(&self, result: &str) -> Kind {
        match self {
            Entry {
                admitted: false, ..
            } => Kind::Stranger,
            _ if result == Code::Denied.name() => Kind::Refusal,
            Entry { changes: true, .. } => Kind::Change,
            _ => Kind::Question,
        }
    }

    /// The record of this entry, as far as it is known before the result is. It is made before a
    /// command runs: memory that stays should lie below what the command takes and gives back.
    pub(crate) fn draft(&self) -> Record {
        Record {
            time_unix_ns: 0,
            connection: self.caller.connection,
            uid: self.caller.uid,
            gid: self.caller.gid,
            pid: self.caller.pid,
            client: self.client.as_deref().map(shorten),
            dialect: self.dialect.name(),
            level: self.admitted.then_some(self.caller.level),
            line: shorten(&self.line),
            result: "begun",
            bytes: 0,
            elapsed_ms: 0,
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

/// What is kept, and who is told.
pub(crate) struct AuditLog {
    rings: Mutex<[Ring; 4]>,
    listener: Box<dyn Listener>,
}

impl AuditLog {
    /// Nothing kept yet.
    pub(crate) fn new(listener: Box<dyn Listener>) -> Self {
        let kinds = [Kind::Change, Kind::Refusal, Kind::Question, Kind::Stranger];
        Self {
            rings: Mutex::new(kinds.map(Ring::new)),
            listener,
        }
    }

    /// Adds what became of a call.
    pub(crate) fn add(&self, entry: &Entry, result: &'static str, bytes: u64, elapsed_ms: u64) {
        let record = Record {
            result,
            bytes,
            elapsed_ms,
            ..entry.draft()
        };
        self.finish(entry, record);
    }

    /// Adds a record that was drafted from `entry` and has its result by now.
    pub(crate) fn finish(&self, entry: &Entry, mut record: Record) {
        record.time_unix_ns = unix_now_ns();
        self.listener.record(&record);
        let kind = entry.kind(record.result);
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ring) = rings.iter_mut().find(|ring| ring.kind() == kind) {
            ring.add(record);
        }
    }

    /// Adds that something is about to change the process, and waits a moment for the listener to
    /// have it: if the change kills the process, it is known who asked.
    pub(crate) fn add_before(&self, entry: &Entry) {
        self.add(entry, "begun", 0, 0);
        self.listener.settle(Duration::from_secs(1));
    }

    /// How many records whoever listens was not told, since it is slow or panics.
    pub(crate) fn dropped(&self) -> u64 {
        self.listener.dropped()
    }

    /// What is kept, oldest first.
    ///
    /// # Errors
    /// `no-memory`: it may be some 80 KB.
    pub(crate) fn kept(&self) -> Result<Vec<Kept>, Failure> {
        let rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Vec::new();
        all.try_reserve(rings.iter().map(|ring| ring.iter().count()).sum())
            .map_err(|_| Failure::no_memory("the audit"))?;
        all.extend(rings.iter().flat_map(Ring::iter).cloned());
        drop(rings);
        order::sort_by_key(&mut all, |kept| kept.record.time_unix_ns);
        Ok(all)
    }

    /// The records kept, oldest first.
    #[cfg(test)]
    pub(crate) fn records(&self) -> Vec<Record> {
        let kept = self.kept().unwrap().into_iter();
        kept.map(|kept| kept.record).collect()
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
            changes: false,
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

    fn lines(log: &AuditLog, kind: Kind) -> Vec<String> {
        let kept = log
            .kept()
            .unwrap()
            .into_iter()
            .filter(|kept| kept.kind == kind);
        kept.map(|kept| kept.record.line).collect()
    }

    #[test]
    fn the_newest_are_kept_and_all_are_passed_on() {
        let seen = std::sync::Arc::default();
        let log = AuditLog::new(Box::new(Counter(std::sync::Arc::clone(&seen))));
        let most = Kind::Question.most();
        for i in 0..most + 5 {
            log.add(&entry(&format!("line {i}")), "ok", 0, 0);
        }
        let records = log.records();
        assert_eq!(records.len(), most);
        assert_eq!(records[0].line, "line 5");
        assert_eq!(seen.load(std::sync::atomic::Ordering::Relaxed), most + 5);
    }

    #[test]
    fn neither_questions_nor_refusals_nor_strangers_wash_a_change_away() {
        let log = AuditLog::new(Box::new(Nobody));
        let change = Entry {
            changes: true,
            ..entry("gc run")
        };
        log.add_before(&change);
        log.add(&change, "ok", 0, 0);
        log.add(&entry("env"), "denied", 0, 0);
        let stranger = Entry {
            admitted: false,
            ..entry("(connect)")
        };
        for i in 0..2000 {
            log.add(&entry(&format!("help {i}")), "unknown", 0, 0);
            log.add(&stranger, "denied", 0, 0);
        }
        assert_eq!(lines(&log, Kind::Change), ["gc run", "gc run"]);
        assert_eq!(lines(&log, Kind::Refusal), ["env"]);
        assert_eq!(lines(&log, Kind::Stranger), ["(connect)"]);
        for i in 0..2000 {
            log.add(&entry(&format!("gc run {i}")), "denied", 0, 0);
        }
        assert_eq!(lines(&log, Kind::Change), ["gc run", "gc run"]);
        assert_eq!(lines(&log, Kind::Refusal).len(), Kind::Refusal.most());
        let most = [Kind::Change, Kind::Refusal, Kind::Question, Kind::Stranger];
        let most: usize = most.map(Kind::most).iter().sum();
        assert!(log.records().len() <= most);
    }

    #[test]
    fn whoever_has_most_gives_way_first() {
        let log = AuditLog::new(Box::new(Nobody));
        log.add(&entry("mine"), "ok", 0, 0);
        let mut other = entry("");
        other.caller.uid = 7;
        for i in 0..2 * Kind::Question.most() {
            other.line = format!("theirs {i}");
            log.add(&other, "ok", 0, 0);
        }
        assert_eq!(lines(&log, Kind::Question)[0], "mine");
    }

    #[test]
    fn what_is_repeated_counts_but_for_changes() {
        let log = AuditLog::new(Box::new(Nobody));
        let change = Entry {
            changes: true,
            ..entry("gc run")
        };
        for _ in 0..3 {
            log.add(&entry("GET /metrics"), "ok", 0, 0);
            log.add(&entry("GET /metrics"), "denied", 0, 0);
            log.add(&change, "ok", 0, 0);
            log.add(&entry("version"), "ok", 0, 0);
        }
        let kept = log.kept().unwrap();
        let times = |line: &str, result: &str| -> Vec<u64> {
            let same = |kept: &&Kept| kept.record.line == line && kept.record.result == result;
            kept.iter().filter(same).map(|kept| kept.times).collect()
        };
        assert_eq!(times("GET /metrics", "ok"), [3]);
        assert_eq!(times("GET /metrics", "denied"), [3]);
        assert_eq!(times("version", "ok"), [3]);
        assert_eq!(times("gc run", "ok"), [1, 1, 1]);
        let scrape = kept.iter().find(|kept| kept.times == 3).unwrap();
        assert!(scrape.first_unix_ns < scrape.record.time_unix_ns);
    }

    #[test]
    fn lines_are_cut_and_escaped() {
        let record = entry(&format!("a\u{1b}[31m\n{}", "é".repeat(300))).draft();
        assert!(record.line.len() <= LINE, "{}", record.line.len());
        assert!(
            record.line.starts_with("a\\x1b[31m\\x0a"),
            "{}",
            record.line
        );
        assert!(record.line.ends_with('…'));
    }
}
