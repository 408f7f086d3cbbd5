//! `memory --deep`: what only walking tells, with what the walk cost.

use super::{super::gc::is_glibc, Line};
use crate::{probe::memory::Rollup, sys::malloc};
use std::time::Instant;

/// The figures of the second tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deep {
    /// The page tables' side.
    pub rollup: Option<Rollup>,
    /// libc's allocator's side; empty when the program brought its own.
    pub malloc: Option<malloc::Info>,
    /// What both took, in nanoseconds.
    pub took_ns: u64,
}

impl Deep {
    /// Walks the page tables, then the free lists.
    pub(super) fn measure() -> Self {
        let started = Instant::now();
        let rollup = Rollup::read();
        let malloc = is_glibc().then(malloc::info).flatten();
        Self {
            rollup,
            malloc,
            took_ns: u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The lines that stand below "anonymous".
    pub(super) fn lines(&self) -> Vec<Line> {
        let line = |key, words, now, remark: &str| Line {
            depth: 2,
            key,
            words,
            now,
            then: None,
            remark: remark.to_owned(),
        };
        let mut lines = Vec::new();
        if let Some(info) = &self.malloc {
            let used = info.used.saturating_add(info.mapped);
            lines.push(line(
                "malloc_used",
                "malloc, in use",
                Some(used),
                "by libc's books, swapped out or not",
            ));
            lines.push(line(
                "malloc_free",
                "malloc, free but held",
                Some(info.free),
                "gc run gives back what it can",
            ));
        }
        if let Some(rollup) = &self.rollup {
            lines.push(line(
                "lazily_freed",
                "given back lazily",
                rollup.lazily_freed,
                "still counted as resident",
            ));
            lines.push(line("huge_pages", "in huge pages", rollup.huge, ""));
            lines.push(line(
                "private",
                "private",
                rollup.private,
                "files included: free if the process ended",
            ));
            lines.push(line(
                "proportional",
                "proportional",
                rollup.proportional,
                "shared pages divided by their users",
            ));
        }
        lines
    }
}
