//! What the application can give up when memory is short: caches, pools, precomputed tables.

use super::{
    lock::brief,
    messages,
    threads::{self, Gate, Kind, Outcome, PATIENCE, Started},
};
use crate::{
    error::{Error, ErrorKind},
    sys::list::List,
};
use std::{
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// How many reclaimers there may be, and how long a name is at most, in bytes.
const MOST: usize = 64;
const NAME: usize = 64;

/// Registers something that can give memory back: `gc run` calls `free`, which returns how many
/// bytes it freed.
///
/// It runs on a thread `manhole-app` and should be done within some seconds. A name that is empty,
/// longer than 64 bytes or taken is reported in the console's log, and the reclaimer is left out.
///
/// ```
/// # fn clear_cache() -> u64 { 0 }
/// manhole::on_reclaim("page cache", || clear_cache());
/// ```
pub fn on_reclaim(name: impl Into<String>, free: impl Fn() -> u64 + Send + Sync + 'static) {
    if let Err(why) = register(name.into(), Box::new(free)) {
        messages::warn(why.to_string());
    }
}

type Free = dyn Fn() -> u64 + Send + Sync;

/// A reclaimer; it stays for the life of the process.
pub(crate) struct Reclaimer {
    name: String,
    free: Box<Free>,
    gate: Arc<Gate>,
    live: AtomicBool,
}

/// The last `gc run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastRun {
    /// When it ended, in nanoseconds since the epoch.
    pub at_unix_ns: u64,
    /// How the resident memory changed, in bytes.
    pub change: Option<i64>,
}

static RECLAIMERS: List<Reclaimer> = List::new();
static LAST: Mutex<Option<LastRun>> = Mutex::new(None);

fn register(name: String, free: Box<Free>) -> Result<(), Error> {
    let refused = |kind, why: &str| {
        let shown: String = name.chars().take(NAME).collect();
        Error::new(kind, format!("failed to add reclaimer {shown:?}: {why}"))
    };
    if name.trim().is_empty() || name.len() > NAME || name.chars().any(char::is_control) {
        let why = "a name is 1 to 64 bytes of printable text";
        return Err(refused(ErrorKind::Invalid, why));
    }
    if RECLAIMERS.iter().count() >= MOST {
        return Err(refused(ErrorKind::Resources, "there are 64 already"));
    }
    let reclaimer = RECLAIMERS.push(Reclaimer {
        name: name.clone(),
        free,
        gate: Arc::default(),
        live: AtomicBool::new(true),
    });
    let older = RECLAIMERS
        .iter()
        .skip_while(|other| !ptr::eq(*other, reclaimer));
    let same = |other: &Reclaimer| other.name == name && other.live.load(Ordering::Acquire);
    if older.skip(1).any(same) {
        reclaimer.live.store(false, Ordering::Release);
        return Err(refused(ErrorKind::Taken, "the name is taken"));
    }
    threads::want();
    Ok(())
}

/// All reclaimers, in the order in which they were added.
pub(crate) fn all() -> Vec<&'static Reclaimer> {
    let live = RECLAIMERS
        .iter()
        .filter(|one| one.live.load(Ordering::Acquire));
    let mut all: Vec<_> = live.collect();
    all.reverse();
    all
}

/// The last `gc run`, if there was one.
pub(crate) fn last_run() -> Option<LastRun> {
    *brief(&LAST)?
}

/// Notes a `gc run`.
pub(crate) fn note_run(run: LastRun) {
    if let Some(mut last) = brief(&LAST) {
        *last = Some(run);
    }
}

impl Reclaimer {
    /// The application's name for it.
    pub(crate) fn name(&'static self) -> &'static str {
        &self.name
    }

    /// Starts it on an application thread.
    ///
    /// # Errors
    /// [`Outcome::Busy`] while an earlier call runs, [`Outcome::Refused`].
    pub(crate) fn start(&'static self) -> Result<Started<u64>, Outcome<u64>> {
        let what = || format!("reclaimer {}", self.name);
        self.gate
            .start(Kind::Closure, PATIENCE, what, || (self.free)())
    }
}

/// How long `gc run` waits for one reclaimer.
pub(crate) const WAIT: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reclaimers_are_called_on_an_application_thread() {
        crate::sys::origin::claim();
        crate::app::activate();
        on_reclaim("test cache", || {
            let name = std::thread::current().name().map(str::to_owned);
            u64::from(name.as_deref() == Some("manhole-app")) * 4096
        });
        let reclaimer = all()
            .into_iter()
            .find(|one| one.name() == "test cache")
            .unwrap();
        let outcome = reclaimer
            .start()
            .ok()
            .and_then(|started| started.wait(WAIT));
        assert_eq!(outcome, Some(Outcome::Done(4096)));
    }

    #[test]
    fn names_that_are_taken_or_none_are_refused() {
        let check = |name: &str, kind: ErrorKind| {
            let error = register(name.to_owned(), Box::new(|| 0)).unwrap_err();
            assert_eq!(error.kind(), kind, "{name:?}");
        };
        register("test twice".to_owned(), Box::new(|| 0)).unwrap();
        check("test twice", ErrorKind::Taken);
        check("", ErrorKind::Invalid);
        check("a\nb", ErrorKind::Invalid);
        check(&"x".repeat(65), ErrorKind::Invalid);
    }
}
