//! Names of addresses: symbol tables, lines and inlined functions from object files on disk, and how
//! they are shortened for people. Used by the console and by the client, with the same results.

#![allow(unreachable_pub)] // the command-line client and the fuzzers use some of these
#![allow(dead_code, unused_imports)] // until stacks are folded

mod demangle;
mod path;
mod place;
mod short;

pub use demangle::demangle;
pub use place::{Origin, origin, place};
pub use short::{crate_of, is_derive, short};
