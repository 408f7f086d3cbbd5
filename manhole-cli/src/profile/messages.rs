//! The messages of profile.proto that are read here. What is not declared is skipped: labels, columns,
//! the addresses' ranges.
//!
//! `Profile` itself is missing: its fields are taken one by one (`wire`), so that a hostile file
//! cannot become much larger in memory than it is.

use prost::Message;

/// A kind of value: places of two strings.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct ValueType {
    /// What.
    #[prost(int64, tag = "1")]
    pub(super) kind: i64,
    /// In which unit.
    #[prost(int64, tag = "2")]
    pub(super) unit: i64,
}

/// A stack and its values.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Sample {
    /// Ids of locations, leaf first.
    #[prost(uint64, repeated, tag = "1")]
    pub(super) locations: Vec<u64>,
    /// One for each type.
    #[prost(int64, repeated, tag = "2")]
    pub(super) values: Vec<i64>,
}

/// A file that is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Mapping {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    /// The place of its path.
    #[prost(int64, tag = "5")]
    pub(super) file: i64,
}

/// An address.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Location {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    /// The mapping that it lies in.
    #[prost(uint64, tag = "2")]
    pub(super) mapping: u64,
    /// The functions there, innermost first.
    #[prost(message, repeated, tag = "4")]
    pub(super) lines: Vec<Line>,
}

/// A function at an address.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Line {
    #[prost(uint64, tag = "1")]
    pub(super) function: u64,
}

/// A function.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Function {
    #[prost(uint64, tag = "1")]
    pub(super) id: u64,
    /// The place of its name.
    #[prost(int64, tag = "2")]
    pub(super) name: i64,
    /// The place of its symbol.
    #[prost(int64, tag = "3")]
    pub(super) symbol: i64,
}
