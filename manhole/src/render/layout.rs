//! Cells that are texts already, in columns.

use super::{
    cell, escape,
    out::{Count, Out},
};
use crate::model::{Cell, Failure};

/// A cell wider than this does not widen its column: it pushes the rest of its own row aside, uncut,
/// so that one endless name costs neither the other rows their shape nor us the memory to pad them.
const WIDEST: usize = 48;

const GAP: usize = 2;

/// What stands in one place of a table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'a> {
    /// A text, to be made harmless.
    Text(&'a str),
    /// A value and the heading it stands under.
    Cell(&'a Cell, &'a str),
}

impl Item<'_> {
    fn put(&self, out: &mut dyn Out) -> Result<(), Failure> {
        match self {
            Item::Text(text) => escape::put(text, escape::one_line, out),
            Item::Cell(cell, header) => cell::put(cell, header, out),
        }
    }

    /// In characters, which is what nearly everything but East Asian text has.
    fn width(&self) -> Result<usize, Failure> {
        let mut count = Count::default();
        self.put(&mut count)?;
        Ok(count.chars)
    }
}

/// Writes lines of `rows`, two spaces between columns, nothing behind the last. `right` says which
/// columns stand right-aligned.
///
/// Items are rendered for their width and again for themselves: to keep the texts in between would
/// take as much memory as the reply.
pub(super) fn columns<'a>(
    rows: impl Iterator<Item = Vec<Item<'a>>> + Clone,
    right: &[bool],
    out: &mut dyn Out,
) -> Result<(), Failure> {
    let widths = widths(rows.clone(), right)?;
    for row in rows {
        let mut line = Line::new(out);
        for (at, (item, width)) in row.iter().zip(&widths).enumerate() {
            line.spaces += if at == 0 { 0 } else { GAP };
            if right.get(at) == Some(&true) {
                line.spaces += width.saturating_sub(item.width()?);
                item.put(&mut line)?;
            } else {
                line.chars = 0;
                item.put(&mut line)?;
                line.spaces += width.saturating_sub(line.chars);
            }
        }
        out.put("\n")?;
    }
    Ok(())
}

/// The last item of a row needs no room behind it, unless it is right-aligned.
fn widths<'a>(
    rows: impl Iterator<Item = Vec<Item<'a>>>,
    right: &[bool],
) -> Result<Vec<usize>, Failure> {
    let mut widths = vec![0; right.len()];
    for row in rows {
        for (at, (item, right)) in row.iter().zip(right).enumerate() {
            let needed = item.width()?;
            let counts = needed <= WIDEST && (*right || at + 1 < row.len());
            if let (true, Some(width)) = (counts, widths.get_mut(at)) {
                *width = needed.max(*width);
            }
        }
    }
    Ok(widths)
}

/// Holds spaces back until something stands behind them.
struct Line<'a> {
    out: &'a mut dyn Out,
    spaces: usize,
    /// Characters put.
    chars: usize,
}

impl<'a> Line<'a> {
    fn new(out: &'a mut dyn Out) -> Self {
        Self {
            out,
            spaces: 0,
            chars: 0,
        }
    }
}

impl Out for Line<'_> {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        const SPACES: &str = "                                ";
        self.chars += text.chars().count();
        let shown = text.trim_end_matches(' ');
        if !shown.is_empty() {
            while self.spaces > 0 {
                let now = SPACES.get(..self.spaces).unwrap_or(SPACES);
                self.out.put(now)?;
                self.spaces -= now.len();
            }
            self.out.put(shown)?;
        }
        self.spaces += text.len() - shown.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(right: &[bool], rows: &[&[&str]], expected: &[&str]) {
        let rows = rows.iter();
        let rows = rows.map(|row| row.iter().map(|text| Item::Text(text)).collect());
        let mut text = String::new();
        columns(rows, right, &mut text).unwrap();
        assert_eq!(text, expected.join("\n") + "\n");
    }

    #[test]
    fn numbers_stand_right_and_the_last_column_is_not_padded() {
        check(
            &[true, false, false],
            &[
                &["n", "kind", "name"],
                &["12", "a", "x"],
                &["3", "long", ""],
            ],
            &[" n  kind  name", "12  a     x", " 3  long"],
        );
        check(
            &[false, true],
            &[&["a", "1"], &["b", "22"]],
            &["a   1", "b  22"],
        );
    }

    #[test]
    fn width_is_counted_in_characters() {
        check(
            &[false, false],
            &[&["\u{e9}\u{20ac}", "x"], &["ab", "y"]],
            &["\u{e9}\u{20ac}  x", "ab  y"],
        );
    }

    #[test]
    fn an_endless_cell_breaks_no_other_row_and_is_not_cut() {
        let endless = "x".repeat(1_000_000);
        check(
            &[false, false],
            &[&[&endless, "a"], &["ab", "b"], &["c", "c"]],
            &[&format!("{endless}  a"), "ab  b", "c   c"],
        );
    }
}
