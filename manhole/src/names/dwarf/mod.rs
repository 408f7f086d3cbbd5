//! Lines and inlined functions from DWARF, for a handful of addresses out of a very large file.
//!
//! Only the units that hold one of the addresses are read, one at a time, each from front to back
//! once; strings, ranges and abbreviations in small pieces as they are needed. So the memory it takes
//! is that of the largest such unit, and the clock can be looked at within a unit. (A general reader
//! of DWARF takes all sections at once and keeps the tables of every unit that it has seen.)

mod abbreviations;
mod origin;
mod ranges;
mod rows;
mod tables;
mod unit;
mod walk;

use super::{elf::Elf, image::Data, quality::Detail};
use std::{collections::BTreeMap, sync::Arc};
use tables::Tables;
use unit::{Unit, Units};

/// What the debug information says of an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Place {
    /// Innermost first; empty where only the line is known.
    pub steps: Vec<Step>,
    /// Where the code is, also when no function is known there.
    pub file: Option<Arc<str>>,
    /// Line in it.
    pub line: Option<u32>,
}

/// A function at an address: inlined there, or the one whose code it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Step {
    /// The symbol, or else the bare name.
    pub name: Option<Arc<str>>,
    /// Whether `name` is a symbol.
    pub linkage: bool,
    /// The compiled file that the unit is of, if it is Rust: crate and directory are told from it.
    pub root: Option<Arc<str>>,
    /// Where in the function the code is.
    pub file: Option<Arc<str>>,
    /// Line in it.
    pub line: Option<u32>,
}

/// What reading may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Time that may be needed by estimate, in nanoseconds.
    pub ns: u64,
    /// Memory, in bytes.
    pub bytes: u64,
}

/// How the reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All is known that there is.
    Done,
    /// Time ran out.
    Stopped,
    /// The file has no debug information of these addresses.
    Absent,
    /// That of some code is kept in other files (`.dwo`).
    Split,
    /// It would take more than the limits; nothing was read.
    TooDear { ns: u64, bytes: u64 },
}

/// Debug information is read at this rate, in bytes per millisecond, as measured for release builds
/// on a slow machine.
const PER_MS: u64 = 200_000;
/// What an address needs, in bytes, for its functions and their names.
const PER_ADDRESS: u64 = 2 << 10;

/// A section by its name; nothing when the file lacks it.
pub(super) type Section<'a> = &'a dyn Fn(&str) -> Data<'a>;

/// Looks up `addresses`, which are ascending and as the file has them.
pub(super) fn read<'a>(
    elf: &Elf,
    section: Section<'a>,
    addresses: &[u64],
    limits: Limits,
    keep_going: &dyn Fn() -> bool,
) -> (Outcome, Vec<Option<Place>>) {
    let mut reader = Reader {
        tables: Tables::new(section),
        units: Units::new(section),
        addresses,
        places: vec![None; addresses.len()],
        keep_going,
    };
    let outcome = reader.read(first_code(elf), limits);
    (outcome, reader.places)
}

/// What the debug information of a program's own code has: told from its first unit.
pub(super) fn detail<'a>(section: Section<'a>) -> Detail {
    let mut tables = Tables::new(section);
    Units::new(section).detail(&mut tables)
}

/// Code that the linker dropped keeps its debug information, at addresses below all that is left.
fn first_code(elf: &Elf) -> u64 {
    let code = elf.sections.iter().filter(|section| section.is_code());
    code.map(|section| section.address).min().unwrap_or(0)
}

struct Reader<'a, 'b> {
    tables: Tables<'a>,
    units: Units<'a>,
    addresses: &'b [u64],
    places: Vec<Option<Place>>,
    keep_going: &'b dyn Fn() -> bool,
}

/// Names that stand in other units: where, and of which step of which address.
type Elsewhere = BTreeMap<u64, Vec<(usize, usize)>>;

impl Reader<'_, '_> {
    fn read(&mut self, first_code: u64, limits: Limits) -> Outcome {
        let found = self.units.find(
            &mut self.tables,
            self.addresses,
            first_code,
            self.keep_going,
        );
        let Some(found) = found else {
            return Outcome::Stopped;
        };
        if found.is_empty() {
            return Outcome::Absent;
        }
        let (ns, bytes) = self.estimate(&found);
        if ns > limits.ns || bytes > limits.bytes {
            return Outcome::TooDear { ns, bytes };
        }
        let mut elsewhere = Elsewhere::new();
        for (unit, places) in &found {
            if !(self.keep_going)() {
                return Outcome::Stopped;
            }
            // What is malformed stays unknown; the rest need not suffer from it.
            let _ = self.read_unit(unit, places, &mut elsewhere);
        }
        if self.read_elsewhere(elsewhere).is_none() || !(self.keep_going)() {
            return Outcome::Stopped;
        }
        match found.iter().any(|(unit, _)| unit.split) {
            true => Outcome::Split,
            false => Outcome::Done,
        }
    }

    /// Time in nanoseconds and memory in bytes that the units will take.
    fn estimate(&self, found: &[(Unit, Vec<usize>)]) -> (u64, u64) {
        let mut sum = 0_u64;
        let mut largest = 0;
        for (unit, _) in found {
            let rows = unit.lines.map_or(0, |at| self.tables.rows_length(at));
            let bytes = (unit.end - unit.at).saturating_add(rows);
            sum = sum.saturating_add(bytes);
            largest = bytes.max(largest);
        }
        let kept = self.addresses.len() as u64 * PER_ADDRESS;
        (
            sum.saturating_mul(1_000_000) / PER_MS,
            largest.saturating_add(kept),
        )
    }

    fn read_unit(
        &mut self,
        unit: &Unit,
        places: &[usize],
        elsewhere: &mut Elsewhere,
    ) -> Option<()> {
        let addresses = places.iter().filter_map(|at| self.addresses.get(*at));
        let addresses: Vec<u64> = addresses.copied().collect();
        let root = unit.rust.then(|| self.tables.root(unit)).flatten();
        let chains = match unit.split {
            true => None, // lines without the functions inlined there would mislead
            false => walk::walk(
                unit,
                &mut self.units,
                &mut self.tables,
                &addresses,
                self.keep_going,
            ),
        };
        let chains = chains?;
        let calls = chains.iter().flat_map(|chain| chain.iter());
        let files = calls.map(|site| site.call_file).collect();
        let rows = rows::read(unit, &self.tables, &addresses, files, self.keep_going);
        let rows = rows.unwrap_or_default();
        for ((place, chain), row) in places.iter().zip(chains).zip(rows.lines(addresses.len())) {
            let mut next = row.clone();
            let mut steps = Vec::with_capacity(chain.len());
            for site in chain {
                let (file, line) = next;
                next = (rows.file(site.call_file), site.call_line);
                if let walk::Name::Elsewhere(at) = site.name {
                    elsewhere.entry(at).or_default().push((*place, steps.len()));
                }
                let (name, linkage) = site.name.known();
                steps.push(Step {
                    name,
                    linkage,
                    root: root.clone(),
                    file,
                    line,
                });
            }
            let (file, line) = row;
            if let Some(slot) = self.places.get_mut(*place) {
                *slot = Some(Place { steps, file, line });
            }
        }
        Some(())
    }

    /// Names in other units, which link-time optimization makes refer to each other.
    fn read_elsewhere(&mut self, mut elsewhere: Elsewhere) -> Option<()> {
        // A name may refer on; nothing sound does so more often.
        for _ in 0..4 {
            let mut next = Elsewhere::new();
            let mut units = origin::Foreign::default();
            for (at, steps) in elsewhere {
                if !(self.keep_going)() {
                    return None;
                }
                let name = units.name(at, &mut self.units, &mut self.tables);
                if let walk::Name::Elsewhere(at) = name {
                    next.entry(at).or_default().extend(steps);
                    continue;
                }
                let (name, linkage) = name.known();
                for (place, step) in steps {
                    let place = self.places.get_mut(place).and_then(Option::as_mut);
                    if let Some(step) = place.and_then(|place| place.steps.get_mut(step)) {
                        (step.name, step.linkage) = (name.clone(), linkage);
                    }
                }
            }
            elsewhere = next;
        }
        Some(())
    }
}
