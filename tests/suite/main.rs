//! The suite.
#[test]
fn t() {}
