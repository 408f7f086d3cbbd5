//! Which functions addresses belong to, by a symbol table.
//!
//! One pass over the table, in pieces: what is kept depends on how many addresses are looked up, not
//! on how many symbols there are.

use super::{
    elf::{Elf, Section, u16_at, u32_at, u64_at},
    image::Bytes,
};
use object::{
    LittleEndian as LE,
    elf::{self, Sym64},
};
use std::mem::offset_of;

const SYMBOL: usize = size_of::<Sym64<LE>>();
/// Symbols that are read at once: 96 KiB.
const AT_ONCE: u64 = 4096;
/// How far behind a symbol without a size an address may be to count as its.
const REACH: u64 = 16 << 10;
/// Names of the same code that are compared.
const ALIASES: usize = 4;

/// Where symbols were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// All of them.
    Full,
    /// The file was stripped: only what it exports is there.
    Exports,
    /// The table cannot be read.
    Unreadable,
}

/// Which table `elf` has.
pub(super) fn table(elf: &Elf) -> Table {
    match kind(elf, elf::SHT_SYMTAB).map(|section| elf.data(section)) {
        Some(Some(_)) => Table::Full,
        Some(None) => Table::Unreadable,
        None if elf.cut => Table::Unreadable,
        None => Table::Exports,
    }
}

fn kind(elf: &Elf, kind: elf::SectionType) -> Option<&Section> {
    elf.sections.iter().find(|section| section.kind == kind)
}

/// The symbols of `addresses`, which are ascending and as the file has them; `None` for those that no
/// function covers. Costs 10 to 20 ns per symbol; gives up, with what it has, when `keep_going` says no.
pub(super) fn symbols(
    elf: &Elf,
    addresses: &[u64],
    keep_going: &dyn Fn() -> bool,
) -> Vec<Option<String>> {
    let mut search = Search::new(elf, addresses);
    let section = kind(elf, elf::SHT_SYMTAB).or_else(|| kind(elf, elf::SHT_DYNSYM));
    if let Some(section) = section {
        let _ = search.read(section, keep_going);
        return search.names(section);
    }
    vec![None; addresses.len()]
}

/// What is known of an address so far.
#[derive(Clone, Debug, Default)]
struct Best {
    start: u64,
    /// Zero for a symbol that does not say.
    size: u64,
    /// Where the last function begins that ends before the address.
    passed: u64,
    /// Places of the names that the code has.
    names: [u32; ALIASES],
    count: usize,
}

struct Search<'a> {
    elf: &'a Elf,
    addresses: &'a [u64],
    best: Vec<Best>,
}

struct Symbol {
    name: u32,
    start: u64,
    size: u64,
    /// First address behind what a symbol without a size may cover.
    reach: u64,
}

impl<'a> Search<'a> {
    fn new(elf: &'a Elf, addresses: &'a [u64]) -> Self {
        Self {
            elf,
            addresses,
            best: vec![Best::default(); addresses.len()],
        }
    }

    fn read(&mut self, section: &Section, keep_going: &dyn Fn() -> bool) -> Option<()> {
        let data = self.elf.data(section)?;
        let mut buffer = Bytes::new(AT_ONCE * SYMBOL as u64)?;
        let mut at = 0;
        while at < data.length() && keep_going() {
            let filled = data.fill(at, &mut buffer);
            if filled == 0 {
                return None;
            }
            for symbol in buffer.get(..filled)?.chunks_exact(SYMBOL) {
                if let Some(symbol) = self.function(symbol) {
                    self.note(&symbol);
                }
            }
            at += filled as u64;
        }
        Some(())
    }

    /// Functions, and labels of assembler code that others may call. Those that are resolved at start
    /// (IFUNC) have the address of their resolver.
    fn function(&self, bytes: &[u8]) -> Option<Symbol> {
        let info = *bytes.get(offset_of!(Sym64<LE>, st_info))?;
        let is_function = info & 0xf == elf::STT_FUNC.0;
        let is_label = info & 0xf == elf::STT_NOTYPE.0 && info >> 4 != elf::STB_LOCAL.0;
        let start = u64_at(bytes, offset_of!(Sym64<LE>, st_value))?;
        let section = u16_at(bytes, offset_of!(Sym64<LE>, st_shndx))?;
        let section = self.elf.sections.get(usize::from(section))?;
        let end = section.address.saturating_add(section.size);
        let is_code = section.is_code() && start != 0;
        (is_code && (is_function || is_label)).then_some(Symbol {
            name: u32_at(bytes, offset_of!(Sym64<LE>, st_name))?,
            start,
            size: u64_at(bytes, offset_of!(Sym64<LE>, st_size))?,
            reach: start.saturating_add(REACH).min(end),
        })
    }

    fn note(&mut self, symbol: &Symbol) {
        let end = symbol.start.saturating_add(symbol.size);
        let first = self.addresses.partition_point(|at| *at < symbol.start);
        for (at, best) in self.addresses.iter().zip(&mut self.best).skip(first) {
            match (symbol.size != 0, *at) {
                (_, at) if at >= end.max(symbol.reach) => break,
                (true, at) if at >= end => best.passed = best.passed.max(symbol.start),
                _ => best.consider(symbol),
            }
        }
    }

    fn names(&self, section: &Section) -> Vec<Option<String>> {
        let strings = usize::try_from(section.link).ok();
        let strings = strings.and_then(|link| self.elf.sections.get(link));
        let strings = strings.and_then(|section| self.elf.data(section));
        let name = |best: &Best| {
            let between = best.size == 0 && best.passed > best.start;
            if between {
                return None;
            }
            let places = best.names.get(..best.count)?.iter();
            let names = places.filter_map(|place| strings.as_ref()?.text((*place).into()));
            names
                .filter(|name| !name.is_empty())
                .min_by_key(|name| rank(name))
        };
        self.best.iter().map(name).collect()
    }
}

impl Best {
    /// The symbol that begins last wins, and one with a size over one without: only code between
    /// symbols with a size can belong to one without.
    fn consider(&mut self, symbol: &Symbol) {
        let key = |size: u64, start: u64| (size != 0, start);
        let (mine, theirs) = (key(self.size, self.start), key(symbol.size, symbol.start));
        if self.count == 0 || theirs > mine {
            (self.start, self.size) = (symbol.start, symbol.size);
            self.count = 0;
        } else if theirs < mine {
            return;
        }
        if let Some(place) = self.names.get_mut(self.count) {
            *place = symbol.name;
            self.count += 1;
        }
    }
}

/// Of the names of the same code the plainest: libc calls `poll` also `__poll` and `__GI___poll`.
fn rank(name: &str) -> (usize, usize, String) {
    let underscores = name.bytes().take_while(|byte| *byte == b'_').count();
    // Rust's own symbols begin with one.
    (underscores.max(1), name.len(), name.to_owned())
}
