//! Samples made readable: by the application's code, by function, as a tree; and as a profile that
//! other tools read. The same rules as for the stacks of all threads decide whose a function is, what a
//! thread is for and what it waits for.

mod answer;
mod code;
pub(super) mod convert;
mod difference;
pub(super) mod doing;
mod entries;
mod remarks;
pub(super) mod tables;
mod top;
pub(super) mod tree;
mod verdict;
pub(super) mod walk;

pub(crate) use answer::about;
pub use answer::answer;
pub use convert::profile;
pub(crate) use convert::{of_counts, of_threads, shorten};
pub(crate) use difference::difference;

#[cfg(test)]
mod tests;
