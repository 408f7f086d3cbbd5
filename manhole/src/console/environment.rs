//! What the environment says: parsed, never evaluated, and ignored where it cannot be trusted.

use crate::{model::Level, sys};
use std::{ffi::OsString, path::PathBuf};

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Environment {
    /// `MANHOLE=off`.
    pub off: bool,
    /// `MANHOLE=on`: activates what the builder made dormant.
    pub on: bool,
    /// `MANHOLE_DIR`.
    pub dir: Option<PathBuf>,
    /// `MANHOLE_MAX_LEVEL`.
    pub max_level: Option<Level>,
    /// `RUNTIME_DIRECTORY`, which systemd sets; of its entries the first counts.
    pub runtime_directory: Option<OsString>,
    /// What could not be understood, a sentence each.
    pub complaints: Vec<String>,
}

/// Reads the environment of this process.
///
/// Under AT_SECURE (set-uid, file capabilities) it belongs to a stranger: only `MANHOLE=off` is
/// heeded, for it takes rights away and gives none.
pub(super) fn read() -> Environment {
    parse(|name| std::env::var_os(name), sys::at_secure())
}

fn parse(get: impl Fn(&str) -> Option<OsString>, secure: bool) -> Environment {
    let mut found = Environment::default();
    match get("MANHOLE").as_deref().and_then(|value| value.to_str()) {
        Some("off" | "0" | "false" | "no") => found.off = true,
        Some("on" | "1" | "true" | "yes") => found.on = !secure,
        Some("") | None => {}
        Some(other) => {
            // Whoever wrote it wanted something; off is the reading that cannot hurt.
            found.off = true;
            found.complaints.push(format!(
                "MANHOLE is {other:?}, taken for off: use on or off"
            ));
        }
    }
    if secure {
        return found;
    }
    found.dir = get("MANHOLE_DIR")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    found.runtime_directory = get("RUNTIME_DIRECTORY");
    if let Some(level) = get("MANHOLE_MAX_LEVEL").filter(|level| !level.is_empty()) {
        match level.to_str().unwrap_or("?").parse() {
            Ok(level) => found.max_level = Some(level),
            Err(why) => {
                found.max_level = Some(Level::View);
                found
                    .complaints
                    .push(format!("MANHOLE_MAX_LEVEL: {why}; taken for view"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)], secure: bool, expected: Environment) {
        let get = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| OsString::from(value))
        };
        let mut found = parse(get, secure);
        assert_eq!(
            found.complaints.len(),
            expected.complaints.len(),
            "{:?}",
            found.complaints
        );
        found.complaints = expected.complaints.clone();
        assert_eq!(found, expected, "{pairs:?}");
    }

    #[test]
    fn values_are_parsed_and_doubt_takes_rights_away() {
        check(&[], false, Environment::default());
        check(
            &[("MANHOLE", "off")],
            false,
            Environment {
                off: true,
                ..Environment::default()
            },
        );
        check(
            &[("MANHOLE", "on")],
            false,
            Environment {
                on: true,
                ..Environment::default()
            },
        );
        let doubt = Environment {
            off: true,
            complaints: vec![String::new()],
            ..Environment::default()
        };
        check(&[("MANHOLE", "maybe")], false, doubt);
        let level = Environment {
            max_level: Some(Level::View),
            complaints: vec![String::new()],
            ..Environment::default()
        };
        check(&[("MANHOLE_MAX_LEVEL", "root")], false, level);
        let dirs = Environment {
            dir: Some("/a".into()),
            runtime_directory: Some("/run/x:/run/y".into()),
            ..Environment::default()
        };
        check(
            &[
                ("MANHOLE_DIR", "/a"),
                ("RUNTIME_DIRECTORY", "/run/x:/run/y"),
            ],
            false,
            dirs,
        );
    }

    #[test]
    fn a_set_uid_program_heeds_only_off() {
        let all = [
            ("MANHOLE", "on"),
            ("MANHOLE_DIR", "/a"),
            ("MANHOLE_MAX_LEVEL", "control"),
            ("RUNTIME_DIRECTORY", "/b"),
        ];
        check(&all, true, Environment::default());
        check(
            &[("MANHOLE", "off")],
            true,
            Environment {
                off: true,
                ..Environment::default()
            },
        );
    }
}
