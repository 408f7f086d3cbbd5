//! What is missing in names, and what brings it.

use crate::model::stack::{Lines, Names, Symbols};

/// What switches lines and inlined functions on. With `"line-tables-only"` inlined functions lose
/// their types: `lookup` for `Cache::lookup`.
pub const DEBUG: &str = "[profile.release] debug = \"limited\"";
/// What gives more names without debug information: of closures, and of functions that types stand for.
pub const MANGLING: &str = "RUSTFLAGS=-Csymbol-mangling-version=v0";

/// What names of `names` lack and how to get it, if anything; one or two short lines.
pub fn advice(names: &Names) -> Option<String> {
    match names.symbols {
        Symbols::Gone => Some(
            "no names of the program: its file cannot be read, or is another build by now".to_owned(),
        ),
        Symbols::Stripped => Some(
            "stripped: names only of what is exported; manhole-cli on this host reads a debug file, or\n\
             build with   [profile.release] strip = \"none\""
                .to_owned(),
        ),
        Symbols::Known | Symbols::NotRead => of_lines(names.lines, names.legacy),
    }
}

fn of_lines(lines: Lines, legacy: bool) -> Option<String> {
    match lines {
        Lines::Known | Lines::NotRead => None,
        Lines::Some => Some(
            "time ran out for some inlined functions and lines: stacks --lines, manhole-cli on this host"
                .to_owned(),
        ),
        Lines::Absent if !legacy => Some(format!("inlined functions and lines: build with   {DEBUG}")),
        Lines::Absent => Some(format!(
            "inlined functions and lines: build with   {DEBUG}\n\
             or some of their names:     build with   {MANGLING}"
        )),
        Lines::Unreadable => Some(
            "inlined functions and lines are in .dwo files or compressed with zstd: build with\n\
             [profile.release] split-debuginfo = \"off\""
                .to_owned(),
        ),
        Lines::TooDear { ns, bytes } => Some(format!(
            "inlined functions and lines: stacks --lines ({}, {} for a moment),\n\
             manhole-cli on this host, or build with   {DEBUG}",
            seconds(ns),
            mebibytes(bytes)
        )),
    }
}

/// In tenths, at least one.
fn seconds(ns: u64) -> String {
    let tenths = (ns / 100_000_000).max(1);
    match tenths {
        0..100 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ => format!("{} s", tenths / 10),
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", (bytes >> 20).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_the_remedy() {
        let check = |symbols: Symbols, lines: Lines, expected: &str| {
            let names = Names {
                symbols,
                lines,
                legacy: true,
                ..Names::default()
            };
            let advice = advice(&names).unwrap_or_default();
            assert!(advice.contains(expected), "{advice}");
            assert_eq!(advice.is_empty(), expected.is_empty(), "{advice}");
            // With `# ` before it.
            assert!(advice.lines().all(|line| line.len() <= 98), "{advice}");
        };
        check(Symbols::Known, Lines::Known, "");
        check(Symbols::NotRead, Lines::NotRead, "");
        check(Symbols::Known, Lines::NotRead, "");
        check(Symbols::Known, Lines::Absent, DEBUG);
        check(Symbols::Known, Lines::Absent, MANGLING);
        check(Symbols::Known, Lines::Some, "stacks --lines");
        check(Symbols::Known, Lines::Unreadable, "split-debuginfo");
        check(Symbols::Stripped, Lines::Absent, "strip = \"none\"");
        check(Symbols::Gone, Lines::NotRead, "another build");
        let dear = |ns, bytes| Lines::TooDear { ns, bytes };
        let figures = "stacks --lines (0.3 s, 90 MiB for a moment)";
        check(Symbols::Known, dear(340_000_000, 90 << 20), figures);
        check(Symbols::Known, dear(0, 0), "(0.1 s, 1 MiB");
        check(
            Symbols::Known,
            dear(12_000_000_000, 2 << 30),
            "(12 s, 2048 MiB",
        );
    }

    #[test]
    fn a_program_that_has_the_newer_mangling_is_not_told_to_have_it() {
        let names = Names {
            symbols: Symbols::Known,
            lines: Lines::Absent,
            ..Names::default()
        };
        let advice = advice(&names).unwrap();
        assert!(
            advice.contains(DEBUG) && !advice.contains(MANGLING),
            "{advice}"
        );
    }
}
