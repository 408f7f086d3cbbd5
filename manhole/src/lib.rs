//! manhole: the console of a live process.
#![allow(missing_docs, dead_code, unreachable_pub, unused)]
mod error;
mod model;
pub use error::{Error, ErrorKind};
