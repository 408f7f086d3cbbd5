//! Ctrl-C: the first cancels the running command, the second within two seconds disconnects.
//!
//! The handler is there for the whole life of the client and does nothing but wake a thread of
//! ours, which decides. At the prompt the terminal is in raw mode and the key arrives as a byte, so
//! this is about the time in between.

use std::{
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use manhole::client::Kind;
use tokio::signal::unix::{SignalKind, signal};

/// A second signal within this time disconnects.
const INSISTS: Duration = Duration::from_secs(2);

/// What an interrupt means now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing can be cancelled: it ends the program.
    Ends,
    /// Somebody edits a line: it means nothing.
    Ignored,
    /// A command runs; since when it is to stop, if it is.
    Cancels(Option<Instant>),
}

static MODE: Mutex<Mode> = Mutex::new(Mode::Ends);

fn mode() -> MutexGuard<'static, Mode> {
    MODE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Installs the handler. Where that is impossible Ctrl-C ends the program, as everywhere.
pub(crate) fn watch() {
    let (ready, installed) = mpsc::channel();
    let spawned = thread::Builder::new()
        .name("interrupt".into())
        .spawn(move || listen(&ready));
    if spawned.is_ok() {
        let _ = installed.recv();
    }
}

fn listen(ready: &mpsc::Sender<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let Ok(runtime) = runtime else { return };
    runtime.block_on(async {
        let Ok(mut interrupts) = signal(SignalKind::interrupt()) else {
            return;
        };
        let _ = ready.send(());
        while interrupts.recv().await.is_some() {
            let mut mode = mode();
            match next(*mode, Instant::now()) {
                Some(next) => *mode = next,
                None => {
                    eprintln!();
                    std::process::exit(Kind::TimedOut.exit_code().into());
                }
            }
        }
    });
}

/// What an interrupt changes; `None` ends the program.
fn next(mode: Mode, now: Instant) -> Option<Mode> {
    match mode {
        Mode::Ends => None,
        Mode::Ignored => Some(Mode::Ignored),
        Mode::Cancels(Some(since)) if now.duration_since(since) < INSISTS => None,
        Mode::Cancels(_) => Some(Mode::Cancels(Some(now))),
    }
}

/// While it lives, an interrupt means something else; then again what it meant before.
pub(crate) struct Meaning(Mode);

fn means(new: Mode) -> Meaning {
    Meaning(std::mem::replace(&mut *mode(), new))
}

/// From now on an interrupt cancels what runs; [`requested`] says so.
pub(crate) fn cancels() -> Meaning {
    means(Mode::Cancels(None))
}

/// From now on an interrupt means nothing.
pub(crate) fn ignored() -> Meaning {
    means(Mode::Ignored)
}

impl Drop for Meaning {
    fn drop(&mut self) {
        *mode() = self.0;
    }
}

/// Whether the running command is to be cancelled.
pub(crate) fn requested() -> bool {
    matches!(*mode(), Mode::Cancels(Some(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cancels_and_a_second_one_soon_after_ends() {
        let now = Instant::now();
        let cancelling = next(Mode::Cancels(None), now).unwrap();
        assert_eq!(cancelling, Mode::Cancels(Some(now)));
        assert_eq!(next(cancelling, now + Duration::from_secs(1)), None);
        let later = now + Duration::from_secs(3);
        assert_eq!(next(cancelling, later), Some(Mode::Cancels(Some(later))));
    }

    #[test]
    fn at_the_prompt_it_means_nothing_and_elsewhere_it_ends() {
        let now = Instant::now();
        assert_eq!(next(Mode::Ignored, now), Some(Mode::Ignored));
        assert_eq!(next(Mode::Ends, now), None);
    }
}
