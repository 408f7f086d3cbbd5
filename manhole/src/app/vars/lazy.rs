//! How a static registers itself: at its first use, for the price of one relaxed load afterwards.

use super::registry::{self, Body};
use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

/// A static's name and whether it was registered, or tried to be.
#[derive(Debug)]
pub(super) struct Lazy {
    name: &'static str,
    done: AtomicBool,
}

impl Lazy {
    pub(super) const fn new(name: &'static str) -> Self {
        Self {
            name,
            done: AtomicBool::new(false),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    #[inline]
    pub(super) fn touch(&self, body: impl FnOnce() -> Body) {
        if !self.done.load(Ordering::Relaxed) {
            self.register(body());
        }
    }

    /// A refusal is final: the static counts on for itself, and the log has said why.
    #[cold]
    #[inline(never)]
    fn register(&self, body: Body) {
        if !self.done.swap(true, Ordering::AcqRel) {
            registry::add_or_report(Cow::Borrowed(self.name), body);
        }
    }
}
