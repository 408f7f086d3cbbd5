//! The end-to-end suite: real processes, real sockets, real clients.
//!
//! One module per concern, a test per behaviour; what is promised stands in the documents, and each
//! test states the outcome it was promised. See `CONTRIBUTING.md` for how to run and renew.

mod access;
mod allocators;
mod application;
mod bounds;
mod cli;
mod cli_containers;
mod cli_dump;
mod cli_exec;
mod cli_hostile;
mod cli_places;
mod cli_profile;
mod cli_profile_live;
mod cli_prompt;
mod clients;
mod connections;
mod containers;
mod ends;
mod environment;
mod escapes;
mod faults;
mod first_bytes;
mod fork;
mod golden_sessions;
mod goldens;
mod heap;
mod http;
mod install;
mod machine;
mod modes;
mod moves;
mod overflow;
mod places;
mod profile_accuracy;
mod profile_commands;
mod profile_cpu;
mod profile_go;
mod profile_own;
mod profile_wall;
mod proxy;
mod proxy_refusals;
mod rights;
mod shared_table;
mod slow;
mod smuggling;
mod splits;
mod squatters;
mod stacks_command;
#[cfg(target_arch = "x86_64")]
mod stacks_handler;
mod stacks_known;
mod stacks_odd;
mod stacks_signal;
mod stacks_storm;
mod strangers;

use manhole_tests::{
    built::{self, Build},
    victim::{Setup, Victim},
};

/// A victim that is not started yet.
fn setup() -> Setup {
    Setup::new(env!("CARGO_BIN_EXE_victim"))
}

/// A victim with a console and the application's well-behaved commands and variables.
#[track_caller]
fn service() -> Victim {
    let mut victim = setup().install();
    victim.tell("register good");
    victim.tell("variables good");
    victim
}

/// A victim whose threads stand in known places, as people ship it; not started yet.
#[track_caller]
fn stacked(build: Build) -> Setup {
    Setup::new(built::stacked(build))
}
