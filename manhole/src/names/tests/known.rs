//! Functions that stand below, and where.

use super::*;
use crate::{
    model::stack::{Lines, Symbols},
    names::{Detail, Quality},
};
use nix::libc;
use std::hint::black_box;

const LINE_OF_INNERMOST: u32 = line!() + 4;

#[inline(always)]
fn innermost(number: u64) -> u64 {
    black_box(number).wrapping_mul(3)
}

#[inline(always)]
fn middle(number: u64) -> u64 {
    innermost(number).wrapping_add(1)
}

#[inline(never)]
fn outermost(number: u64) -> u64 {
    middle(black_box(number)).wrapping_add(2)
}

/// A function at home in the program itself, and its module.
fn here() -> (u64, Module) {
    assert_eq!(black_box(outermost(1)), 6);
    let start = outermost as fn(u64) -> u64 as usize as u64;
    let module = module_of(start);
    assert!(module.binary);
    (start, module)
}

#[test]
fn inlined_functions_and_lines_are_found() {
    let (start, module) = here();
    let addresses: Vec<u64> = (start..start + 200).collect();
    let dump = named(&module, &OnDisk, Wanted::Lines, &addresses);
    assert_eq!(dump.names.lines, Lines::Known);
    assert_eq!(dump.names.symbols, Symbols::Known);
    let frames = &dump.threads[0].frames;
    let of_innermost = |frame: &&Frame| {
        frame.functions.len() >= 3 && frame.functions[0].name.ends_with("::innermost")
    };
    let frame = frames.iter().find(of_innermost).expect("the product");
    let short = |at: usize| crate::names::short(&frame.functions[at].name, true);
    let tests = "manhole::names::tests::known";
    assert_eq!(short(0), format!("{tests}::innermost"));
    assert_eq!(short(1), format!("{tests}::middle"));
    assert_eq!(short(2), format!("{tests}::outermost"));
    assert!(frame.inlines_known);
    let inner = &frame.functions[0];
    assert_eq!(inner.line, Some(LINE_OF_INNERMOST));
    let place = crate::names::place(inner.file.as_deref().unwrap(), inner.line);
    assert_eq!(
        place,
        format!("src/names/tests/known.rs:{LINE_OF_INNERMOST}")
    );
    // The outermost by its symbol, which is in the file.
    let outer = &frame.functions[2];
    let symbol = outer.mangled.as_deref().unwrap();
    assert!(
        symbol.starts_with("_R") || symbol.starts_with("_ZN"),
        "{symbol}"
    );
}

#[test]
fn without_lines_only_the_function_itself_is_known() {
    let (start, module) = here();
    let dump = named(
        &module,
        &OnDisk,
        Wanted::Symbols,
        &[start, start + 1, start],
    );
    let expected = ["manhole::names::tests::known::outermost"];
    assert_eq!(names(&dump), [expected; 3]);
    assert_eq!(dump.names.lines, Lines::NotRead);
    assert_eq!((dump.names.named, dump.names.unnamed), (3, 0));
    assert!(
        dump.threads[0]
            .frames
            .iter()
            .all(|frame| !frame.inlines_known)
    );
    // The same address has its names once.
    let [first, _, third] = &dump.threads[0].frames[..] else {
        panic!("three frames");
    };
    assert!(std::sync::Arc::ptr_eq(&first.functions, &third.functions));
}

#[test]
fn code_of_nobody_has_no_name() {
    let (start, module) = here();
    let frames = [module.end + 4096, 0, u64::MAX, start];
    let mut dump = dump(&module, &frames);
    let frames = std::sync::Arc::get_mut(&mut dump.threads[0].frames).unwrap();
    frames[1].module = None;
    frames[2].module = Some(7);
    name(&mut dump, &OnDisk, Wanted::Lines, &|| true);
    assert_eq!(names(&dump)[..3], [[""; 0]; 3]);
    assert_eq!((dump.names.named, dump.names.unnamed), (1, 3));
}

#[test]
fn libc_is_named_by_what_it_exports() {
    let poll = libc::poll as *const () as u64;
    let module = module_of(poll);
    let dump = named(&module, &OnDisk, Wanted::Affordable, &[poll]);
    // A name without underscores, of the several that it has.
    assert_eq!(names(&dump), [["poll"]]);
    assert!(dump.threads[0].frames[0].functions[0].mangled.is_none());
}

#[test]
fn who_is_gone_gets_what_was_found() {
    let (start, module) = here();
    let mut dump = dump(&module, &[start]);
    name(&mut dump, &OnDisk, Wanted::Lines, &|| false);
    assert_eq!(dump.names.lines, Lines::Some);
    assert_eq!(dump.names.named, 0);
}

#[test]
fn how_good_names_can_be_is_told_beforehand() {
    let quality = Quality::of_this_process();
    assert_eq!(quality.symbols, Symbols::Known);
    assert!(matches!(quality.detail, Detail::Bare | Detail::Full));
    let libc = module_of(libc::poll as *const () as u64);
    let quality = Quality::of(&libc, &OnDisk);
    assert_ne!(quality.symbols, Symbols::Gone);
    assert!(!quality.legacy);
}
