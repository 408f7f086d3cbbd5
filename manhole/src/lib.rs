//! manhole: the console of a live process.
#![allow(dead_code, unused_imports, missing_docs, unreachable_pub)] // while the layers are being joined
mod app;
pub mod client;
#[cfg(any())] // joined when render lands
mod command;
mod console;
mod error;
mod model;
mod probe;
mod protocol;
mod render;
#[cfg(any())]
mod session;
#[allow(unsafe_code)]
mod sys;
mod transport;

pub use app::{
    commands::{self, Arg, command},
    routes::{Request, Response},
};
pub use console::install;
pub use error::{Error, ErrorKind};
pub use model::Level;
