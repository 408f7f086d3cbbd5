//! `stacks` while the process is in uproar: a short storm. `tests/storm.sh` makes long ones.

use crate::stacked;
use manhole_tests::{
    built::{self, Build},
    storm::Storm,
};

#[test]
fn a_storm_neither_hurts_the_process_nor_hides_its_stacks() {
    let report = Storm::short(Some(built::plugin())).run(stacked(Build::Plain));
    println!("{report}");
    assert!(report.problems.is_empty(), "{report}");
}
