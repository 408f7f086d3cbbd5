//! The addresses in one object file.

use super::{
    Files, Wanted, compose, crate_of, demangle,
    dwarf::{self, Limits, Outcome, Place},
    elf::Elf,
    inflate,
    path::is_std,
    place::{self, Origin},
    symtab::{self, Table},
};
use crate::model::stack::{Function, Lines, Module, Symbols};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Lines are read without being asked for where that takes no longer, and no more memory.
const AFFORDABLE_TIME: Duration = Duration::from_millis(300);
const AFFORDABLE_MEMORY: u64 = 64 << 20;
/// Asked for, they may take this much.
const MOST_MEMORY: u64 = 2 << 30;

/// The functions at each address of a module.
pub(super) struct Named {
    /// As they are in memory, ascending.
    addresses: Vec<u64>,
    /// With whether the inlined ones are known.
    functions: Vec<(Arc<[Function]>, bool)>,
    pub symbols: Symbols,
    pub lines: Lines,
}

/// What reading lines may still take.
pub(super) struct Budget {
    wanted: Wanted,
    /// When the time for lines is over, once reading has begun.
    deadline: Option<Instant>,
}

impl Budget {
    pub(super) fn new(wanted: Wanted) -> Self {
        Self {
            wanted,
            deadline: None,
        }
    }

    /// What is left; `None` when no lines are wanted.
    fn limits(&mut self) -> Option<Limits> {
        match self.wanted {
            Wanted::Symbols => None,
            Wanted::Lines => Some(Limits {
                ns: u64::MAX,
                bytes: MOST_MEMORY,
            }),
            Wanted::Affordable => {
                let now = Instant::now();
                let deadline = *self.deadline.get_or_insert(now + AFFORDABLE_TIME);
                let left = deadline.saturating_duration_since(now).as_nanos();
                Some(Limits {
                    ns: u64::try_from(left).unwrap_or(u64::MAX),
                    bytes: AFFORDABLE_MEMORY,
                })
            }
        }
    }

    fn is_left(&self) -> bool {
        self.deadline
            .is_none_or(|deadline| Instant::now() < deadline)
    }
}

impl Named {
    /// Looks up `addresses`, which are ascending.
    pub(super) fn look_up(
        module: &Module,
        addresses: Vec<u64>,
        files: &dyn Files,
        budget: &mut Budget,
        keep_going: &dyn Fn() -> bool,
    ) -> Self {
        let mut named = Self {
            addresses,
            functions: Vec::new(),
            symbols: Symbols::Gone,
            lines: Lines::NotRead,
        };
        let elf = files.open(module).and_then(Elf::read);
        let same = |elf: &Elf| module.build_id.is_none() || elf.build_id() == module.build_id;
        if let Some(elf) = elf.filter(same) {
            named.read(&elf, module, files, budget, keep_going);
        }
        named
    }

    /// Whether the file could be read, and was the right one.
    pub(super) fn is_read(&self) -> bool {
        self.symbols != Symbols::Gone
    }

    /// The functions at `address`, and whether the inlined ones are known.
    pub(super) fn get(&self, address: u64) -> Option<(&Arc<[Function]>, bool)> {
        let at = self.addresses.binary_search(&address).ok()?;
        let (functions, inlines_known) = self.functions.get(at)?;
        Some((functions, *inlines_known))
    }

    fn read(
        &mut self,
        elf: &Elf,
        module: &Module,
        files: &dyn Files,
        budget: &mut Budget,
        keep_going: &dyn Fn() -> bool,
    ) {
        let in_file = |address: &u64| address.wrapping_sub(module.bias);
        let addresses: Vec<u64> = self.addresses.iter().map(in_file).collect();
        if !addresses.is_sorted() {
            return; // a bias that is none
        }
        let table = symtab::table(elf);
        let complete = table == Table::Full && has_lines(elf);
        let other = (!complete)
            .then(|| debug_file(elf, module, files))
            .flatten();
        let other_table = other.as_ref().map(symtab::table);
        let (source, table) = match (&other, other_table) {
            (Some(other), Some(Table::Full)) if table != Table::Full => (other, Table::Full),
            _ => (elf, table),
        };
        self.symbols = match table {
            Table::Full => Symbols::Known,
            Table::Exports => Symbols::Stripped,
            Table::Unreadable => Symbols::Gone,
        };
        let symbols = symtab::symbols(source, &addresses, keep_going);
        let source = other
            .as_ref()
            .filter(|other| has_lines(other) && !has_lines(elf));
        let places = self.read_lines(source.unwrap_or(elf), &addresses, budget, keep_going);
        if self.lines == Lines::Known && nothing_but_std(&symbols, &places) {
            self.lines = Lines::Absent;
        }
        let mut places = places.into_iter();
        let functions = symbols.into_iter().map(|symbol| {
            let place = places.next().flatten();
            compose::functions(symbol, place.as_ref())
        });
        self.functions = functions.collect();
    }

    fn read_lines(
        &mut self,
        elf: &Elf,
        addresses: &[u64],
        budget: &mut Budget,
        keep_going: &dyn Fn() -> bool,
    ) -> Vec<Option<Place>> {
        let Some(limits) = budget.limits() else {
            return Vec::new();
        };
        if !has_lines(elf) {
            self.lines = Lines::Absent;
            return Vec::new();
        }
        let inflated = match inflate::size(elf) {
            Some(bytes) => bytes,
            None => {
                self.lines = Lines::Unreadable;
                return Vec::new();
            }
        };
        if inflated > limits.bytes || inflate::time_ns(inflated) > limits.ns {
            let (ns, bytes) = (inflate::time_ns(inflated), inflated);
            self.lines = Lines::TooDear { ns, bytes };
            return Vec::new();
        }
        let section = |name: &str| inflate::section(elf, name);
        let keep_going = || keep_going() && budget.is_left();
        let limits = Limits {
            bytes: limits.bytes - inflated,
            ..limits
        };
        let (outcome, places) = dwarf::read(elf, &section, addresses, limits, &keep_going);
        self.lines = match outcome {
            Outcome::Done => Lines::Known,
            Outcome::Stopped => Lines::Some,
            Outcome::Absent => Lines::Absent,
            Outcome::Split => Lines::Unreadable,
            Outcome::TooDear { ns, bytes } => Lines::TooDear {
                ns,
                bytes: bytes.saturating_add(inflated),
            },
        };
        places
    }
}

fn has_lines(elf: &Elf) -> bool {
    let section = elf.section(".debug_info");
    section.is_some_and(|info| elf.data(info).is_some() || info.is_compressed())
}

/// The file that the debug information was moved to, if it is of the same build.
fn debug_file(elf: &Elf, module: &Module, files: &dyn Files) -> Option<Elf> {
    let build_id = module.build_id.as_ref()?;
    let link = elf.debug_link();
    let all = files.debug_files(module, link.as_deref());
    let mut all = all.into_iter().filter_map(Elf::read);
    all.find(|other| other.build_id().as_ref() == Some(build_id))
}

/// Whether all that has lines is the standard library, which comes with debug information, while
/// none of the program's own code does.
fn nothing_but_std(symbols: &[Option<String>], places: &[Option<Place>]) -> bool {
    let known = |place: &Place| {
        let file = place.file.as_deref();
        file.is_some_and(|file| place::origin(file) != Origin::Std)
    };
    let own_without = |(symbol, place): (&Option<String>, &Option<Place>)| {
        let name = symbol.as_deref().map(demangle).unwrap_or_default();
        let of_crate = crate_of(&name);
        place.is_none() && !of_crate.is_empty() && !is_std(of_crate)
    };
    !places.iter().flatten().any(known) && symbols.iter().zip(places).any(own_without)
}
