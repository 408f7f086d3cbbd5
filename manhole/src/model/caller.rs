//! Who is on the other end of a connection, as the kernel says it.

/// Credentials of a peer, as of its `connect()`; integers all the way, never parsed from text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id.
    pub gid: u32,
    /// Process id in our pid namespace; 0 when it lies outside. Never part of a decision.
    pub pid: i32,
    /// What this caller may do here.
    pub level: crate::model::Level,
    /// Number of the connection, counted from 1, for the audit.
    pub connection: u64,
}

/// Which of the three languages a connection speaks; fixed by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Lines for people and scripts.
    Text,
    /// JSON lines with counted payloads, what `manhole-cli` speaks.
    Machine,
    /// HTTP/1.x, one request a connection.
    Http,
}

impl Dialect {
    /// The word used in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Dialect::Text => "text",
            Dialect::Machine => "machine",
            Dialect::Http => "http",
        }
    }
}
