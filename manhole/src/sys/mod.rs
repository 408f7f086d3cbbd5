//! The only unsafe code of the console: system calls that no safe wrapper offers.
//!
//! Small modules of safe functions. A call that `nix` or std wraps safely is not wrapped here
//! again, unless several layers need the same few lines around it. Linux with glibc or musl on
//! x86_64 and aarch64 is what this is written for; a call that an older kernel or a sandbox
//! refuses comes back as an error or as "unknown", never as a panic.

pub(crate) mod activation;
pub(crate) mod backtrace;
pub(crate) mod calls;
pub(crate) mod exit;
pub(crate) mod fork;
pub(crate) mod image;
pub(crate) mod labels;
pub(crate) mod leader;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod malloc;
pub(crate) mod memory;
mod object;
pub(crate) mod origin;
pub(crate) mod own;
pub(crate) mod pages;
pub(crate) mod peer;
pub(crate) mod pidfd;
mod poll;
pub(crate) mod process;
pub(crate) mod sched;
#[cfg(test)]
pub(crate) mod short_of_memory;
pub(crate) mod signals;
pub(crate) mod stacks;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod testing;
mod time;

pub(crate) use object::pin_object;
pub(crate) use poll::hung_up;
pub(crate) use process::{at_secure, euid, page_size};
pub(crate) use time::unix_now_ns;
