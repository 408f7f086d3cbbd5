//! What is done every 30 s: vital signs, looks at the heap, rates, and words that nobody was there to take.

use super::rights;
use crate::{
    alloc,
    app::{messages, vars},
    command::State,
    probe::{heap::PROCESS, stacks::live, vitals::Extra},
    sys,
};

/// The host's standard error.
const STDERR: i32 = 2;

/// Costs about 0.1 ms, and 4 us for each thread of the process.
pub(super) fn tick(state: &State) {
    state.vitals.tick(Extra::default());
    // Where there is no memory for a look there is none to compare with.
    let _ = state.heap.tick(&PROCESS);
    vars::tick();
    walk_allocations();
    rights::refuse_if_foreign();
    late_messages();
}

/// Sees to it that the stacks of sampled allocations are walked, if any are sampled. 0.5 ms at first, then a
/// look at what is mapped.
pub(super) fn walk_allocations() {
    if alloc::read::totals().is_some() {
        live::learn(&|| true);
        alloc::walk_with(live::walk);
    }
}

/// Writes to the host's standard error what has no other way out.
pub(super) fn late_messages() {
    for message in messages::take() {
        // A slow reader or a closed stderr costs the line, nothing else; info keeps it.
        let line = format!("manhole: {}\n", message.text);
        let _ = sys::leader::write_late(STDERR, line.as_bytes());
    }
}
