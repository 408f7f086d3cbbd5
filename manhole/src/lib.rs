//! The console of a live process: one line in `main`, and its owner can look inside while it runs.
//!
//! ```no_run
//! manhole::install(); // first in main; never fails, never panics, waits 100 ms at most
//! ```
//!
//! ```sh
//! echo triage | nc -U /run/checkout/manhole/4711.sock   # what is wrong here, in ten lines
//! manhole-cli attach checkout                            # a prompt
//! curl --unix-socket /run/checkout/manhole/4711.sock http://localhost/debug/vars
//! ```
//!
//! # What to use for what
//!
//! | for | use |
//! |---|---|
//! | a console that differs from the default | [`builder`] |
//! | numbers, texts and settings of the service | [`vars`] |
//! | commands of the service | [`command`], [`Arg`] |
//! | giving memory back when asked | [`on_reclaim`] |
//! | who holds the memory | [`Alloc`] |
//! | profiles of the service's own, words on its samples | [`profile`], [`label`](fn@label) |
//! | HTTP paths of the service on the same socket | [`Builder::http_route`] |
//! | a binary that is its own client | [`client()`](fn@client) |
//!
//! # How it stays harmless
//!
//! The console has threads, a descriptor table and an event loop of its own, so it answers while the
//! service's runtime is stuck, and can neither use up nor close a descriptor of the process. Code of
//! the application (closures of variables, commands, callbacks) runs on threads of the application's
//! side; one that hangs is shown as busy. Nothing is done until somebody connects, but for a look at
//! the vital signs every 30 s.
//!
//! The owner of the process and root may connect; the builder lets others in. What each command
//! needs (view, inspect, control) and costs is in its `help`.
//!
//! # What it is not for
//!
//! No console inside a process survives a global allocator that is wedged or exhausted, seccomp in
//! kill mode, a panic hook that exits, or `panic=abort` in a command of the application's. Remote
//! access is somebody else's work: the socket never leaves the machine.
//!
//! # Features
//!
//! All are off by default and only add: `tracing` and `log` pass the audit and the console's own lines
//! to these facades; `jemalloc` and `mimalloc` are for services with these allocators, whose figures
//! and purge `gc stats`, `memory` and `gc run` have then; `stub` keeps the API and does nothing.
#![deny(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

#[allow(unsafe_code)]
mod alloc;
mod app;
#[doc(hidden)]
pub mod client;
mod command;
mod console;
mod error;
mod fold;
mod model;
mod names;
mod probe;
mod protocol;
mod render;
mod rt;
mod session;
#[allow(unsafe_code)]
mod sys;
mod transport;

pub use alloc::Alloc;
pub use app::{
    commands::{self, Arg, command},
    label::{Labelled, label},
    profiles::{Profile, Tracked, profile},
    reclaim::on_reclaim,
    routes::{Request, Response},
    thread_guard::{ThreadGuard, thread_guard},
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
    pub use crate::model::stack;
    pub use crate::probe::stacks::fuzzing as stacks;
    pub use crate::protocol::*;
    pub use crate::render::escape;

    /// Names, in a place of their own.
    pub mod names {
        pub use crate::names::{
            Files, Quality, Wanted, crate_of, demangle, is_derive, name, open_file, origin, place,
            short,
        };
    }
}

/// The README's examples are compiled, so that they stay true.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
