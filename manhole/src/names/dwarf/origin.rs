//! Names that stand in another entry: of the function that was inlined, or of its declaration.

use super::{
    tables::{Slice, Tables},
    unit::{Unit, Units},
    walk::{Entry, Name},
};
use gimli::{Abbreviations, EntriesRaw, LittleEndian, UnitOffset};

/// Entries that refer on to each other beyond this number name nothing.
const LONGEST: usize = 8;
/// What an entry of a function takes, in bytes, and more.
const ENTRY: usize = 1 << 10;

/// A unit whose entries are at hand.
pub(super) struct Source<'a> {
    pub unit: &'a Unit,
    pub shapes: &'a Abbreviations,
}

/// The bytes from a place in `.debug_info` on, about as many as are wanted.
type Bytes<'a, 'b> = &'a mut dyn FnMut(u64, usize) -> Option<&'b [u8]>;

impl Source<'_> {
    /// What the entry at `at` says; `Elsewhere` when it refers to another unit, or `bytes` has no more.
    pub(super) fn name<'b>(&self, at: u64, tables: &Tables<'_>, bytes: Bytes<'_, 'b>) -> Name {
        let mut at = at;
        for _ in 0..LONGEST {
            if !(self.unit.at..self.unit.end).contains(&at) {
                return Name::Elsewhere(at);
            }
            let Some(bytes) = bytes(at, ENTRY) else {
                return Name::Elsewhere(at);
            };
            match self.entry(bytes, tables) {
                Some(Name::Elsewhere(next)) => at = next,
                Some(name) => return name,
                None => break,
            }
        }
        Name::Unknown
    }

    fn entry(&self, bytes: &[u8], tables: &Tables<'_>) -> Option<Name> {
        let bytes = Slice::new(bytes, LittleEndian);
        let first = UnitOffset(0);
        let mut entries = EntriesRaw::new(bytes, self.unit.encoding, self.shapes, first);
        let shape = entries.read_abbreviation().ok()??;
        let entry = Entry::read(&mut entries, shape)?;
        Some(entry.name(self.unit, tables))
    }
}

/// Entries of units that were not read: one unit at a time is kept.
#[derive(Default)]
pub(super) struct Foreign {
    current: Option<(Unit, Abbreviations)>,
}

impl Foreign {
    /// What the entry at `at` says; cheap when called in ascending order.
    pub(super) fn name(&mut self, at: u64, units: &mut Units<'_>, tables: &mut Tables<'_>) -> Name {
        let known = self.current.as_ref();
        if !known.is_some_and(|(unit, _)| (unit.at..unit.end).contains(&at)) {
            self.current = units.around(at, tables).and_then(|unit| {
                let shapes = tables.shapes.all(unit.abbreviations)?;
                Some((unit, shapes))
            });
        }
        let Some((unit, shapes)) = &self.current else {
            return Name::Unknown;
        };
        let piece = units.piece(at, ENTRY).to_vec();
        let source = Source { unit, shapes };
        let mut first = true;
        // What it refers to within its unit comes in the next round, like what is in others.
        source.name(at, tables, &mut |_, _| {
            std::mem::take(&mut first).then_some(piece.as_slice())
        })
    }
}
