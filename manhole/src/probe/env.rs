//! The environment as it was when the program was started.
//!
//! `/proc/self/environ` is that memory, read by the kernel. What the process set since then lives
//! elsewhere, and reading it there would race with the host's own `setenv`: no lock covers both. So
//! changes made by the program are not seen, and the command says so. Values come as they are; they
//! are masked by whoever shows them. The read takes the `mmap_lock` for a moment.

use super::procfs::{bytes, lossless};
use crate::model::order;

/// A variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, unmasked.
    pub value: String,
}

/// What the process was started with.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Environment {
    /// By name.
    pub variables: Vec<Variable>,
    /// Bytes that are no variables: a program that writes its title there (`setproctitle`).
    pub overwritten: bool,
}

impl Environment {
    /// Reads it; `None` when that is not allowed, as for a daemon that dropped root.
    pub(crate) fn read() -> Option<Self> {
        // The leader's file has another owner after dropping root, and so has ours: either may do.
        let content = bytes("/proc/self/environ").or_else(|| bytes("/proc/thread-self/environ"))?;
        Some(Self::parse(&content))
    }

    /// Parses `NAME=value` separated by zero bytes.
    pub(crate) fn parse(content: &[u8]) -> Self {
        let mut environment = Self::default();
        for entry in content
            .split(|byte| *byte == 0)
            .filter(|entry| !entry.is_empty())
        {
            let text = lossless(entry);
            match text.split_once('=').filter(|(name, _)| !name.is_empty()) {
                Some((name, value)) => environment.variables.push(Variable {
                    name: name.to_owned(),
                    value: value.to_owned(),
                }),
                None => environment.overwritten = true,
            }
        }
        order::sort_by(&mut environment.variables, Ord::cmp);
        environment
    }

    /// The value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.variables.iter().find(|variable| variable.name == name);
        found.map(|variable| variable.value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_sorted_and_may_hold_anything() {
        let environment = Environment::parse(b"PATH=/bin:/x=y\0EMPTY=\0B=\xff\0LINE=a\nb\0\0");
        let names: Vec<_> = environment
            .variables
            .iter()
            .map(|v| v.name.as_str())
            .collect();
        assert_eq!(names, ["B", "EMPTY", "LINE", "PATH"]);
        assert_eq!(environment.get("PATH"), Some("/bin:/x=y"));
        assert_eq!(environment.get("EMPTY"), Some(""));
        assert_eq!(environment.get("B"), Some("\\xff"));
        assert_eq!(environment.get("X"), None);
        assert!(!environment.overwritten);
    }

    #[test]
    fn a_title_in_its_place_is_noticed() {
        let environment = Environment::parse(b"worker: idle\0 \0\0HOME=/\0");
        assert!(environment.overwritten);
        assert_eq!(environment.get("HOME"), Some("/"));
        assert_eq!(Environment::parse(b""), Environment::default());
    }
}
