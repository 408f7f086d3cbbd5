//! `gc stats` and `gc run`: the allocator's side of memory, and giving some of it back.

pub(super) mod advice;
pub(super) mod run;
pub(super) mod stats;

use super::{Command, Context, Run};
use crate::{
    probe::{
        allocator::Look,
        heap_sums::{self, Totals},
    },
    render::units,
};

/// Why an allocator has no name.
pub(super) const UNKNOWN: &str =
    "not one that is known here; manhole's features jemalloc and mimalloc know these";

/// What stands between the program and its allocator; empty when that is nothing of ours.
pub(super) fn behind(totals: Option<&Totals>) -> String {
    match totals.map(|totals| totals.rate) {
        None => String::new(),
        Some(0) => "behind manhole::Alloc (sampling off)".to_owned(),
        Some(rate) => {
            let rate = units::bytes(rate);
            format!("behind manhole::Alloc (sampling on, 1 per {rate})")
        }
    }
}

/// The line of `main.rs` by which the sampling allocator is installed over the one that is there.
fn install(look: &Look) -> &'static str {
    // Whose allocations come from `malloc` has named no other.
    match look.rust.is_some() && look.c.is_none() {
        true => "#[global_allocator] static ALLOC: manhole::Alloc = manhole::Alloc::system();",
        false => {
            "#[global_allocator] static ALLOC: manhole::Alloc<A> = manhole::Alloc::new(A); for your A"
        }
    }
}

/// What `info` says is missing about the heap, a sentence each with its remedy.
pub(super) fn missing() -> Vec<String> {
    let look = Look::take(false);
    let mut missing = Vec::new();
    if look.rust.is_none() {
        missing.push(format!("Rust's allocator is {UNKNOWN}"));
    }
    if heap_sums::totals().is_none() {
        let line = install(&look);
        missing.push(format!(
            "who holds the memory is not known: add to main.rs {line}"
        ));
    }
    missing
}
