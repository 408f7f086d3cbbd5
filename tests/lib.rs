//! The harness of the end-to-end suite: processes with a console, and everything that talks to one.
//!
//! A test starts a [`victim::Victim`], has it do something to itself, and looks at it from outside:
//! through the dialects spoken here byte by byte ([`conn`], [`text`], [`keep`], [`machine`],
//! [`http`]), through the programs people really use ([`peers`]), through a terminal ([`pty`]), and
//! through `/proc` ([`procfs`]).
//!
//! Nothing here shares code with the library's own parsers: a mistake made twice would be none.
//! Nothing sleeps blindly either: waits are for a condition ([`wait`]), with a bound so generous
//! that only a defect reaches it.

pub mod built;
pub mod conn;
pub mod disassembly;
pub mod golang;
pub mod golden;
pub mod http;
pub mod keep;
pub mod machine;
pub mod normal;
pub mod peers;
pub mod procfs;
pub mod pty;
mod queue;
pub mod scratch;
pub mod stacks;
pub mod storm;
pub mod text;
pub mod users;
pub mod victim;
pub mod wait;
