//! A profile as plain data: stacks with values, whatever was counted at them.
//!
//! Made by the probes that sample, named by `names`, and rendered as `pprof`, collapsed stacks or
//! tables by `render`.

use super::stack::{Frame, Module};

/// Values at stacks, over a window of time.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Profile {
    /// What each sample has a value of, in order; the last one is what viewers show first unless
    /// `default_type` names another.
    pub sample_types: Vec<ValueType>,
    /// Name of the sample type that viewers show first.
    pub default_type: Option<&'static str>,
    /// What lies between two samples.
    pub period_type: Option<ValueType>,
    /// How much of it.
    pub period: i64,
    /// When the window began, in nanoseconds since the epoch; 0: no time in the file.
    pub time_unix_ns: u64,
    /// Length of the window in nanoseconds.
    pub duration_ns: u64,
    /// What is mapped; frames refer to it by index.
    pub modules: Vec<Module>,
    /// Every frame that occurs, once; samples refer to it by index.
    pub frames: Vec<Frame>,
    /// The stacks with their values.
    pub samples: Vec<Sample>,
    /// Sentences about how it was made: what was dropped, truncated, estimated.
    pub comments: Vec<String>,
    /// A regular expression of functions that viewers leave out at the leaf; empty: none.
    pub drop_frames: &'static str,
}

/// A kind of value and its unit, as pprof spells them: `cpu` in `nanoseconds`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValueType {
    /// What: `samples`, `cpu`, `inuse_space`.
    pub kind: &'static str,
    /// In which unit: `count`, `nanoseconds`, `bytes`.
    pub unit: &'static str,
}

impl ValueType {
    /// For constant tables.
    pub const fn new(kind: &'static str, unit: &'static str) -> Self {
        Self { kind, unit }
    }
}

/// A stack and what was counted at it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Sample {
    /// Indices into [`Profile::frames`], leaf first.
    pub frames: Vec<u32>,
    /// One value for each of [`Profile::sample_types`], already scaled.
    pub values: Vec<i64>,
    /// What tells it from samples with the same stack: the thread, labels of the application.
    pub labels: Vec<Label>,
}

/// A key with a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// The key: `thread`.
    pub key: String,
    /// Its value.
    pub value: LabelValue,
}

/// What a label says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelValue {
    /// Text.
    Text(String),
    /// A number in a unit (`bytes`); the unit may be empty.
    Number(i64, &'static str),
}
