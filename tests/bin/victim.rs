//! The victim.
fn main() {}
