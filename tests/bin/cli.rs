//! The client under test.
fn main() {}
