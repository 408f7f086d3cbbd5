//! The only unsafe code of the console: system calls that no safe wrapper offers.
pub(crate) mod list;
