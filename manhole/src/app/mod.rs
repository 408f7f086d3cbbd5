//! What the application registered: variables, commands, reclaimers, HTTP routes, and the threads
//! on which its code runs.
//!
//! Two rules hold everywhere here. A thread of the host never waits for the console: registries are
//! lock-free lists, small locks are tried for a moment and given up. And the console never waits for
//! the application: whatever it registered as a closure runs on the threads of [`threads`], one call
//! at a time, and a caller that got no answer within its patience says so and goes on.

pub(crate) mod channel;
pub mod commands;
pub(crate) mod label;
pub(crate) mod messages;
pub(crate) mod profiles;
pub(crate) mod reclaim;
pub(crate) mod relay;
pub(crate) mod routes;
pub(crate) mod thread_guard;
pub(crate) mod threads;
pub mod vars;

use crate::sys::lock;

/// Prepares for application code: called by `install` on the host's thread, and again in a forked
/// child that reinstalls the console. Threads are made only if something was registered that
/// needs one.
pub(crate) fn activate() {
    threads::activate();
    messages::flush(); // what was said before there was a thread to say it on
}

/// Stops running application code; calls under way end by themselves. Settings that would revert
/// later revert now.
pub(crate) fn deactivate() {
    vars::end();
    threads::deactivate();
}
