//! Keeping the socket where clients look for it, while uids change and files vanish under us.

use super::bind::{self, Bound, Check, Options, Place};

/// A bound socket and how to bind it anew.
#[derive(Debug)]
pub(super) struct Upkeep {
    pub bound: Bound,
    options: Options,
    /// What could not be put right, so that it is said once.
    complaint: Option<String>,
}

/// What a look at the socket came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing to do, or nothing that was not said before.
    Settled,
    /// There is another listener now, or the same under other ids; the line for the log.
    Changed(String),
    /// It should be elsewhere and cannot; the line for the log. The old one goes on.
    Stuck(String),
}

impl Upkeep {
    pub(super) fn new(bound: Bound, options: Options) -> Self {
        Self {
            bound,
            options,
            complaint: None,
        }
    }

    /// Looks, and binds anew where needed. A few microseconds unless something changed.
    ///
    /// After a failure only a `thorough` look tries again: binding may wait for a lock, and a
    /// look is due at each accept.
    pub(super) fn look(&mut self, thorough: bool) -> Found {
        match self.bound.check() {
            Check::Fine => {
                self.complaint = None;
                Found::Settled
            }
            Check::Moved(_) if self.complaint.is_some() && !thorough => Found::Settled,
            Check::Moved(reason) => self.renew(&reason),
        }
    }

    fn renew(&mut self, reason: &str) -> Found {
        self.bound.relisten();
        if !matches!(self.options.place, Place::Search { .. }) && self.bound.is_in_place() {
            self.bound.settle();
            return Found::Changed(format!(
                "{reason}; listening again at {}",
                self.bound.place()
            ));
        }
        match bind::bind(&self.options) {
            Ok(new) => {
                self.bound = new;
                self.complaint = None;
                Found::Changed(format!("{reason}; listening at {}", self.bound.place()))
            }
            Err(error) => self.complain(format!("{reason}; {error}; tried again every 30 s")),
        }
    }

    fn complain(&mut self, text: String) -> Found {
        if self.complaint.as_ref() == Some(&text) {
            return Found::Settled;
        }
        self.complaint = Some(text.clone());
        Found::Stuck(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{
        self,
        testing::{Scratch, in_a_child},
    };
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    fn upkeep(scratch: &Scratch, place: Place) -> Upkeep {
        let options = Options {
            place,
            root: scratch.path().to_owned(),
            ..Options::default()
        };
        fs::create_dir_all(scratch.path().join("tmp")).unwrap();
        let sticky = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(scratch.path().join("tmp"), sticky).unwrap();
        Upkeep::new(bind::bind(&options).unwrap(), options)
    }

    fn anywhere() -> Place {
        Place::Search { dir: None }
    }

    #[test]
    fn a_removed_socket_is_bound_again_in_its_place() {
        let scratch = Scratch::new();
        let mut upkeep = upkeep(&scratch, anywhere());
        let path = upkeep.bound.path().unwrap().to_owned();
        assert_eq!(upkeep.look(true), Found::Settled);
        fs::remove_file(&path).unwrap();
        let place = path.display();
        let said = format!("{place} is gone (No such file or directory); listening at {place}");
        assert_eq!(upkeep.look(false), Found::Changed(said));
        assert!(path.exists());
        assert_eq!(upkeep.look(true), Found::Settled);
    }

    #[test]
    fn what_cannot_be_put_right_is_said_once_and_tried_again() {
        let scratch = Scratch::new();
        let mut upkeep = upkeep(&scratch, anywhere());
        let tmp = scratch.path().join("tmp");
        fs::rename(&tmp, scratch.path().join("away")).unwrap();
        match upkeep.look(false) {
            Found::Stuck(text) => assert!(text.ends_with("tried again every 30 s"), "{text}"),
            found => panic!("{found:?}"),
        }
        assert_eq!(upkeep.look(false), Found::Settled);
        assert_eq!(upkeep.look(true), Found::Settled);
        fs::create_dir(&tmp).unwrap();
        assert_eq!(
            upkeep.look(false),
            Found::Settled,
            "an accept does not try again"
        );
        assert!(matches!(upkeep.look(true), Found::Changed(_)));
        assert!(upkeep.bound.path().is_some_and(Path::exists));
    }

    #[test]
    fn a_new_uid_means_a_new_directory_but_not_a_new_exact_path() {
        if sys::euid() != 0 {
            return eprintln!("skipped: needs root to change the uid");
        }
        let scratch = Scratch::new();
        let mut search = upkeep(&scratch, anywhere());
        let path = scratch.path().join("tmp/exact.sock");
        let mut exact = upkeep(&scratch, Place::Path(path.clone()));
        in_a_child(|| {
            let _ = nix::unistd::seteuid(1234.into());
            let moved = matches!(search.look(false), Found::Changed(_));
            let home = scratch.path().join("tmp/manhole-1234");
            let stayed = matches!(exact.look(false), Found::Changed(_));
            let places = [&search, &exact].map(|upkeep| upkeep.bound.path());
            moved
                && stayed
                && places[0].is_some_and(|path| path.starts_with(home))
                && places[1] == Some(&path)
                && [search.look(true), exact.look(true)] == [Found::Settled, Found::Settled]
        });
    }
}
