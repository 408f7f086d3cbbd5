//! Line number programs: run once per unit, keeping only the rows of the addresses that are wanted.

use super::{
    tables::{Slice, Tables, Value},
    unit::Unit,
};
use gimli::{DebugLine, DebugLineOffset, LineProgramHeader, LineRow, LittleEndian};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Rows between two looks at the clock: about 0.1 ms.
const PACE: usize = 1 << 13;

/// File and line of code.
pub(super) type Line = (Option<Arc<str>>, Option<u32>);

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Rows {
    files: BTreeMap<u64, Arc<str>>,
    /// Index among the files and line, for each address.
    found: Vec<Option<(u64, u32)>>,
}

impl Rows {
    /// The file with this index.
    pub(super) fn file(&self, index: u64) -> Option<Arc<str>> {
        self.files.get(&index).cloned()
    }

    /// The lines of the first `count` addresses.
    pub(super) fn lines(&self, count: usize) -> impl Iterator<Item = Line> {
        (0..count).map(|at| match self.found.get(at) {
            Some(Some((file, line))) => (self.file(*file), Some(*line).filter(|line| *line != 0)),
            _ => (None, None),
        })
    }
}

/// The lines of `addresses`, ascending, and the paths of their files and of `files`.
pub(super) fn read(
    unit: &Unit,
    tables: &Tables<'_>,
    addresses: &[u64],
    mut files: BTreeSet<u64>,
    keep_going: &dyn Fn() -> bool,
) -> Option<Rows> {
    let at = unit.lines?;
    let bytes = tables.lines.bytes(at, tables.rows_length(at))?;
    let section = DebugLine::new(&bytes, LittleEndian);
    let program = section.program(DebugLineOffset(0), 8, None, None).ok()?;
    let mut rows = program.rows();
    let mut search = Search {
        addresses,
        found: vec![None; addresses.len()],
        left: addresses.len(),
        next: None,
        before: None,
    };
    let mut count = 0_usize;
    // Most of a large unit's program is behind the last row that is wanted.
    while search.left > 0
        && let Ok(Some((_, row))) = rows.next_row()
    {
        count += 1;
        if count.is_multiple_of(PACE) && !keep_going() {
            return None;
        }
        search.row(row);
    }
    files.extend(search.found.iter().flatten().map(|(file, _)| *file));
    let path = |file| Some((file, path(unit, tables, rows.header(), file)?.into()));
    Some(Rows {
        files: files.into_iter().filter_map(path).collect(),
        found: search.found,
    })
}

struct Search<'a> {
    addresses: &'a [u64],
    found: Vec<Option<(u64, u32)>>,
    /// How many were not found so far.
    left: usize,
    /// Place of the first address that the rows to come may cover, within a sequence.
    next: Option<usize>,
    /// The row before: its address, file and line.
    before: Option<(u64, u64, u32)>,
}

impl Search<'_> {
    fn row(&mut self, row: &LineRow) {
        let address = row.address();
        let addresses = self.addresses;
        let next = self
            .next
            .get_or_insert_with(|| addresses.partition_point(|wanted| *wanted < address));
        if let Some((begin, file, line)) = self.before {
            while let Some(wanted) = addresses.get(*next).filter(|wanted| **wanted < address) {
                // Rows of a sequence ascend; one that does not covers nothing.
                if let Some(slot @ None) = self.found.get_mut(*next)
                    && *wanted >= begin
                {
                    *slot = Some((file, line));
                    self.left = self.left.saturating_sub(1);
                }
                *next += 1;
            }
        }
        let line = row
            .line()
            .map_or(0, |line| u32::try_from(line.get()).unwrap_or(0));
        self.before = Some((address, row.file_index(), line));
        if row.end_sequence() {
            (self.next, self.before) = (None, None);
        }
    }
}

/// The path of a file as the compiler was given it, from the directory it was called in.
fn path(
    unit: &Unit,
    tables: &Tables<'_>,
    header: &LineProgramHeader<Slice<'_>>,
    file: u64,
) -> Option<String> {
    let file = header.file(file)?;
    let text = |value: &Value<'_>| tables.text(unit, value);
    let mut path = unit.dir.clone().unwrap_or_default();
    if file.directory_index() != 0 {
        let directory = file.directory(header)?;
        push(&mut path, &text(&directory)?);
    }
    push(&mut path, &text(&file.path_name())?);
    Some(path)
}

fn push(path: &mut String, part: &str) {
    if part.starts_with('/') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(part);
}
