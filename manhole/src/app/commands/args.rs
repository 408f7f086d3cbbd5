//! The public view of a call's arguments.

use crate::model;
use std::time::Duration;

/// The arguments of one call, checked against what the command declared.
///
/// Each getter answers `None` for an argument that was left out and has no default, and for one of
/// another type.
#[derive(Clone, Debug)]
pub struct Args(pub(super) model::Args);

impl Args {
    /// A text or a choice.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.text(name)
    }

    /// A whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.int(name)
    }

    /// A number with a fraction.
    pub fn float(&self, name: &str) -> Option<f64> {
        self.0.float(name)
    }

    /// A time.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.0.duration(name)
    }

    /// A size in bytes.
    pub fn bytes(&self, name: &str) -> Option<u64> {
        self.0.bytes(name)
    }

    /// Whether a flag was given, or a bool is true.
    pub fn is(&self, name: &str) -> bool {
        self.0.flag(name)
    }

    /// Whether the caller gave it; a default does not count.
    pub fn given(&self, name: &str) -> bool {
        self.0.given(name)
    }

    /// All words of a text that takes the rest of the line.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.all(name).filter_map(|value| match value {
            model::ArgValue::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The same, joined by spaces.
    pub fn joined(&self, name: &str) -> Option<String> {
        self.0.joined(name)
    }
}
