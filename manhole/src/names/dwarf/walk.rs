//! The entries of a unit from front to back: which functions hold the addresses, and what is inlined
//! there.

use super::{
    origin,
    ranges::Bounds,
    tables::{Slice, Tables, Value},
    unit::{Unit, Units},
};
use gimli::{
    Abbreviation, Abbreviations, AttributeSpecification, AttributeValue, EntriesRaw, LittleEndian,
    UnitOffset,
};
use std::{collections::BTreeMap, sync::Arc};

/// Entries between two looks at the clock: about 0.1 ms.
const PACE: usize = 1 << 10;
/// Functions inlined into each other beyond this number are left out.
const DEEPEST: usize = 256;

/// A function at an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Site {
    pub name: Name,
    /// Where it is called in the next outer one, if it is inlined: index among the unit's files.
    pub call_file: u64,
    pub call_line: Option<u32>,
}

/// What a function is called.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Name {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Its symbol.
    Symbol(Arc<str>),
    /// Its name without what it is in.
    Bare(Arc<str>),
    /// What the entry at this place in `.debug_info` says.
    Elsewhere(u64),
}

impl Name {
    /// The name, and whether it is the symbol.
    pub(super) fn known(self) -> (Option<Arc<str>>, bool) {
        match self {
            Self::Symbol(name) => (Some(name), true),
            Self::Bare(name) => (Some(name), false),
            Self::Unknown | Self::Elsewhere(_) => (None, false),
        }
    }
}

/// The functions at one address, innermost first.
pub(super) type Chain = Vec<Site>;

/// The functions at each of `addresses`, ascending. `None` when the unit is malformed, memory is
/// short, or `keep_going` says no.
pub(super) fn walk(
    unit: &Unit,
    units: &mut Units<'_>,
    tables: &mut Tables<'_>,
    addresses: &[u64],
    keep_going: &dyn Fn() -> bool,
) -> Option<Vec<Chain>> {
    let bytes = units.entries(unit)?;
    let shapes = tables.shapes.all(unit.abbreviations)?;
    let mut walk = Walk {
        unit,
        bytes: &bytes,
        shapes: &shapes,
        tables,
        addresses,
        found: vec![Vec::new(); addresses.len()],
        left: addresses.len(),
        open: Vec::new(),
        names: BTreeMap::new(),
    };
    walk.run(keep_going)?;
    let mut chains = walk.found;
    chains.iter_mut().for_each(|chain| chain.reverse());
    Some(chains)
}

struct Walk<'a, 'b> {
    unit: &'b Unit,
    bytes: &'b [u8],
    shapes: &'b Abbreviations,
    tables: &'b mut Tables<'a>,
    addresses: &'b [u64],
    /// Outermost first.
    found: Vec<Chain>,
    /// How many addresses are in no function so far.
    left: usize,
    /// The functions around the entry.
    open: Vec<Open>,
    /// Names by place in the unit: an inlined function is often at many addresses.
    names: BTreeMap<u64, Name>,
}

/// A function whose entry is not over yet.
struct Open {
    depth: isize,
    /// Functions around it, inlined into each other.
    level: usize,
    /// Addresses in it.
    hits: Vec<usize>,
}

impl Walk<'_, '_> {
    fn run(&mut self, keep_going: &dyn Fn() -> bool) -> Option<()> {
        let (bytes, shapes) = (self.bytes, self.shapes);
        let slice = Slice::new(bytes, LittleEndian);
        let first = UnitOffset(usize::try_from(self.unit.header).ok()?);
        let mut entries = EntriesRaw::new(slice, self.unit.encoding, shapes, first);
        let mut count = 0_usize;
        while !entries.is_empty() {
            count += 1;
            if count.is_multiple_of(PACE) && !keep_going() {
                return None;
            }
            let depth = entries.next_depth();
            while self.open.last().is_some_and(|open| open.depth >= depth) {
                self.open.pop();
            }
            // An address is in one function, and what is inlined there lies within its entry.
            if self.left == 0 && self.open.iter().all(|open| open.hits.is_empty()) {
                break;
            }
            let Some(shape) = entries.read_abbreviation().ok()? else {
                continue;
            };
            let inside = self.open.last().is_some_and(|open| !open.hits.is_empty());
            match shape.tag() {
                gimli::DW_TAG_subprogram => self.function(&mut entries, shape, depth)?,
                gimli::DW_TAG_inlined_subroutine if inside => {
                    self.inlined(&mut entries, shape, depth)?;
                }
                _ => entries.skip_attributes(shape.attributes()).ok()?,
            }
        }
        Some(())
    }

    fn function(
        &mut self,
        entries: &mut EntriesRaw<'_, Slice<'_>>,
        shape: &Abbreviation,
        depth: isize,
    ) -> Option<()> {
        let whole = entries.clone();
        let (bounds, rest) = bounds(entries, shape)?;
        let hits = self.within(&bounds);
        // Of thousands of functions a few are wanted: what the others are called is passed over.
        if hits.is_empty() {
            self.open.push(Open {
                depth,
                level: 0,
                hits,
            });
            return entries.skip_attributes(rest).ok();
        }
        *entries = whole;
        let entry = Entry::read(entries, shape)?;
        self.enter(&entry, depth, 0, hits);
        Some(())
    }

    /// The addresses within `bounds` that no function has yet.
    fn within(&mut self, bounds: &Bounds) -> Vec<usize> {
        let (addresses, found) = (self.addresses, &self.found);
        let mut hits = Vec::new();
        let _ = bounds.each(self.unit, self.tables, &mut |begin, end| {
            let first = addresses.partition_point(|address| *address < begin);
            let rest = addresses.iter().enumerate().skip(first);
            let within = rest.take_while(|(_, address)| **address < end);
            let free = within.filter(|(at, _)| found.get(*at).is_some_and(Vec::is_empty));
            hits.extend(free.map(|(at, _)| at));
        });
        hits
    }

    fn inlined(
        &mut self,
        entries: &mut EntriesRaw<'_, Slice<'_>>,
        shape: &Abbreviation,
        depth: isize,
    ) -> Option<()> {
        let entry = Entry::read(entries, shape)?;
        let Some(around) = self.open.last() else {
            return Some(());
        };
        let level = around.level + 1;
        let (addresses, found) = (self.addresses, &self.found);
        let mut hits = Vec::new();
        let _ = entry
            .bounds
            .each(self.unit, self.tables, &mut |begin, end| {
                // Where two at the same level claim an address the first has it.
                let free = around.hits.iter().filter(|at| {
                    let address = addresses.get(**at);
                    let within = address.is_some_and(|address| (begin..end).contains(address));
                    within && found.get(**at).is_some_and(|chain| chain.len() == level)
                });
                hits.extend(free);
            });
        hits.dedup();
        self.enter(&entry, depth, level, hits);
        Some(())
    }

    fn enter(&mut self, entry: &Entry<'_>, depth: isize, level: usize, mut hits: Vec<usize>) {
        if level >= DEEPEST {
            hits.clear();
        }
        if !hits.is_empty() {
            let name = self.name(entry);
            for at in &hits {
                if let Some(chain) = self.found.get_mut(*at) {
                    self.left = self.left.saturating_sub(usize::from(chain.is_empty()));
                    chain.push(Site {
                        name: name.clone(),
                        call_file: entry.call_file,
                        call_line: entry.call_line,
                    });
                }
            }
        }
        self.open.push(Open { depth, level, hits });
    }

    fn name(&mut self, entry: &Entry<'_>) -> Name {
        let origin = match entry.name(self.unit, self.tables) {
            Name::Elsewhere(origin) => origin,
            name => return name,
        };
        if let Some(name) = self.names.get(&origin) {
            return name.clone();
        }
        let source = origin::Source {
            unit: self.unit,
            shapes: self.shapes,
        };
        let name = source.name(origin, self.tables, &mut |at, _| {
            let first = self.unit.at.checked_add(self.unit.header)?;
            let at = usize::try_from(at.checked_sub(first)?).ok()?;
            self.bytes.get(at..)
        });
        self.names.insert(origin, name.clone());
        name
    }
}

/// Which addresses a function's entry stands for, and what of its attributes is behind that.
fn bounds<'s>(
    entries: &mut EntriesRaw<'_, Slice<'_>>,
    shape: &'s Abbreviation,
) -> Option<(Bounds, &'s [AttributeSpecification])> {
    let mut bounds = Bounds::default();
    let attributes = shape.attributes();
    let last = attributes
        .iter()
        .rposition(|spec| Bounds::is_of(spec.name()));
    let (some, rest) = attributes.split_at_checked(last.map_or(0, |last| last + 1))?;
    for spec in some {
        let attribute = entries.read_attribute(*spec).ok()?;
        bounds.note(attribute.name(), &attribute.value());
    }
    Some((bounds, rest))
}

/// What matters of a function's entry.
#[derive(Default)]
pub(super) struct Entry<'a> {
    bounds: Bounds,
    symbol: Option<Value<'a>>,
    bare: Option<Value<'a>>,
    /// The entry that says more.
    origin: Option<Value<'a>>,
    call_file: u64,
    call_line: Option<u32>,
}

impl<'a> Entry<'a> {
    pub(super) fn read(
        entries: &mut EntriesRaw<'_, Slice<'a>>,
        shape: &Abbreviation,
    ) -> Option<Self> {
        let mut entry = Self::default();
        for spec in shape.attributes() {
            let attribute = entries.read_attribute(*spec).ok()?;
            let value = attribute.value();
            match attribute.name() {
                gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                    entry.symbol = Some(value);
                }
                gimli::DW_AT_name => entry.bare = Some(value),
                gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => {
                    entry.origin = Some(value);
                }
                gimli::DW_AT_call_file => {
                    if let AttributeValue::FileIndex(file) = value {
                        entry.call_file = file;
                    }
                }
                gimli::DW_AT_call_line => {
                    let line = value.udata_value().filter(|line| *line != 0);
                    entry.call_line = line.and_then(|line| u32::try_from(line).ok());
                }
                name => entry.bounds.note(name, &value),
            }
        }
        Some(entry)
    }

    /// What the entry itself says, symbols before anything else, or else where more is said.
    pub(super) fn name(&self, unit: &Unit, tables: &Tables<'_>) -> Name {
        let text = |value: &Option<Value<'_>>| {
            let text = tables.text(unit, value.as_ref()?)?;
            (!text.is_empty()).then(|| Arc::from(text))
        };
        let origin = self.origin.as_ref().and_then(|origin| match origin {
            AttributeValue::UnitRef(at) => unit.at.checked_add(at.0 as u64),
            AttributeValue::DebugInfoRef(at) => Some(at.0 as u64),
            _ => None,
        });
        match (text(&self.symbol), origin) {
            (Some(symbol), _) => Name::Symbol(symbol),
            (None, Some(origin)) => Name::Elsewhere(origin),
            (None, None) => text(&self.bare).map_or(Name::Unknown, Name::Bare),
        }
    }
}
