//! The house rules that a machine can check. Each complaint says how to satisfy it.
//!
//! They are about the text of the library, where clippy and rustc have no lint: layers, headers,
//! registration, the absences that keep a host unharmed. ARCHITECTURE.md has the reasons.

mod absences;
mod layers;
mod source;

use source::{Source, below};
use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// No file is a room one gets lost in.
const LONGEST: usize = 600;

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn library() -> &'static [Source] {
    static LIBRARY: LazyLock<Vec<Source>> = LazyLock::new(|| below(&package().join("src")));
    &LIBRARY
}

/// The library, and what stands around it where the whole repository is there.
fn everything() -> Vec<Source> {
    let dirs = [
        "src",
        "benches",
        "tests",
        "fuzz",
        "../manhole-cli",
        "../examples",
        "../tests",
    ];
    let there = dirs.map(|dir| package().join(dir));
    let there = there.iter().filter(|dir| dir.is_dir());
    there.flat_map(|dir| named(dir)).collect()
}

fn named(dir: &Path) -> Vec<Source> {
    let mut sources = below(dir);
    for source in &mut sources {
        source.path = dir.join(&source.path).display().to_string();
    }
    sources
}

fn demand(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<String> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn layers_import_only_downwards() {
    let library = library();
    let lib = library.iter().find(|source| source.path == "lib.rs");
    let names = layers::root_names(lib.expect("src/lib.rs"));
    let all = library.iter();
    demand(all.flat_map(|source| layers::complaints(source, &names)));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mute = everything()
        .into_iter()
        .filter(|source| !source.text.starts_with("//! "));
    demand(mute.map(|source| {
        format!(
            "{}: begin with a `//! ` line that says what this file is for",
            source.path
        )
    }));
}

#[test]
fn no_file_is_too_long() {
    let long = everything().into_iter().filter_map(|source| {
        let lines = source.text.lines().count();
        (lines > LONGEST).then(|| {
            format!(
                "{}: {lines} lines, {LONGEST} at most; split it by subject, tests into a tests.rs",
                source.path
            )
        })
    });
    demand(long);
}

/// A module that a macro declares is skipped by `cargo fmt` without a word, and a file that nobody
/// declares is dead.
#[test]
fn every_file_is_declared_plainly() {
    let library = library();
    let orphans = library.iter().filter(|source| {
        let module = source.module();
        let Some((name, parents)) = module.split_last() else {
            return false;
        };
        let declaration = format!("mod {name};");
        let declares = |parent: &&Source| parent.module() == parents;
        !library
            .iter()
            .find(declares)
            .is_some_and(|parent| parent.text.contains(&declaration))
    });
    demand(orphans.map(|source| {
        let name = source.module().last().copied().unwrap_or_default();
        format!(
            "{}: write a plain `mod {name};` in the file of its parent module",
            source.path
        )
    }));
}

#[test]
fn every_command_is_in_the_table() {
    let library = library();
    let is_table = |source: &&Source| source.path == "command/table.rs";
    let table = library.iter().find(is_table).expect("command/table.rs");
    let commands = library
        .iter()
        .filter(|source| source.path.starts_with("command/"));
    demand(commands.flat_map(|source| unregistered(source, &table.code)));
}

fn unregistered(source: &Source, table: &str) -> Vec<String> {
    let statics = source.code.split("static ").skip(1);
    let names = statics.filter_map(|rest| rest.split_once(": Command ").map(|(name, _)| name));
    let entries = names.map(|name| {
        let module = source.module().split_off(1).join("::");
        format!("&super::{module}::{name},")
    });
    let missing = entries.filter(|entry| !table.contains(entry.as_str()));
    missing
        .map(|entry| {
            format!(
                "{}: add the line `{entry}` to command/table.rs",
                source.path
            )
        })
        .collect()
}

#[test]
fn unsafe_code_stays_in_sys_and_beside_the_allocator() {
    // `GlobalAlloc` is an unsafe trait; and its memory cannot come from an allocator.
    const PLACES: [&str; 2] = ["alloc/mod.rs", "alloc/memory.rs"];
    let outside = library().iter().filter(|source| {
        let mut words = source
            .code
            .split(|c: char| !c.is_alphanumeric() && c != '_');
        let allows = source.code.contains("allow(unsafe_code)") && source.path != "lib.rs";
        let inside = source.module().first() == Some(&"sys") || PLACES.contains(&&*source.path);
        !inside && (words.any(|word| word == "unsafe") || allows)
    });
    demand(outside.map(|source| {
        format!(
            "{}: put the unsafe block behind a safe function in sys/",
            source.path
        )
    }));
}

#[test]
fn what_the_library_never_does() {
    demand(library().iter().flat_map(absences::complaints));
}

#[test]
fn a_command_that_is_not_in_the_table_is_noticed() {
    let check = |path: &str, code: &str, table: &str, expected: &[&str]| {
        assert_eq!(
            unregistered(&Source::new(path, code), table),
            expected,
            "{path}"
        );
    };
    let code = "pub(super) static COMMAND: Command = Command {";
    check("command/gc/run.rs", code, "&super::gc::run::COMMAND,", &[]);
    let missing = "command/env.rs: add the line `&super::env::COMMAND,` to command/table.rs";
    check(
        "command/env.rs",
        code,
        "&super::limits::COMMAND,",
        &[missing],
    );
    check("command/state.rs", "static X: Mutex<Command> = y;", "", &[]);
}
