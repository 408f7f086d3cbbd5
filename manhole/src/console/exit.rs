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

/// Called when a console has ended: its file has gone with it, and what appears in its place, perhaps
/// with the same inode number, is another's.
pub(super) fn forget() {
    if let Ok(mut slot) = MARK.try_lock()
        && slot.as_ref().is_some_and(|mark| !mark.is_in_place())
    {
        *slot = None;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sys::testing::{Scratch, in_a_child},
        transport::bind::{self, Options, Place},
    };

    #[test]
    fn what_takes_the_place_of_a_console_that_ended_stays() {
        let scratch = Scratch::new();
        let bind = || {
            bind::bind(&Options {
                place: Place::Path(scratch.path().join("x.sock")),
                ..Options::default()
            })
        };
        // In a child, since there is one mark in a process.
        in_a_child(|| {
            sys::origin::claim();
            let bound = bind().unwrap();
            remember(bound.mark());
            forget();
            let kept = MARK.lock().unwrap().is_some();
            drop(bound);
            forget();
            kept && MARK.lock().unwrap().is_none()
        });
    }
}
