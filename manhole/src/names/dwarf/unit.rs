//! Units of `.debug_info`: their headers, their first entries, and which of them hold an address.

use super::{
    super::{
        image::{Bytes, Window},
        place::{Origin, origin},
        quality::Detail,
    },
    Section,
    ranges::Bounds,
    tables::{Slice, Tables, Value},
};
use gimli::{AttributeValue, Encoding, EntriesRaw, Format, LittleEndian, UnitOffset};

/// What is read around a unit's beginning.
const HEAD: usize = 1 << 10;
/// What its first entry may take, with a name and a directory in it.
const LONGEST_HEAD: usize = 32 << 10;
/// Units beyond this number are not looked at.
const MOST: usize = 1 << 20;
/// Units that are looked at for what they have.
const MOST_LOOKED_AT: usize = 1 << 10;

/// A unit: what one run of the compiler's back end made.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    /// Its place in the section.
    pub at: u64,
    /// First place behind it.
    pub end: u64,
    /// Bytes from `at` to its first entry.
    pub header: u64,
    /// How its entries are written.
    pub encoding: Encoding,
    /// Place of its abbreviations.
    pub abbreviations: u64,
    /// What addresses in its range lists are relative to.
    pub base: u64,
    /// Place of its line number program.
    pub lines: Option<u64>,
    /// Places of its part of other sections.
    pub addresses: u64,
    pub range_lists: u64,
    pub string_offsets: u64,
    /// Whether it is written in Rust.
    pub rust: bool,
    /// Its entries are in a file of their own.
    pub split: bool,
    /// The directory it was compiled in.
    pub dir: Option<String>,
    /// The file it was compiled from; rustc adds the crate.
    pub name: Option<String>,
}

/// All units, by place.
pub(super) struct Units<'a> {
    info: Window<'a>,
    /// Where they begin, once all were seen.
    starts: Vec<u64>,
}

impl<'a> Units<'a> {
    pub(super) fn new(section: Section<'a>) -> Self {
        Self {
            info: Window::new(section(".debug_info"), HEAD),
            starts: Vec::new(),
        }
    }

    /// The bytes of `unit` from its first entry on.
    pub(super) fn entries(&self, unit: &Unit) -> Option<Bytes> {
        let at = unit.at.checked_add(unit.header)?;
        self.info.data().bytes(at, unit.end.checked_sub(at)?)
    }

    /// About `wanted` bytes at `at`.
    pub(super) fn piece(&mut self, at: u64, wanted: usize) -> &[u8] {
        self.info.get(at, wanted)
    }

    /// The units that hold one of `addresses`, each with the places of those it holds; `None` when
    /// `keep_going` says no. Looks at the beginning of every unit: 1 us each, and 10 ns per range.
    pub(super) fn find(
        &mut self,
        tables: &mut Tables<'_>,
        addresses: &[u64],
        first_code: u64,
        keep_going: &dyn Fn() -> bool,
    ) -> Option<Vec<(Unit, Vec<usize>)>> {
        let mut owners: Vec<Option<usize>> = vec![None; addresses.len()];
        let mut found: Vec<(Unit, Vec<usize>)> = Vec::new();
        let mut at = 0;
        while let Some((mut unit, compiled)) = header(&mut self.info, at) {
            if self.starts.len().is_multiple_of(64) && !keep_going() {
                return None;
            }
            if self.starts.len() >= MOST || self.starts.try_reserve(1).is_err() {
                break;
            }
            self.starts.push(at);
            at = unit.end;
            if !compiled {
                continue;
            }
            let Some(bounds) = self.first_entry(&mut unit, tables, false) else {
                continue;
            };
            let mut mine = false;
            let mut own = |begin: u64, end: u64| {
                let first = addresses.partition_point(|address| *address < begin);
                let owned = addresses.iter().zip(&mut owners).skip(first);
                let within = owned.take_while(|(address, _)| **address < end);
                for (_, owner) in within.filter(|(_, owner)| owner.is_none()) {
                    (*owner, mine) = (Some(found.len()), true);
                }
            };
            let _ = bounds.each(&unit, tables, &mut |begin, end| {
                if begin >= first_code {
                    own(begin, end);
                }
            });
            if mine {
                self.first_entry(&mut unit, tables, true);
                found.push((unit, Vec::new()));
            }
        }
        for (place, owner) in owners.into_iter().enumerate() {
            if let Some((_, places)) = owner.and_then(|owner| found.get_mut(owner)) {
                places.push(place);
            }
        }
        Some(found)
    }

    /// What the first unit of Rust has that is not of the standard library.
    pub(super) fn detail(&mut self, tables: &mut Tables<'_>) -> Detail {
        let mut at = 0;
        for _ in 0..MOST_LOOKED_AT {
            let Some((mut unit, _)) = header(&mut self.info, at) else {
                break;
            };
            at = unit.end;
            let read = self.first_entry(&mut unit, tables, true).is_some();
            let root = tables.root(&unit);
            let is_std = root.is_none_or(|root| origin(&root) == Origin::Std);
            if unit.split {
                return Detail::Unreadable;
            }
            if !read || !unit.rust || is_std {
                continue;
            }
            return match tables
                .shapes
                .have(unit.abbreviations, gimli::DW_TAG_namespace)
            {
                true => Detail::Full,
                false => Detail::Bare,
            };
        }
        Detail::Nothing
    }

    /// The unit that the entry at `at` is in; only after [`Self::find`].
    pub(super) fn around(&mut self, at: u64, tables: &mut Tables<'_>) -> Option<Unit> {
        let behind = self.starts.partition_point(|start| *start <= at);
        let start = *self.starts.get(behind.checked_sub(1)?)?;
        let (mut unit, _) = header(&mut self.info, start)?;
        self.first_entry(&mut unit, tables, false)?;
        (at < unit.end).then_some(unit)
    }

    /// Reads the first entry of `unit`, with its texts if they are wanted. What it says of ranges is
    /// returned.
    fn first_entry(
        &mut self,
        unit: &mut Unit,
        tables: &mut Tables<'_>,
        texts: bool,
    ) -> Option<Bounds> {
        let first = unit.at.checked_add(unit.header)?;
        let room = usize::try_from(unit.end.checked_sub(first)?).ok()?;
        let code = self.info.uleb(&mut { first })?;
        let shape = tables.shapes.one(unit.abbreviations, code)?;
        [HEAD / 2, LONGEST_HEAD].into_iter().find_map(|wanted| {
            let bytes = self.info.get(first, wanted.min(room));
            let bytes = bytes.get(..room.min(bytes.len()))?;
            let bytes = Slice::new(bytes, LittleEndian);
            let entries = EntriesRaw::new(bytes, unit.encoding, &shape, UnitOffset(0));
            read_first(entries, unit, tables, texts)
        })
    }
}

/// The header at `at`, and whether it is of a unit that may hold code.
fn header(info: &mut Window<'_>, at: u64) -> Option<(Unit, bool)> {
    let mut place = at;
    let (length, format) = match info.u32(&mut place)? {
        u32::MAX => (info.u64(&mut place)?, Format::Dwarf64),
        length => (length.into(), Format::Dwarf32),
    };
    let end = place.checked_add(length)?;
    if end > info.data().length() {
        return None;
    }
    let version = info.u16(&mut place)?;
    let (kind, address_size, abbreviations) = match version {
        5.. => {
            let (kind, size) = (info.u8(&mut place)?, info.u8(&mut place)?);
            (gimli::DwUt(kind), size, offset(info, &mut place, format)?)
        }
        _ => {
            let abbreviations = offset(info, &mut place, format)?;
            (gimli::DW_UT_compile, info.u8(&mut place)?, abbreviations)
        }
    };
    let split = kind == gimli::DW_UT_skeleton;
    if split {
        let _id = info.u64(&mut place)?;
    }
    let known = (2..=5).contains(&version) && address_size == 8;
    let compiled = known && (split || kind == gimli::DW_UT_compile);
    let unit = Unit {
        at,
        end,
        header: place.checked_sub(at)?,
        encoding: Encoding {
            address_size,
            format,
            version,
        },
        abbreviations,
        base: 0,
        lines: None,
        addresses: 0,
        range_lists: 0,
        string_offsets: 0,
        rust: false,
        split,
        dir: None,
        name: None,
    };
    Some((unit, compiled))
}

fn offset(info: &mut Window<'_>, at: &mut u64, format: Format) -> Option<u64> {
    match format {
        Format::Dwarf64 => info.u64(at),
        Format::Dwarf32 => info.u32(at).map(u64::from),
    }
}

fn read_first(
    mut entries: EntriesRaw<'_, Slice<'_>>,
    unit: &mut Unit,
    tables: &mut Tables<'_>,
    texts: bool,
) -> Option<Bounds> {
    let mut bounds = Bounds::default();
    let (mut dir, mut name) = (None, None);
    let shape = entries.read_abbreviation().ok()??;
    for spec in shape.attributes() {
        let attribute = entries.read_attribute(*spec).ok()?;
        let value = attribute.value();
        match (attribute.name(), &value) {
            (gimli::DW_AT_stmt_list, AttributeValue::DebugLineRef(at)) => {
                unit.lines = Some(at.0 as u64);
            }
            (_, AttributeValue::DebugAddrBase(at)) => unit.addresses = at.0 as u64,
            (_, AttributeValue::DebugRngListsBase(at)) => unit.range_lists = at.0 as u64,
            (_, AttributeValue::DebugStrOffsetsBase(at)) => unit.string_offsets = at.0 as u64,
            (_, AttributeValue::Language(language)) => unit.rust = *language == gimli::DW_LANG_Rust,
            (gimli::DW_AT_dwo_name | gimli::DW_AT_GNU_dwo_name, _) => unit.split = true,
            (gimli::DW_AT_comp_dir, _) => dir = Some(value),
            (gimli::DW_AT_name, _) => name = Some(value),
            _ => bounds.note(attribute.name(), &value),
        }
    }
    if texts {
        let text = |value: Option<Value<'_>>| tables.text(unit, &value?);
        let (dir, name) = (text(dir), text(name));
        (unit.dir, unit.name) = (dir, name);
    }
    unit.base = bounds.begin(unit, tables).unwrap_or(0);
    Some(bounds)
}
