//! Files that are not what was mapped, or not what they claim to be.

use super::*;
use crate::{
    model::stack::{Lines, Symbols},
    names::elf::Elf,
};
use object::elf as format;
use std::process::Command;

/// A function to be named, and the program it is in.
fn here() -> (u64, Module, Vec<u8>) {
    let address = module_of as fn(u64) -> Module as usize as u64;
    let bytes = fs::read("/proc/self/exe").unwrap();
    (address, module_of(address), bytes)
}

/// What can be said about the function when its program's file has these bytes.
#[track_caller]
fn check(bytes: &[u8], symbols: Symbols, lines: Lines, name: &str) {
    let (address, module, _) = here();
    let file = Scratch::new(bytes);
    let dump = named(&module, &file.files(), Wanted::Lines, &[address]);
    assert_eq!((dump.names.symbols, dump.names.lines), (symbols, lines));
    let names = names(&dump);
    let found = names[0].last().copied().unwrap_or_default();
    assert_eq!(found, name);
}

const NAME: &str = "manhole::names::tests::module_of";

/// Where the header of the section `name` is in the file.
fn header_of(bytes: &[u8], name: &str) -> usize {
    let file = Scratch::new(bytes);
    let elf = Elf::read(open_file(&file.0).unwrap()).unwrap();
    let at = elf.sections.iter().position(|section| section.name == name);
    let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap());
    usize::try_from(table).unwrap() + at.expect("the section") * 64
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

#[test]
fn the_same_file_under_another_name_will_do() {
    let (.., bytes) = here();
    check(&bytes, Symbols::Known, Lines::Known, NAME);
}

#[test]
fn another_build_is_not_believed() {
    let (_, module, mut bytes) = here();
    // Without the note there is nothing to compare; not every linker writes one.
    if module.build_id.is_none() {
        return;
    }
    let header = header_of(&bytes, ".note.gnu.build-id");
    let offset = u64::from_le_bytes(bytes[header + 24..header + 32].try_into().unwrap());
    bytes[usize::try_from(offset).unwrap() + 16] ^= 1;
    check(&bytes, Symbols::Gone, Lines::NotRead, "");
}

#[test]
fn a_file_that_ends_early_names_nothing() {
    let (.., bytes) = here();
    // The headers of sections are the last thing in the file.
    for length in [0, 10, 64, 4096, bytes.len() / 2, bytes.len() - 1] {
        check(&bytes[..length], Symbols::Gone, Lines::NotRead, "");
    }
}

#[test]
fn what_is_no_program_names_nothing() {
    check(b"#!/bin/sh\n", Symbols::Gone, Lines::NotRead, "");
    check(&[0xff; 4096], Symbols::Gone, Lines::NotRead, "");
    let (.., mut bytes) = here();
    bytes[4] = format::ELFCLASS32.0;
    check(&bytes, Symbols::Gone, Lines::NotRead, "");
}

#[test]
fn sections_of_absurd_sizes_are_left_out() {
    let (.., bytes) = here();
    let broken = |name: &str, value: u64| {
        let mut broken = bytes.clone();
        let header = header_of(&bytes, name);
        put(&mut broken, header + 32, &value.to_le_bytes());
        broken
    };
    for size in [u64::MAX, 1 << 62, bytes.len() as u64] {
        check(&broken(".symtab", size), Symbols::Gone, Lines::Known, NAME);
        check(
            &broken(".debug_info", size),
            Symbols::Known,
            Lines::Absent,
            NAME,
        );
        // The other sections say where code is, but not what it is called.
        let without_abbreviations = broken(".debug_abbrev", size);
        check(&without_abbreviations, Symbols::Known, Lines::Absent, NAME);
    }
    check(&broken(".strtab", 0), Symbols::Known, Lines::Known, NAME);
    check(&broken(".debug_str", 0), Symbols::Known, Lines::Known, NAME);
    check(
        &broken(".debug_line", 7),
        Symbols::Known,
        Lines::Known,
        NAME,
    );
}

#[test]
fn debug_information_of_noise_does_no_harm() {
    let (address, module, bytes) = here();
    let mut seed = 1_u64;
    for name in [
        ".debug_info",
        ".debug_abbrev",
        ".debug_line",
        ".debug_ranges",
        ".symtab",
    ] {
        let mut broken = bytes.clone();
        let header = header_of(&bytes, name);
        let field = |at: usize| {
            let bytes = bytes[header + at..header + at + 8].try_into().unwrap();
            usize::try_from(u64::from_le_bytes(bytes)).unwrap()
        };
        let (offset, size) = (field(24), field(32));
        for byte in broken[offset..offset + size].iter_mut().step_by(7) {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte ^= (seed >> 60) as u8;
        }
        let file = Scratch::new(&broken);
        let addresses: Vec<u64> = (0..50).map(|n| address + n * 1009).collect();
        named(&module, &file.files(), Wanted::Lines, &addresses);
    }
}

#[test]
fn a_stripped_program_says_so() {
    let (.., bytes) = here();
    let file = Scratch::new(&bytes);
    let strip = |argument: &str| {
        let status = Command::new("strip").arg(argument).arg(&file.0).status();
        status.is_ok_and(|status| status.success())
    };
    if !strip("--strip-debug") {
        return; // no binutils here
    }
    let stripped = fs::read(&file.0).unwrap();
    check(&stripped, Symbols::Known, Lines::Absent, NAME);
    assert!(strip("--strip-all"));
    let stripped = fs::read(&file.0).unwrap();
    check(&stripped, Symbols::Stripped, Lines::Absent, "");
}

#[test]
fn debug_information_may_be_in_another_file() {
    struct Two(Scratch, Scratch);
    impl Files for Two {
        fn open(&self, _: &Module) -> Option<File> {
            open_file(&self.0.0)
        }
        fn debug_files(&self, _: &Module, _: Option<&str>) -> Vec<File> {
            let wrong = open_file("/bin/sh");
            wrong.into_iter().chain(open_file(&self.1.0)).collect()
        }
    }
    let (address, module, bytes) = here();
    let files = Two(Scratch::new(&bytes), Scratch::new(&bytes));
    let strip = |arguments: &[&str], file: &Scratch| {
        let status = Command::new("strip").args(arguments).arg(&file.0).status();
        status.is_ok_and(|status| status.success())
    };
    let split = strip(&["--only-keep-debug"], &files.1) && strip(&["--strip-all"], &files.0);
    if !split || module.build_id.is_none() {
        return; // no binutils here, or a linker that writes no build id
    }
    let dump = named(&module, &files, Wanted::Lines, &[address]);
    assert_eq!(names(&dump)[0].last(), Some(&NAME));
    assert_eq!(dump.names.symbols, Symbols::Known);
    assert_eq!(dump.names.lines, Lines::Known);
}
