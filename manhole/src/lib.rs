//! manhole: the console of a live process.
#![allow(dead_code, unused_imports, missing_docs, unreachable_pub)] // while the layers are being joined
mod app;
#[doc(hidden)]
pub mod client;
mod command;
mod console;
mod error;
mod model;
mod probe;
mod protocol;
mod render;
mod rt;
mod session;
#[allow(unsafe_code)]
mod sys;
mod transport;

pub use app::{
    commands::{self, Arg, command},
    reclaim::on_reclaim,
    routes::{Request, Response},
    vars,
};
pub use client::client;
pub use command::Record;
pub use console::{AfterFork, Builder, Console, Signal, Status, builder, install};
pub use error::{Error, ErrorKind};
pub use model::Level;

/// The parsers, for `manhole/fuzz`.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::protocol::*;
    pub use crate::render::escape;
}
