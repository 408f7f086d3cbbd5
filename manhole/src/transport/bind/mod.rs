//! Finding a directory that is safe to listen in, and binding the socket there.
//!
//! The candidates are tried in order; the first that passes every check wins, and why each
//! earlier one did not is kept for the log line and for `info`. The checks answer attacks that
//! were tried: a directory, link, file or FIFO that another user put at a well-known name in
//! /tmp, a umask that opens or closes the socket for a moment, a socket file whose process is
//! gone or, in another pid namespace, very much alive.
//!
//! `candidates` names the directories, `directory` opens and judges one, `lock` keeps two
//! binders apart, `name` puts the socket in it, `bound` is what came of it and watches it.

mod bound;
mod candidates;
mod directory;
mod lock;
mod name;
#[cfg(test)]
mod tests;

pub(crate) use bound::{Bound, Check, Mark};
pub(crate) use candidates::{Options, Place};

use crate::{Error, ErrorKind, sys};
use candidates::Candidate;
use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Binds the socket where `options` allow it and listens.
///
/// Takes about 100 us, at worst 0.2 s for each candidate that another process holds locked. The
/// descriptors belong to the table of the calling thread.
///
/// # Errors
/// `ErrorKind::Bind` when no place passed; its message names each and says why.
pub(crate) fn bind(options: &Options) -> Result<Bound, Error> {
    match &options.place {
        Place::Search { dir } => search(options, dir.as_deref()),
        Place::Path(path) => name::exactly(path, options.socket_mode()).map_err(|refusal| {
            let text = format!("failed to bind {refusal}");
            Error::new(ErrorKind::Bind, text)
        }),
        Place::Listener(fd) => fd.get().and_then(Bound::adopt).map_err(|cause| {
            let text = "failed to take over the listening socket that was handed in";
            Error::io(ErrorKind::Bind, text, cause)
        }),
    }
}

fn search(options: &Options, given: Option<&Path>) -> Result<Bound, Error> {
    let mut refusals: Vec<Refusal> = Vec::new();
    for candidate in candidates::list(options, given, sys::euid()) {
        if candidate.only_if_squatted && !refusals.last().is_some_and(|last| last.squatted) {
            continue;
        }
        match in_candidate(&candidate, options) {
            Ok(bound) => return Ok(bound.after(&refusals)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    let reasons: Vec<String> = refusals.iter().map(Refusal::to_string).collect();
    let text = format!("failed to bind a socket: {}", reasons.join("; "));
    Err(Error::new(ErrorKind::Bind, text))
}

fn in_candidate(candidate: &Candidate, options: &Options) -> Result<Bound, Refusal> {
    name::check_length(&candidate.path)?;
    let directory = directory::open(candidate, options.directory_mode())?;
    let bound = name::in_directory(directory, options.socket_mode())?;
    Ok(match candidate.only_if_squatted {
        true => bound.with_directory(),
        false => bound,
    })
}

/// Why a place was not taken.
#[derive(Debug)]
struct Refusal {
    path: PathBuf,
    reason: String,
    /// Somebody else sits on the name.
    squatted: bool,
}

impl Refusal {
    fn new(path: &Path, reason: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.into(),
            squatted: false,
        }
    }

    /// For `map_err`: an errno in words, with what was tried where that is not obvious.
    fn errno(path: &Path, tried: &'static str) -> impl Fn(nix::errno::Errno) -> Self {
        move |errno| Self::new(path, format!("{tried}: {}", errno.desc()))
    }

    fn squatted(path: &Path, reason: impl Into<String>) -> Self {
        Self {
            squatted: true,
            ..Self::new(path, reason)
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}
