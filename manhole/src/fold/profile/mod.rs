//! Samples made readable: by the application's code, by function, as a tree; and as a profile that
//! other tools read. The same rules as for the stacks of all threads decide whose a function is, what a
//! thread is for and what it waits for.

mod answer;
mod code;
mod convert;
mod difference;
mod doing;
mod entries;
mod remarks;
mod tables;
mod top;
mod tree;
mod verdict;
mod walk;

pub(crate) use answer::about;
pub use answer::answer;
pub use convert::profile;
pub(crate) use convert::{of_counts, of_threads};
pub(crate) use difference::difference;

#[cfg(test)]
mod tests;
