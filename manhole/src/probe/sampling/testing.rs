//! For the tests of both samplers: who asks is a thread like the console's own.

use super::Options;
use crate::{model::samples::Samples, sys::signals::blocked_while};
use nix::{libc, unistd::gettid};
use std::{
    thread::{Builder, Scope, ScopedJoinHandle},
    time::Duration,
};

/// The id of the calling thread.
pub(in crate::probe) fn me() -> u32 {
    u32::try_from(gettid().as_raw()).unwrap()
}

pub(in crate::probe) fn options(hz: u32, window: Duration) -> Options {
    Options {
        signal: libc::SIGURG,
        hz,
        window,
        app_crates: Vec::new(),
    }
}

/// Runs `work` on a thread under the name of the console's, and deaf to signals as they are.
pub(in crate::probe) fn worker<'s, T: Send + 's>(
    scope: &'s Scope<'s, '_>,
    work: impl FnOnce() -> T + Send + 's,
) -> ScopedJoinHandle<'s, T> {
    let builder = Builder::new().name("manhole-worker".to_owned());
    let work = || blocked_while(work);
    builder.spawn_scoped(scope, work).unwrap()
}

/// That there is a weight for each stack, and all samples are in them.
pub(in crate::probe) fn check_sums(samples: &Samples) {
    assert_eq!(samples.dump.threads.len(), samples.weights.len());
    let sum: u64 = samples.weights.iter().map(|weight| weight.samples).sum();
    assert_eq!(sum, samples.report.samples);
    let tids: Vec<u32> = samples.dump.threads.iter().map(|stack| stack.tid).collect();
    assert!(tids.is_sorted());
}
