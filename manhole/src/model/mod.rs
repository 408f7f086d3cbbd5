//! Plain types that several layers speak: who calls, what a command is, what an answer holds.
//!
//! Nothing here does I/O or formats for a person; `render` does the second, `probe` the first.

#![allow(unreachable_pub)] // `client` and the crate root hand some of these on; which is not each type's business

mod answer;
mod args;
mod caller;
mod failure;
pub(crate) mod glob;
pub mod heap;
pub(crate) mod labels;
mod level;
pub(crate) mod order;
pub mod profile;
pub mod samples;
mod spec;
pub mod stack;
pub mod wish;

pub use answer::{Answer, Block, Cell, Column, Fields, Severity, Show, Table, Verdict};
pub use args::{ArgValue, Args};
pub(crate) use args::{check, parse_bytes, parse_duration};
pub use caller::{Caller, Dialect};
pub use failure::{Code, Failure};
pub use level::{Impact, Level};
pub use spec::{ArgKind, ArgSpec, ArgType, Complete, Example, Group, Spec};
