//! The handle of an installed console, and what became of it.

use crate::{Error, ErrorKind, command::State, model::Level, sys};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

/// The longest wait for a console that starts.
const FOREVER: Duration = Duration::from_secs(86_400);

/// What became of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// Not ready yet.
    Starting,
    /// Waiting for the signal that activates it.
    Dormant,
    /// It can be connected to.
    Listening,
    /// There is none, for this reason; the process goes on without.
    Failed(String),
    /// There is none because it was switched off, in this way.
    Disabled(String),
    /// It was shut down, or this process is a forked child.
    Closed,
}

/// What the handle and the console's own thread share.
pub(super) struct Inner {
    /// The console, once its thread exists; absent when it is disabled.
    pub state: Option<Arc<State>>,
    /// A forked child that installs its own console must not take this one for it.
    generation: u32,
    status: Mutex<Status>,
    changed: Condvar,
}

impl Inner {
    pub(super) fn new(state: Option<Arc<State>>, status: Status) -> Arc<Self> {
        Arc::new(Self {
            state,
            generation: sys::fork::generation(),
            status: Mutex::new(status),
            changed: Condvar::new(),
        })
    }

    pub(super) fn set(&self, status: Status) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
        self.changed.notify_all();
    }

    /// Whether this very process installed it.
    pub(super) fn is_ours(&self) -> bool {
        sys::origin::is_ours() && self.generation == sys::fork::generation()
    }

    pub(super) fn status(&self) -> Status {
        // One that was never there cannot be lost by a fork.
        if self.state.is_some() && !self.is_ours() {
            return Status::Closed;
        }
        self.status
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until the status is none that `done` rejects, or `patience` is over.
    pub(super) fn wait(&self, patience: Duration, done: impl Fn(&Status) -> bool) -> Status {
        // "For ever" is one of the times that a builder may give.
        let now = Instant::now();
        let until = now.checked_add(patience).unwrap_or(now + FOREVER);
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        while !done(&status) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(status, left);
            status = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        status.clone()
    }
}

/// The console of this process. Dropping the handle changes nothing.
#[derive(Clone)]
pub struct Console {
    pub(super) inner: Arc<Inner>,
}

impl Console {
    /// The socket's path, if it listens on one.
    pub fn path(&self) -> Option<PathBuf> {
        match self.inner.status() {
            Status::Listening => self.inner.state.as_ref()?.path(),
            _ => None,
        }
    }

    /// What became of it.
    pub fn status(&self) -> Status {
        self.inner.status()
    }

    /// What anybody may do at most, or `None` without a cap.
    pub fn max_level(&self) -> Option<Level> {
        self.inner.state.as_ref()?.access_now().cap
    }

    /// Closes the console: the socket goes, conversations end, commands are cancelled. Waits 1 s at
    /// most. The console can be installed anew afterwards.
    pub fn shutdown(&self) {
        super::start::forget(&self.inner);
        let Some(state) = &self.inner.state else {
            return;
        };
        if !self.inner.is_ours() || state.closing.swap(true, Ordering::SeqCst) {
            return;
        }
        super::fork::forget();
        // The console's thread sleeps over descriptors that are not in our table: a
        // connection is the one thing from this side that wakes it. Failing that, its tick does.
        let _knock = state.path().and_then(|path| knock(&path));
        crate::sys::activation::wake();
        self.inner.wait(Duration::from_secs(1), |status| {
            matches!(status, Status::Closed | Status::Failed(_))
        });
        crate::app::deactivate();
    }

    /// The status as a result.
    pub(super) fn into_result(self) -> Result<Self, Error> {
        match self.status() {
            Status::Failed(why) => Err(Error::new(ErrorKind::Bind, why)),
            Status::Disabled(why) => Err(Error::new(ErrorKind::Disabled, why)),
            Status::Starting => Err(Error::new(
                ErrorKind::Timeout,
                "the console is not ready yet; it may still become so",
            )),
            _ => Ok(self),
        }
    }
}

/// A connection to the socket at `path`, if one can be had at once: where none can, others wait to be
/// accepted, or nobody listens any more.
fn knock(path: &Path) -> Option<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).ok()?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path).ok()?).ok()?;
    Some(fd)
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("status", &self.status())
            .field("path", &self.path())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_knocks_never_waits() {
        use nix::sys::socket::{Backlog, listen};
        let scratch = sys::testing::Scratch::new();
        let path = scratch.path().join("x");
        assert!(knock(&path).is_none());
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let held: Vec<OwnedFd> = std::iter::from_fn(|| knock(&path)).take(9).collect();
        assert!((1..9).contains(&held.len()), "{}", held.len());
    }

    #[test]
    fn one_may_wait_for_ever() {
        let inner = Inner::new(None, Status::Listening);
        let decided = |status: &Status| *status != Status::Starting;
        assert_eq!(inner.wait(Duration::MAX, decided), Status::Listening);
    }
}
