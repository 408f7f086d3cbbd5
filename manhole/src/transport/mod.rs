//! Binding, accepting, credentials, limits: everything up to the first byte of a conversation.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub(crate) mod bind;
pub(crate) mod credentials;
pub(crate) mod limits;
pub(crate) mod serve;
mod upkeep;
