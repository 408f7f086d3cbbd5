//! How good the names of a program's functions can be, without looking any of them up.

use super::{
    Files, OnDisk, dwarf,
    elf::{Elf, Section},
    image::Window,
    inflate,
    symtab::{self, Table},
};
use crate::model::stack::{Module, Symbols};
use object::elf::SHT_SYMTAB;

/// How much of the names is looked at for how they are mangled, in bytes.
const SAMPLE: u64 = 1 << 20;

/// What a program's file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quality {
    /// Its symbol table.
    pub symbols: Symbols,
    /// Its debug information.
    pub detail: Detail,
    /// Its symbols are mangled in the older way, which leaves out what generic code is made for.
    pub legacy: bool,
}

/// What the debug information of a program's own code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// None, or that of the standard library only.
    Nothing,
    /// Lines, and inlined functions without the types they are of (`line-tables-only`).
    Bare,
    /// Lines and inlined functions.
    Full,
    /// It is kept in other files, or compressed.
    Unreadable,
}

impl Quality {
    /// That of the program that this process runs.
    pub fn of_this_process() -> Self {
        let program = Module {
            binary: true,
            ..Module::default()
        };
        Self::of(&program, &OnDisk)
    }

    /// Looks at the file of `module`: 0.1 ms, and 1 ms where the program has no debug information.
    pub fn of(module: &Module, files: &dyn Files) -> Self {
        let unknown = Self {
            symbols: Symbols::Gone,
            detail: Detail::Nothing,
            legacy: false,
        };
        let Some(elf) = files.open(module).and_then(Elf::read) else {
            return unknown;
        };
        let symbols = match symtab::table(&elf) {
            Table::Full => Symbols::Known,
            Table::Exports => Symbols::Stripped,
            Table::Unreadable => return unknown,
        };
        let detail = detail(&elf);
        Self {
            symbols,
            detail,
            legacy: detail == Detail::Nothing && has_legacy_names(&elf),
        }
    }
}

fn detail(elf: &Elf) -> Detail {
    // What is compressed is not inflated for this.
    match inflate::size(elf) {
        Some(0) => dwarf::detail(&|name: &str| inflate::section(elf, name)),
        _ => Detail::Unreadable,
    }
}

/// Whether a symbol ends with the hash that Rust's older symbols end with.
fn has_legacy_names(elf: &Elf) -> bool {
    let mut tables = elf.sections.iter().filter(|table| table.kind == SHT_SYMTAB);
    let strings = tables.next().and_then(|table| {
        let strings: &Section = elf.sections.get(usize::try_from(table.link).ok()?)?;
        elf.data(strings)
    });
    let Some(strings) = strings else {
        return false;
    };
    let mut window = Window::new(strings, 64 << 10);
    let mut at = 0;
    while at < SAMPLE {
        let bytes = window.get(at, 32 << 10);
        if bytes.windows(21).any(is_hash) {
            return true;
        }
        let Some(next @ 1..) = bytes.len().checked_sub(20) else {
            return false;
        };
        at += next as u64;
    }
    false
}

/// `17h0123456789abcdefE` and the end of the name.
fn is_hash(bytes: &[u8]) -> bool {
    let Some(rest) = bytes.strip_prefix(b"17h") else {
        return false;
    };
    let (hash, end) = rest.split_at_checked(16).unwrap_or_default();
    end == b"E\0" && hash.iter().all(u8::is_ascii_hexdigit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn older_symbols_end_with_a_hash() {
        let check = |bytes: &[u8], expected| assert_eq!(is_hash(bytes), expected);
        check(b"17h05af221e174051e9E\0", true);
        check(b"17h05af221e174051e9E.", false);
        check(b"17h05af221e17405?e9E\0", false);
        check(b"17h", false);
        check(b"", false);
    }
}
