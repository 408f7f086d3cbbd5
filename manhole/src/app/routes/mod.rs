//! HTTP paths that the application serves itself, with plain types and without a web framework.
//!
//! They belong to the builder that declares them and to the console that comes of it, not to the
//! process as variables and commands do: after `shutdown` they are gone.

mod request;
mod response;

pub use request::Request;
pub use response::Response;

use super::{
    commands::failure,
    threads::{self, Gate, Kind, Outcome, PATIENCE, Theirs},
};
use crate::{
    error::{Error, ErrorKind},
    model::{Failure, Level},
};
use std::{
    sync::Arc,
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

/// A path of the application.
pub(crate) struct Route {
    path: String,
    level: Level,
    handler: Theirs<Box<Handler>>,
    gate: Arc<Gate>,
}

/// The paths of a console, sorted. Clones share the handlers.
#[derive(Clone, Default)]
pub(crate) struct Routes(Vec<Arc<Route>>);

impl Routes {
    /// Adds `path`, which is matched exactly. The handler takes one request at a time.
    ///
    /// # Errors
    /// `Invalid` for a path that is none, `Taken` for one that is served already, `Resources` when
    /// there are too many.
    pub(crate) fn add(
        &mut self,
        path: &str,
        level: Level,
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Result<(), Error> {
        let refused =
            |kind, why: &str| Error::new(kind, format!("failed to serve path {path:?}: {why}"));
        if !is_path(path) {
            let why =
                "a path begins with / and holds letters, digits, /, ., _, ~ and -, at most 200";
            return Err(refused(ErrorKind::Invalid, why));
        }
        if is_ours(path) || self.find(path).is_some() {
            return Err(refused(ErrorKind::Taken, "it is served already"));
        }
        if self.0.len() >= MOST {
            return Err(refused(ErrorKind::Resources, "there are 64 already"));
        }
        let route = Route {
            path: path.to_owned(),
            level,
            handler: Theirs::new(Box::new(handler)),
            gate: Arc::default(),
        };
        let place = self.0.partition_point(|other| other.path < route.path);
        self.0.insert(place, Arc::new(route));
        Ok(())
    }

    /// Has threads made for them, if there are any. To be called on a thread of the host.
    pub(crate) fn activate(&self) {
        if !self.0.is_empty() {
            threads::want();
        }
    }

    /// Every path with its level.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Route> {
        self.0.iter().map(|route| &**route)
    }

    /// The route for exactly this path.
    pub(crate) fn find(&self, path: &str) -> Option<Arc<Route>> {
        self.0.iter().find(|route| route.path == path).cloned()
    }
}

impl Route {
    /// The path.
    pub(crate) fn path(&self) -> &str {
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
        self: &Arc<Self>,
        request: Request,
        deadline: Instant,
        mut check: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Response, Failure> {
        let time = deadline.saturating_duration_since(Instant::now());
        let kind = Kind::Command(time);
        let what = || format!("route {}", self.path);
        let this = Arc::clone(self);
        let work = move || this.handler.get().map(|handler| handler(&request));
        let started = self
            .gate
            .start(kind, PATIENCE, what, work)
            .map_err(|outcome| failure(&self.path, outcome))?;
        loop {
            match started.wait(LOOK) {
                Some(Outcome::Done(Some(response))) => return Ok(response),
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
