//! The service's own numbers, texts and settings, readable from outside while it runs.
//!
//! Declare a static and use it; it registers itself at its first use. A use costs one or two relaxed
//! atomic operations, takes no lock and allocates nothing.
//!
//! ```
//! use manhole::vars::{Counter, Gauge, Histogram, Unit};
//!
//! static REQUESTS: Counter = Counter::new("http.requests");
//! static IN_FLIGHT: Gauge = Gauge::new("http.in_flight");
//! static LATENCY: Histogram = Histogram::new("http.latency", Unit::Nanos);
//!
//! fn handle() {
//!     REQUESTS.add(1);
//!     let _in_flight = IN_FLIGHT.enter();
//!     let _timer = LATENCY.start();
//!     // ...
//! }
//! # handle();
//! # assert_eq!(REQUESTS.get(), 1);
//! ```
//!
//! The command `vars` shows them, `/debug/vars` serves them in expvar's shape and `/metrics` as
//! OpenMetrics. [`publish`] adds values that a closure computes, [`tunable`] settings that
//! `vars set` changes. Numbers need level view, texts and published values level inspect, setting
//! needs level control.
//!
//! After a fork the child counts on its own copies; nothing here waits for a lock that a thread of
//! the parent may have held.
//!
//! A name is 1 to 128 letters, digits, `_`, `.`, `:`, `/` and `-`. Of two variables with the same
//! name the first one wins; the other one counts all the same but is not shown, and the console's
//! log says so once. At most 4096 variables are kept at a time.

mod buckets;
mod histogram;
mod knob;
mod lazy;
mod map;
mod name;
mod number;
mod publish;
mod rate;
mod reading;
mod registry;
mod text;
mod tunable;
mod tune;
mod value;
mod window;

pub use histogram::{Histogram, Timer, Unit};
pub(crate) use knob::{Change, Hold, Hook, Knob, Pending};
pub use map::Map;
pub use number::{Counter, Entered, Float, Gauge};
pub use publish::publish;
pub(crate) use rate::Rate;
pub(crate) use reading::{Reading, Setting, at_most, is_public, numbers, read, read_all, tunables};
pub(crate) use registry::names;
pub use text::Text;
pub use tunable::{Tunable, tunable};
pub use tune::Tune;
pub use value::{Summary, Value};

use std::time::Instant;

/// The value of the variable `name`, or `None` if there is none.
///
/// Reading a published value waits up to 100 ms for its closure.
pub fn get(name: &str) -> Option<Value> {
    read(name).map(|reading| reading.value)
}

/// Calls `visit` with the name and value of each variable, sorted by name.
///
/// Each published value may take 100 ms.
pub fn each(mut visit: impl FnMut(&str, &Value)) {
    for reading in read_all(|_| true) {
        visit(&reading.name, &reading.value);
    }
}

/// Takes the variable `name` away from the console; returns whether it was there.
///
/// A static goes on counting unseen. A tunable whose change would revert later reverts now, since
/// nobody would see to it then; its `on_change` is called and not waited for. The name is free again.
pub fn remove(name: &str) -> bool {
    let removed = registry::remove(name);
    if let Some(registry::Body::Tunable(knob)) = &removed {
        tunable::retire(name, knob);
    }
    removed.is_some()
}

/// Moves the windows of rates and histograms on, and reverts tunables whose time has come should
/// no application thread have done so. Called every 30 s; never waits.
pub(crate) fn tick() {
    registry::tick(Instant::now());
    tunable::revert_overdue();
}

/// Takes back what would revert later: the console ends. Called on a thread of the host; waits 100 ms
/// at most for each tunable that reacts.
pub(crate) fn end() {
    tunable::revert_early();
}

/// How often [`tick`] is called while the console runs, in seconds; the windows are made of it.
pub(crate) const TICK: u64 = 30;

#[cfg(test)]
mod tests;
