//! What the audit keeps, and what gives way to what.
//!
//! Changes, refusals, questions and strangers are kept apart, each with a bound of its own: by asking
//! or by being refused nobody can wash away what was changed here, and scrapers least of all. Within
//! each of them whoever has most gives way first, and what is repeated counts instead of filling.

use super::Record;
use std::collections::{BTreeMap, VecDeque};

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A command that may change the process: before it and after it.
    Change,
    /// A command that the caller may not run.
    Refusal,
    /// Any other command.
    Question,
    /// Somebody who was not let in.
    Stranger,
}

impl Kind {
    /// The word for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Change => "change",
            Kind::Refusal => "refusal",
            Kind::Question => "question",
            Kind::Stranger => "stranger",
        }
    }

    /// How many are kept.
    pub(crate) const fn most(self) -> usize {
        match self {
            Kind::Change => 128,
            Kind::Refusal => 64,
            Kind::Question => 256,
            Kind::Stranger => 32,
        }
    }
}

/// A record, and how often the same happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What it is about.
    pub kind: Kind,
    /// The last time.
    pub record: Record,
    /// How often.
    pub times: u64,
    /// When it happened first, in nanoseconds since the epoch.
    pub first_unix_ns: u64,
}

/// Records of one kind, oldest first.
pub(super) struct Ring {
    kind: Kind,
    kept: VecDeque<Kept>,
}

impl Ring {
    pub(super) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            kept: VecDeque::new(),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    /// The records, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter()
    }

    /// Adds a record; one that is equal to it, or the oldest of whoever has most, makes room.
    pub(super) fn add(&mut self, record: Record) {
        let mut new = Kept {
            kind: self.kind,
            first_unix_ns: record.time_unix_ns,
            times: 1,
            record,
        };
        if let Some(same) = self.take_same(&new.record) {
            new.times = same.times.saturating_add(1);
            new.first_unix_ns = same.first_unix_ns;
        } else if self.kept.len() >= self.kind.most() {
            self.make_room();
        }
        self.kept.push_back(new);
    }

    /// What changed something is never merged: when is the point of it.
    fn take_same(&mut self, record: &Record) -> Option<Kept> {
        if self.kind == Kind::Change {
            return None;
        }
        let same = |kept: &Kept| who_and_what(&kept.record) == who_and_what(record);
        self.kept.remove(self.kept.iter().position(same)?)
    }

    fn make_room(&mut self) {
        let mut counts = BTreeMap::<u32, usize>::new();
        for kept in &self.kept {
            *counts.entry(kept.record.uid).or_default() += 1;
        }
        let most = counts.values().max().copied();
        let gives_way = |kept: &Kept| counts.get(&kept.record.uid).copied() == most;
        self.kept
            .remove(self.kept.iter().position(gives_way).unwrap_or(0));
    }
}

/// All but when, from which process, and what it cost.
fn who_and_what(record: &Record) -> impl PartialEq + '_ {
    let who = (record.uid, record.gid, record.level, &record.client);
    (who, record.dialect, record.result, &record.line)
}
