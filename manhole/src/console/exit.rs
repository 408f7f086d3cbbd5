//! Removing the socket when the process ends by `exit` or by returning from `main`.
//!
//! What a signal or `abort` leaves behind is reclaimed by the next process of that pid or by
//! `manhole-cli clean`: a signal handler only for tidiness would be the host's to wonder about.

use crate::{sys, transport::bind::Mark};
use std::sync::Mutex;

/// The socket file of this process. Only ever tried, never waited for: the exiting thread may have
/// interrupted whoever holds it.
static MARK: Mutex<Option<Mark>> = Mutex::new(None);

/// From now on `mark` is what goes at exit.
pub(super) fn remember(mark: Option<&Mark>) {
    if let Ok(mut slot) = MARK.try_lock() {
        *slot = mark.cloned();
    }
    // Once a process; a second call changes nothing.
    let _ = sys::exit::on_exit(remove);
}

fn remove() {
    // In a forked child that calls exit the file is the parent's.
    if !sys::origin::is_ours() {
        return;
    }
    if let Ok(slot) = MARK.try_lock()
        && let Some(mark) = slot.as_ref()
    {
        mark.remove();
    }
}
