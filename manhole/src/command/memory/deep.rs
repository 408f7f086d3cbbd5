//! `memory --deep`: what only walking tells, with what the walk cost.

use super::table::Line;
use crate::probe::{allocator::Look, memory::Rollup};
use std::time::Instant;

/// The figures of the second tier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deep {
    /// The page tables' side.
    pub rollup: Option<Rollup>,
    /// What both took, in nanoseconds.
    pub took_ns: u64,
}

impl Deep {
    /// Walks the page tables, then the free lists.
    pub(super) fn measure() -> (Look, Self) {
        let started = Instant::now();
        let rollup = Rollup::read();
        let look = Look::take(true);
        let took_ns = u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        (look, Self { rollup, took_ns })
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
