//! Binding, accepting, credentials, limits: everything up to the first byte of a conversation.

pub(crate) mod bind;
pub(crate) mod credentials;
pub(crate) mod limits;
pub(crate) mod serve;
mod upkeep;
