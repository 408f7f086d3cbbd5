//! The heap made readable: by place in the application, as a tree of callers, as a difference, as leaks;
//! and as a profile that other tools read. Pure, and used by the console and by the client, with the
//! same results.

mod answer;
mod convert;
mod leaf;
mod sites;
mod tables;
mod trees;
mod verdict;
mod words;

pub use answer::answer;
pub use convert::profile;

#[cfg(test)]
mod tests;
