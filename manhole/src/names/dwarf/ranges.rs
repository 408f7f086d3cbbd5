//! Which addresses an entry stands for: from here to there, or a list of such ranges.

use super::{
    tables::{Tables, Value},
    unit::Unit,
};
use gimli::AttributeValue;

/// Ranges of one entry beyond this number are not looked at.
const MOST: usize = 1 << 20;

/// What the attributes of an entry say of its addresses.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    begin: Option<Point>,
    end: Option<Point>,
    list: Option<List>,
}

#[derive(Clone, Copy, Debug)]
enum Point {
    Address(u64),
    Indexed(u64),
    /// Bytes from the beginning.
    Size(u64),
}

#[derive(Clone, Copy, Debug)]
enum List {
    At(u64),
    Indexed(u64),
}

/// Takes the beginning of a range and what is behind its end.
type Take<'a> = &'a mut dyn FnMut(u64, u64);

impl Bounds {
    /// Whether an attribute of this name is about addresses.
    pub(super) fn is_of(name: gimli::DwAt) -> bool {
        matches!(
            name,
            gimli::DW_AT_low_pc | gimli::DW_AT_high_pc | gimli::DW_AT_ranges
        )
    }

    /// Takes down what an attribute says, if it is about addresses.
    pub(super) fn note(&mut self, name: gimli::DwAt, value: &Value<'_>) {
        let point = match value {
            AttributeValue::Addr(address) => Some(Point::Address(*address)),
            AttributeValue::DebugAddrIndex(index) => Some(Point::Indexed(index.0 as u64)),
            value => value.udata_value().map(Point::Size),
        };
        match (name, value) {
            (gimli::DW_AT_low_pc, _) => self.begin = point,
            (gimli::DW_AT_high_pc, _) => self.end = point,
            (gimli::DW_AT_ranges, AttributeValue::RangeListsRef(at)) => {
                self.list = Some(List::At(at.0 as u64));
            }
            (gimli::DW_AT_ranges, AttributeValue::DebugRngListsIndex(index)) => {
                self.list = Some(List::Indexed(index.0 as u64));
            }
            _ => {}
        }
    }

    /// The first address, if there is one.
    pub(super) fn begin(&self, unit: &Unit, tables: &mut Tables<'_>) -> Option<u64> {
        match self.begin? {
            Point::Address(address) => Some(address),
            Point::Indexed(index) => tables.indexed(unit, index),
            Point::Size(_) => None,
        }
    }

    /// Calls `take` for each range; `None` when the list is cut short.
    pub(super) fn each(&self, unit: &Unit, tables: &mut Tables<'_>, take: Take<'_>) -> Option<()> {
        match self.list {
            Some(list) if unit.encoding.version >= 5 => each_of_lists(list, unit, tables, take),
            Some(List::At(at)) => each_pair(at, unit, tables, take),
            Some(List::Indexed(_)) => None,
            None => {
                let begin = self.begin(unit, tables)?;
                let end = match self.end? {
                    Point::Address(end) => end,
                    Point::Indexed(index) => tables.indexed(unit, index)?,
                    Point::Size(size) => begin.wrapping_add(size),
                };
                if begin < end {
                    take(begin, end);
                }
                Some(())
            }
        }
    }
}

/// Before DWARF 5: pairs relative to a base, which a pair that begins with -1 sets; (0, 0) ends them.
fn each_pair(mut at: u64, unit: &Unit, tables: &mut Tables<'_>, take: Take<'_>) -> Option<()> {
    let mut base = unit.base;
    for _ in 0..MOST {
        let begin = tables.ranges.u64(&mut at)?;
        let end = tables.ranges.u64(&mut at)?;
        match (begin, end) {
            (0, 0) => return Some(()),
            (u64::MAX, end) => base = end,
            (begin, end) if begin < end => take(base.wrapping_add(begin), base.wrapping_add(end)),
            _ => {}
        }
    }
    None
}

/// DWARF 5: entries of several kinds.
fn each_of_lists(list: List, unit: &Unit, tables: &mut Tables<'_>, take: Take<'_>) -> Option<()> {
    let mut at = match list {
        List::At(at) => at,
        List::Indexed(index) => {
            let size = u64::from(unit.encoding.format.word_size());
            let place = index.checked_mul(size)?.checked_add(unit.range_lists)?;
            let offset = match size {
                8 => tables.range_lists.u64(&mut { place })?,
                _ => tables.range_lists.u32(&mut { place })?.into(),
            };
            unit.range_lists.checked_add(offset)?
        }
    };
    let mut base = unit.base;
    for _ in 0..MOST {
        let kind = gimli::DwRle(tables.range_lists.u8(&mut at)?);
        let lists = &mut tables.range_lists;
        let (begin, end) = match kind {
            gimli::DW_RLE_end_of_list => return Some(()),
            gimli::DW_RLE_base_addressx => {
                let index = lists.uleb(&mut at)?;
                base = tables.indexed(unit, index)?;
                continue;
            }
            gimli::DW_RLE_base_address => {
                base = lists.u64(&mut at)?;
                continue;
            }
            gimli::DW_RLE_startx_endx => {
                let (begin, end) = (lists.uleb(&mut at)?, lists.uleb(&mut at)?);
                (tables.indexed(unit, begin)?, tables.indexed(unit, end)?)
            }
            gimli::DW_RLE_startx_length => {
                let (begin, length) = (lists.uleb(&mut at)?, lists.uleb(&mut at)?);
                let begin = tables.indexed(unit, begin)?;
                (begin, begin.wrapping_add(length))
            }
            gimli::DW_RLE_offset_pair => {
                let (begin, end) = (lists.uleb(&mut at)?, lists.uleb(&mut at)?);
                (base.wrapping_add(begin), base.wrapping_add(end))
            }
            gimli::DW_RLE_start_end => (lists.u64(&mut at)?, lists.u64(&mut at)?),
            gimli::DW_RLE_start_length => {
                let (begin, length) = (lists.u64(&mut at)?, lists.uleb(&mut at)?);
                (begin, begin.wrapping_add(length))
            }
            _ => return None,
        };
        if begin < end {
            take(begin, end);
        }
    }
    None
}
