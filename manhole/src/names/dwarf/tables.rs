//! The sections that entries refer to, and the values of attributes.

use super::{
    super::image::{Data, Window},
    Section,
    abbreviations::Shapes,
    unit::Unit,
};
use gimli::{AttributeValue, EndianSlice, LittleEndian};
use std::sync::Arc;

/// How entries are read.
pub(super) type Slice<'a> = EndianSlice<'a, LittleEndian>;
/// What an attribute holds.
pub(super) type Value<'a> = AttributeValue<Slice<'a>>;

/// Sections that are read in small pieces.
pub(super) struct Tables<'a> {
    pub shapes: Shapes<'a>,
    pub ranges: Window<'a>,
    pub range_lists: Window<'a>,
    pub lines: Data<'a>,
    addresses: Window<'a>,
    strings: Data<'a>,
    line_strings: Data<'a>,
    string_offsets: Data<'a>,
}

impl<'a> Tables<'a> {
    pub(super) fn new(section: Section<'a>) -> Self {
        let window = |name| Window::new(section(name), 16 << 10);
        Self {
            shapes: Shapes::new(window(".debug_abbrev")),
            ranges: window(".debug_ranges"),
            range_lists: window(".debug_rnglists"),
            lines: section(".debug_line"),
            addresses: window(".debug_addr"),
            strings: section(".debug_str"),
            line_strings: section(".debug_line_str"),
            string_offsets: section(".debug_str_offsets"),
        }
    }

    /// The text that an attribute holds or refers to.
    pub(super) fn text(&self, unit: &Unit, value: &Value<'_>) -> Option<String> {
        match value {
            AttributeValue::String(text) => Some(text.to_string_lossy().into_owned()),
            AttributeValue::DebugStrRef(at) => self.strings.text(at.0 as u64),
            AttributeValue::DebugLineStrRef(at) => self.line_strings.text(at.0 as u64),
            AttributeValue::DebugStrOffsetsIndex(index) => {
                let size = u64::from(unit.encoding.format.word_size());
                let at = size.checked_mul(index.0 as u64)?;
                let at = at.checked_add(unit.string_offsets)?;
                let mut offset = [0; 8];
                let part = offset.get_mut(..usize::try_from(size).ok()?)?;
                (self.string_offsets.fill(at, part) == part.len()).then_some(())?;
                self.strings.text(u64::from_le_bytes(offset))
            }
            _ => None,
        }
    }

    /// The address with this index.
    pub(super) fn indexed(&mut self, unit: &Unit, index: u64) -> Option<u64> {
        let at = index.checked_mul(8)?.checked_add(unit.addresses)?;
        self.addresses.u64(&mut { at })
    }

    /// Bytes of the line number program at `at`, with its header.
    pub(super) fn rows_length(&self, at: u64) -> u64 {
        let mut length = [0; 12];
        let filled = self.lines.fill(at, &mut length);
        let [a, b, c, d, rest @ ..] = length;
        match u32::from_le_bytes([a, b, c, d]) {
            _ if filled < 4 => 0,
            u32::MAX if filled == 12 => u64::from_le_bytes(rest).saturating_add(12),
            short => u64::from(short) + 4,
        }
    }

    /// Directory and file that the unit was compiled from, as `dir/src/main.rs/@/crate.hash-cgu.0`.
    pub(super) fn root(&self, unit: &Unit) -> Option<Arc<str>> {
        let (dir, name) = (unit.dir.as_deref()?, unit.name.as_deref()?);
        let root = match name.starts_with('/') {
            true => name.to_owned(),
            false => format!("{dir}/{name}"),
        };
        Some(root.into())
    }
}
