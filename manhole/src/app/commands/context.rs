//! What a command of the application knows about its call.

use super::{super::channel::Sender, Said, Who};
use crate::model::Level;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// One call of a command of yours: who asks, whether anybody still waits, and a way to speak
/// before the end.
#[derive(Debug)]
pub struct Context {
    pub(super) who: Who,
    pub(super) cancelled: Arc<AtomicBool>,
    pub(super) deadline: Instant,
    pub(super) out: Sender<Said>,
}

impl Context {
    /// Effective user id of the caller, as the kernel says it.
    pub fn uid(&self) -> u32 {
        self.who.uid
    }

    /// Process id of the caller in this process's namespace; 0 when it lies outside.
    pub fn pid(&self) -> i32 {
        self.who.pid
    }

    /// What the caller may do here.
    pub fn level(&self) -> Level {
        self.who.level
    }

    /// Whether nobody waits for the answer any more: the client went, asked to stop, or time is up.
    /// To be asked in every loop; a command that goes on for ten seconds is counted as hanging.
    pub fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() > self.deadline
    }

    /// When the command must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time that is left until then.
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Says how far the work is; shown by clients that show progress. Never waits.
    pub fn progress(&self, done: f64, total: f64, unit: &'static str) {
        // A reader that is behind does without; a missing one is seen by `cancelled`.
        let _ = self.out.try_send(Said::Progress { done, total, unit });
    }

    /// Writes a line at once, before the answer. Waits while the reader is behind; returns whether
    /// anybody still reads.
    pub fn say(&self, line: impl Into<String>) -> bool {
        !self.cancelled() && self.out.send(Said::Line(line.into()))
    }
}
