//! Whether the threads on which the application's code runs still have the rights of the process.
//!
//! Threads keep the rights they were born with: capabilities, a seccomp filter, ids changed by a bare
//! system call. When the process has since given some up, running its code on ours would give them
//! back. So each call of application code is preceded by a look, and refused on a difference.

use crate::{app::threads, probe::identity::Credentials};
use std::{
    sync::{Mutex, TryLockError},
    time::{Duration, Instant},
};

/// What was found so lately holds: a call that began just before the process gave up rights would
/// have kept them for longer. Spares a scrape of a hundred closures a hundred looks.
const FRESH: Duration = Duration::from_millis(1);

/// What was last found in agreement.
struct Agreed {
    leader: Credentials,
    threads: Vec<u32>,
    at: Instant,
}

static AGREED: Mutex<Option<Agreed>> = Mutex::new(None);

/// Has application code preceded by a look from now on. Threads of an earlier console that have other
/// rights than the process by now are not used again.
pub(super) fn watch() {
    if let Some(why) = difference(&threads::ids()) {
        threads::retire(why);
    }
    threads::preceded_by(look);
}

/// Refuses application code if the rights differ. One file of /proc, 10 to 20 us, while nothing
/// changes; two and one for each thread of the pool when something did.
pub(super) fn look() {
    let mut agreed = match AGREED.try_lock() {
        Ok(agreed) => agreed,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // Another worker looks this moment; or the process forked while one did, and is a child.
        Err(TryLockError::WouldBlock) => return refuse_if_foreign(),
    };
    let fresh = |agreed: &Agreed| agreed.at.elapsed() < FRESH;
    if agreed.as_ref().is_some_and(fresh) {
        return;
    }
    let now = Agreed {
        leader: Credentials::of_leader(),
        threads: threads::ids(),
        at: Instant::now(),
    };
    let same = |old: &Agreed| old.leader == now.leader && old.threads == now.threads;
    if agreed.as_ref().is_some_and(same) || !refused_as_foreign(&now.threads) {
        *agreed = Some(now);
    }
}

/// The same without regard to what was found before.
pub(super) fn refuse_if_foreign() {
    refused_as_foreign(&threads::ids());
}

fn refused_as_foreign(threads: &[u32]) -> bool {
    // Not the rights of the thread that looks: it may be the last of a console that was shut down,
    // and no application code runs on it.
    let why = difference(threads);
    let refused = why.is_some();
    if let Some(why) = why {
        threads::refuse(why);
    }
    refused
}

/// What the process has given up since `threads` were made, as a sentence.
fn difference(threads: &[u32]) -> Option<String> {
    let leader = Credentials::of_leader();
    let each = threads
        .iter()
        .map(|tid| leader.differences(&Credentials::of_thread(*tid)));
    each.into_iter()
        .find(|differing| !differing.is_empty())
        .map(|differing| sentence(&differing))
}

fn sentence(differing: &[&str]) -> String {
    format!(
        "the process changed its {} after install()",
        differing.join(", ")
    )
}
