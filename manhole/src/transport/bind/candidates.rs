//! Where a socket may be: the places to try, in order.
//!
//! Neither TMPDIR nor XDG_RUNTIME_DIR is among them: a client with another environment would not
//! find the first, and the second disappears at logout and leaks through sudo.

use crate::sys::own::Own;
use nix::sys::stat::Mode;
use std::{
    ffi::OsString,
    hash::{BuildHasher, RandomState},
    os::{
        fd::OwnedFd,
        unix::ffi::{OsStrExt, OsStringExt},
    },
    path::{Path, PathBuf},
};

/// Where to listen and for whom. Nothing is read from the environment here.
#[derive(Debug)]
pub(crate) struct Options {
    /// The kind of place.
    pub place: Place,
    /// The value of RUNTIME_DIRECTORY, as systemd sets it; several entries are separated by `:`.
    pub runtime_directory: Option<OsString>,
    /// Whether other users or groups are allowed: then the file system lets everybody connect
    /// and the credentials alone decide.
    pub open_to_others: bool,
    /// What the well-known candidates are below: `/`, or a directory of a test.
    pub root: PathBuf,
}

/// The kinds of place.
#[derive(Debug)]
pub(crate) enum Place {
    /// The first suitable directory.
    Search {
        /// Tried first: the builder's `socket_dir`, or MANHOLE_DIR.
        dir: Option<PathBuf>,
    },
    /// This path and no other.
    Path(PathBuf),
    /// A stream socket that is bound already; it stays open until the options are dropped.
    Listener(Own<OwnedFd>),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            place: Place::Search { dir: None },
            runtime_directory: None,
            open_to_others: false,
            root: PathBuf::from("/"),
        }
    }
}

impl Options {
    pub(super) fn directory_mode(&self) -> Mode {
        match self.open_to_others {
            true => PASSABLE,
            false => Mode::S_IRWXU,
        }
    }

    pub(super) fn socket_mode(&self) -> Mode {
        Mode::from_bits_truncate(if self.open_to_others { 0o666 } else { 0o600 })
    }
}

/// The mode of a directory in which others find a socket: they pass through, and cannot list it.
pub(super) const PASSABLE: Mode = Mode::S_IRWXU.union(Mode::S_IXGRP).union(Mode::S_IXOTH);

/// A directory to try.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub path: PathBuf,
    /// Somebody chose it: it is used as it is and its mode is never changed.
    pub given: bool,
    /// Only worth a try when somebody else sits on the one before.
    pub only_if_squatted: bool,
}

pub(super) fn list(options: &Options, given: Option<&Path>, euid: u32) -> Vec<Candidate> {
    let mut list: Vec<Candidate> = given
        .map(|path| Candidate {
            given: true,
            ..candidate(path.to_owned())
        })
        .into_iter()
        .collect();
    let below = |path: String| candidate(options.root.join(path));
    list.extend(runtime(options).map(candidate));
    if euid == 0 {
        list.push(below("run/manhole".to_owned()));
    }
    list.push(below(format!("tmp/manhole-{euid}")));
    list.push(Candidate {
        only_if_squatted: true,
        ..below(format!("tmp/manhole-{euid}-{}", eight_hex_digits()))
    });
    list.push(below(format!("dev/shm/manhole-{euid}")));
    list
}

fn candidate(path: PathBuf) -> Candidate {
    Candidate {
        path,
        given: false,
        only_if_squatted: false,
    }
}

fn runtime(options: &Options) -> Option<PathBuf> {
    let value = options.runtime_directory.as_deref()?;
    let first = value.as_bytes().split(|byte| *byte == b':').next()?;
    let first = PathBuf::from(OsString::from_vec(first.to_owned()));
    first.is_absolute().then(|| first.join("manhole"))
}

/// For names that nobody sat on beforehand. std seeds its hashers from the system's randomness.
pub(super) fn eight_hex_digits() -> String {
    let number = RandomState::new().hash_one(std::process::id());
    format!("{:08x}", number >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runtime_directory: Option<&str>, given: Option<&str>, euid: u32, expected: &[&str]) {
        let options = Options {
            runtime_directory: runtime_directory.map(OsString::from),
            ..Options::default()
        };
        let list = list(&options, given.map(Path::new), euid);
        let shown: Vec<String> = list
            .iter()
            .map(|candidate| {
                let path = candidate.path.to_str().unwrap();
                match candidate.only_if_squatted {
                    true => path.rsplit_once('-').unwrap().0.to_owned() + "-?",
                    false => path.to_owned(),
                }
            })
            .collect();
        assert_eq!(shown, expected);
        let chosen = list.iter().filter(|candidate| candidate.given).count();
        assert_eq!(chosen, usize::from(given.is_some()));
    }

    #[test]
    fn the_order_is_that_of_the_documentation() {
        let (tmp, random) = ("/tmp/manhole-998", "/tmp/manhole-998-?");
        let shm = "/dev/shm/manhole-998";
        check(None, None, 998, &[tmp, random, shm]);
        let systemd = "/run/checkout/manhole";
        check(
            Some("/run/checkout:/run/b"),
            None,
            998,
            &[systemd, tmp, random, shm],
        );
        check(Some(""), Some("/srv/m"), 998, &["/srv/m", tmp, random, shm]);
        check(Some("relative"), None, 998, &[tmp, random, shm]);
        let root = [
            "/run/manhole",
            "/tmp/manhole-0",
            "/tmp/manhole-0-?",
            "/dev/shm/manhole-0",
        ];
        check(None, None, 0, &root);
    }

    #[test]
    fn random_names_differ() {
        let (one, other) = (eight_hex_digits(), eight_hex_digits());
        assert_eq!((one.len(), other.len()), (8, 8));
        assert_ne!(one, other);
    }
}
