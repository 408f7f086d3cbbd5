//! A tunable as the console sees it: without its type.

use serde_json::Value as Json;
use std::time::{Duration, Instant};

/// How long a change holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// It reverts by itself after this time.
    For(Duration),
    /// Until it is changed again.
    Forever,
}

/// A change that will be taken back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    /// The value that comes back.
    pub base: Json,
    /// When, on the wall clock, in nanoseconds since the epoch.
    pub at_unix_ns: u64,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    /// The value before; masked if the name is one of a secret.
    pub before: Json,
    /// The value now.
    pub after: Json,
    /// When and to what it reverts.
    pub reverts: Option<Pending>,
    /// What became of the application's own reaction.
    pub hook: Hook,
}

/// What became of `on_change`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hook {
    /// There is none, or it has returned.
    Done,
    /// It, or a call before it, has been running for this long; it is called again when that ends.
    Busy(Duration),
    /// It panicked or could not be called.
    Failed(String),
}

/// A tunable without its type.
pub(crate) trait Knob: Send + Sync {
    /// The value now; masked if the name is one of a secret.
    fn current(&self) -> Json;

    /// Whether it is a number or a switch, and so visible at level view.
    fn is_number(&self) -> bool;

    /// What may be set, in words: `1 to 1024`.
    fn wanted(&self) -> String;

    /// The value it began with.
    fn default(&self) -> Json;

    /// The change that will be taken back, if there is one.
    fn pending(&self) -> Option<Pending>;

    /// Sets it from the console; waits 100 ms at most for the application's reaction.
    ///
    /// # Errors
    /// What is wrong with the value, with what is wanted.
    fn set(&self, word: &str, hold: Hold) -> Result<Change, String>;

    /// Takes a change back whose time has come by `now`; waits `patience` at most for the
    /// application's reaction.
    fn revert(&self, now: Instant, patience: Duration) -> Option<Change>;

    /// Refuses changes from now on, and takes the last one back if it was not made for good; does
    /// not wait for the application's reaction.
    fn retire(&self) -> Option<Change>;

    /// When the change will be taken back.
    fn due(&self) -> Option<Instant>;
}
