//! What runs inside the host's threads when they are asked for their stacks: as little as was promised.
//! On the release build of a victim, where the compiler has put it into one function.

use manhole_tests::{
    built::{Build, stacked},
    disassembly::Function,
};
use std::collections::BTreeSet;

const HANDLER: &str = "sys::stacks::handler::on_signal";

/// No allocator, no lock, no panic, no libc: it calls nobody but the handler that the host had.
#[test]
fn the_handler_calls_nobody_but_the_hosts_own() {
    let handler = Function::find(&stacked(Build::Release), HANDLER);
    let leads_to = handler.leads_to("on_signal");
    assert_eq!(leads_to, BTreeSet::from(["*".to_owned()]), "{handler:#?}");
    let calls = handler.count("call *");
    assert_eq!(calls, 2, "one for each shape that a handler may have");
    assert_eq!(handler.count("ud2"), 0, "an abort");
    assert_eq!(
        handler.count("%fs:"),
        1,
        "the thread pointer, and no thread-local"
    );
}

/// With the kernel's part, 3 KiB where AVX-512 is in use, less than a page.
#[test]
fn the_handler_takes_little_of_the_stack() {
    let handler = Function::find(&stacked(Build::Release), HANDLER);
    assert!(handler.stack() <= 640, "{}", handler.stack());
}

/// The tests above can fail: another function of the same program does what they forbid.
#[test]
fn a_function_that_does_more_is_noticed() {
    let collect = Function::find(&stacked(Build::Release), "sys::stacks::collect::collect");
    assert!(collect.leads_to("collect").len() > 1);
}
