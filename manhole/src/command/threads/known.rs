//! What stacks add to what the kernel tells: roles, and waits by what the code calls them.

use super::{super::stacks, words};
use crate::{
    command::Context,
    fold::{self, Brief},
    model::Level,
    probe::threads::Thread,
};
use std::collections::BTreeMap;

/// What is known of threads from their stacks; of those that gave none, the kernel's view stands.
#[derive(Debug, Default)]
pub(super) struct Known {
    briefs: BTreeMap<u32, Brief>,
    /// Why nothing is known, for a note.
    pub missing: Option<String>,
}

impl Known {
    /// Asks the threads, if the caller may and wants that.
    pub(super) fn look(ctx: &Context, wanted: bool) -> Self {
        if !wanted {
            return Self::default();
        }
        if !ctx.may(Level::Inspect) {
            return Self::without("roles and locks take stacks, for which one needs level inspect");
        }
        match stacks::look(ctx, stacks::Depth::Symbols) {
            Ok(dump) => Self::of(fold::briefs(&dump)),
            Err(failure) => Self::without(&format!("no roles: {}", failure.text)),
        }
    }

    /// From what is known of each thread.
    pub(super) fn of(briefs: Vec<Brief>) -> Self {
        let by_tid = briefs.into_iter().map(|brief| (brief.tid, brief));
        Self {
            briefs: by_tid.collect(),
            missing: None,
        }
    }

    pub(super) fn without(why: &str) -> Self {
        Self {
            missing: Some(why.to_owned()),
            ..Self::default()
        }
    }

    /// Whether no stack told anything.
    pub(super) fn is_empty(&self) -> bool {
        self.briefs.is_empty()
    }

    /// What is known of `thread`.
    pub(super) fn get(&self, thread: &Thread) -> Option<&Brief> {
        self.briefs.get(&thread.tid)
    }

    /// What `thread` waits for.
    pub(super) fn wait(&self, thread: &Thread) -> String {
        let known = self.get(thread).filter(|brief| !brief.wait.is_empty());
        known.map_or_else(|| words::wait(thread), |brief| brief.wait.clone())
    }

    /// Whether `thread` waits for a lock, if its stack tells.
    pub(super) fn lock(&self, thread: &Thread) -> Option<&str> {
        self.get(thread)?.lock.as_deref()
    }
}
