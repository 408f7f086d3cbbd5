//! Shapes of entries: a table per unit, of which the first entry alone needs one.

use super::super::image::Window;
use gimli::{Abbreviations, DebugAbbrev, DebugAbbrevOffset, LittleEndian};
use std::rc::Rc;

/// How much of a table is read at first, in bytes; most are no longer.
const USUAL: usize = 4 << 10;
/// Tables of more bytes are refused.
const LONGEST: usize = 16 << 20;

/// The section with the tables.
#[derive(Debug)]
pub(super) struct Shapes<'a> {
    section: Window<'a>,
    /// The one that [`Self::one`] found last: units of the same crate share a table.
    last: Option<(u64, u64, Rc<Abbreviations>)>,
}

impl<'a> Shapes<'a> {
    pub(super) fn new(section: Window<'a>) -> Self {
        Self {
            section,
            last: None,
        }
    }

    /// The whole table at `at`.
    pub(super) fn all(&mut self, at: u64) -> Option<Abbreviations> {
        self.find(at, &|table| {
            let mut rest = table;
            while skip(&mut rest)? != 0 {}
            table.get(..table.len().checked_sub(rest.len())?)
        })
    }

    /// Whether entries of the kind `tag` are in the table at `at`.
    pub(super) fn have(&mut self, at: u64, tag: gimli::DwTag) -> bool {
        let Some(all) = self.all(at) else {
            return false;
        };
        let mut shapes = (1..).map_while(|code| all.get(code));
        shapes.any(|shape| shape.tag() == tag)
    }

    /// A table with only `code` of the one at `at`.
    pub(super) fn one(&mut self, at: u64, code: u64) -> Option<Rc<Abbreviations>> {
        match &self.last {
            Some((table, last, found)) if (*table, *last) == (at, code) => Some(Rc::clone(found)),
            _ => {
                let found = self.find(at, &|table| {
                    let mut rest = table;
                    loop {
                        let begin = rest;
                        match skip(&mut rest)? {
                            0 => return Some(&[]),
                            found if found == code => {
                                return begin.get(..begin.len().checked_sub(rest.len())?);
                            }
                            _ => {}
                        }
                    }
                });
                let found = Rc::new(found?);
                self.last = Some((at, code, Rc::clone(&found)));
                Some(found)
            }
        }
    }

    /// Parses what `part` takes out of the table at `at`; it says `None` when it needs more of it.
    fn find(&mut self, at: u64, part: &dyn Fn(&[u8]) -> Option<&[u8]>) -> Option<Abbreviations> {
        let mut wanted = USUAL;
        loop {
            let table = self.section.get(at, wanted);
            if let Some(part) = part(table) {
                let table = DebugAbbrev::new(part, LittleEndian);
                return table.abbreviations(DebugAbbrevOffset(0)).ok();
            }
            if table.len() < wanted || wanted >= LONGEST {
                return None;
            }
            wanted = wanted.saturating_mul(8);
        }
    }
}

/// Takes a declaration off `rest`; its code, or 0 for the end of the table.
fn skip(rest: &mut &[u8]) -> Option<u64> {
    let code = uleb(rest)?;
    if code == 0 {
        return Some(0);
    }
    let _tag = uleb(rest)?;
    let _has_children = rest.split_off_first()?;
    loop {
        let (name, form) = (uleb(rest)?, uleb(rest)?);
        if form == u64::from(gimli::DW_FORM_implicit_const.0) {
            let _value = uleb(rest)?;
        }
        if (name, form) == (0, 0) {
            return Some(code);
        }
    }
}

/// Takes a number off `rest`; bits beyond the 64th are lost.
fn uleb(rest: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    loop {
        let byte = *rest.split_off_first()?;
        number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some(number);
        }
        shift = shift.saturating_add(7);
    }
}
