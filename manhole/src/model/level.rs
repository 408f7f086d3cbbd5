//! How much a caller may do, and how much a command does.

use std::{fmt, str::FromStr};

/// What a caller may do; each level includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Numbers about the process: `triage`, `threads`, `memory`, numeric variables, `/metrics`.
    View,
    /// Whatever reveals more or costs more and changes nothing: stacks, profiles, texts, maps.
    Inspect,
    /// Whatever changes the process: `vars set`, `gc run`, commands of the application that act.
    Control,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Level; 3] = [Level::View, Level::Inspect, Level::Control];

    /// The name as it is written in commands, configuration and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Level::View => "view",
            Level::Inspect => "inspect",
            Level::Control => "control",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = String;

    /// # Errors
    /// The sentence to show when `text` is none of `view`, `inspect`, `control`.
    fn from_str(text: &str) -> Result<Self, String> {
        Level::ALL
            .into_iter()
            .find(|level| level.name() == text)
            .ok_or_else(|| format!("{text:?} is no level: use view, inspect or control"))
    }
}

/// What running a command does to the process, worst effect first to be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Impact {
    /// Reads /proc and counters; the application's threads notice nothing.
    Reads,
    /// Interrupts the application's threads for microseconds.
    Signals,
    /// Changes something, and says what.
    Changes,
}

impl Impact {
    /// The word used in `help` and in `commands --json`.
    pub const fn name(self) -> &'static str {
        match self {
            Impact::Reads => "reads",
            Impact::Signals => "signals threads",
            Impact::Changes => "changes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_include_the_lower_ones_and_parse_back() {
        assert!(Level::Control > Level::Inspect && Level::Inspect > Level::View);
        for level in Level::ALL {
            assert_eq!(level.name().parse::<Level>(), Ok(level));
        }
        assert!(
            "root"
                .parse::<Level>()
                .unwrap_err()
                .contains("view, inspect or control")
        );
    }
}
