//! A dump as JSON, and back: how it travels to a client that has the binary on its disk.
//!
//! Nothing is lost on the way. Addresses are hex strings, since beyond 2^53 not every program keeps a
//! number whole. Threads share most of their frames: each frame stands once in `frames`, and a thread
//! has their places there, which makes the answer for 1,000 threads tens of times smaller.

mod read;
mod words;
mod write;

pub use read::{asked_from_json, from_json};
pub use write::{asked_to_json, to_json};

#[cfg(test)]
mod tests;
