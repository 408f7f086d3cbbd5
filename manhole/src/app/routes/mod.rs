//! HTTP paths that the application serves itself, with plain types and without a web framework.

mod request;
mod response;

pub use request::Request;
pub use response::Response;

use super::{
    commands::failure,
    threads::{self, Gate, Kind, Outcome, PATIENCE},
};
use crate::{
    error::{Error, ErrorKind},
    model::{Failure, Level, order},
    sys::list::List,
};
use std::{
    ptr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// How many paths an application may serve.
const MOST: usize = 64;
/// The longest path, in bytes.
const PATH: usize = 200;
/// Where the console's own paths are, now and later; those below `/debug` are served without it, too.
const OURS: [&str; 7] = [
    "/debug/pprof",
    "/pprof",
    "/debug/vars",
    "/vars",
    "/debug/fgprof",
    "/fgprof",
    "/cmd",
];
/// Between two looks whether anybody still waits.
const LOOK: Duration = Duration::from_millis(100);

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

/// A path of the application; it stays for the life of the process.
pub(crate) struct Route {
    path: String,
    level: Level,
    handler: Box<Handler>,
    gate: Arc<Gate>,
    live: AtomicBool,
}

static ROUTES: List<Route> = List::new();

/// Serves `path`, which is matched exactly. The handler takes one request at a time.
///
/// # Errors
/// `Invalid` for a path that is none, `Taken` for one that is served already, `Resources` when
/// there are too many.
pub(crate) fn register(
    path: &str,
    level: Level,
    handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> Result<(), Error> {
    let refused =
        |kind, why: &str| Error::new(kind, format!("failed to serve path {path:?}: {why}"));
    if !is_path(path) {
        let why = "a path begins with / and holds letters, digits, /, ., _, ~ and -, at most 200";
        return Err(refused(ErrorKind::Invalid, why));
    }
    let same = |route: &Route| route.path == path && route.live.load(Ordering::Acquire);
    if is_ours(path) || ROUTES.iter().any(same) {
        return Err(refused(ErrorKind::Taken, "it is served already"));
    }
    if ROUTES.iter().count() >= MOST {
        return Err(refused(ErrorKind::Resources, "there are 64 already"));
    }
    let route = ROUTES.push(Route {
        path: path.to_owned(),
        level,
        handler: Box::new(handler),
        gate: Arc::default(),
        live: AtomicBool::new(true),
    });
    let mut older = ROUTES
        .iter()
        .skip_while(|other| !ptr::eq(*other, route))
        .skip(1);
    if older.any(same) {
        route.live.store(false, Ordering::Release);
        return Err(refused(ErrorKind::Taken, "it is served already"));
    }
    threads::want();
    Ok(())
}

/// Every path of the application with its level, sorted by path.
pub(crate) fn all() -> Vec<&'static Route> {
    let live = ROUTES
        .iter()
        .filter(|route| route.live.load(Ordering::Acquire));
    let mut all: Vec<_> = live.collect();
    order::sort_by(&mut all, |a, b| a.path.cmp(&b.path));
    all
}

/// The route for exactly this path.
pub(crate) fn find(path: &str) -> Option<&'static Route> {
    all().into_iter().find(|route| route.path == path)
}

impl Route {
    /// The path.
    pub(crate) fn path(&'static self) -> &'static str {
        &self.path
    }

    /// Who may ask for it.
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Has the request answered on an application thread; `check` is asked every 100 ms whether to
    /// go on waiting.
    ///
    /// # Errors
    /// What `check` says, `panic`, `busy` while an earlier request is being answered, `timeout`
    /// past the deadline.
    pub(crate) fn serve(
        &'static self,
        request: Request,
        deadline: Instant,
        mut check: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Response, Failure> {
        let time = deadline.saturating_duration_since(Instant::now());
        let kind = Kind::Command(time);
        let what = || format!("route {}", self.path);
        let work = move || (self.handler)(&request);
        let started = self
            .gate
            .start(kind, PATIENCE, what, work)
            .map_err(|outcome| failure(&self.path, outcome))?;
        loop {
            match started.wait(LOOK) {
                Some(Outcome::Done(response)) => return Ok(response),
                Some(other) => return Err(failure(&self.path, other)),
                None if Instant::now() > deadline => {
                    started.ticket().abandon();
                    return Err(failure(&self.path, started.busy()));
                }
                None => check().inspect_err(|_| started.ticket().abandon())?,
            }
        }
    }
}

fn is_path(path: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    path.starts_with('/') && path.len() <= PATH && path.bytes().all(plain)
}

/// Whether the console serves the path itself: `/`, `/metrics`, and all below its own folders.
fn is_ours(path: &str) -> bool {
    let below = |folder: &&'static str| {
        let rest = path.strip_prefix(*folder);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    matches!(path, "/" | "/debug" | "/debug/" | "/metrics" | "/metrics/") || OURS.iter().any(below)
}

#[cfg(test)]
mod tests;
