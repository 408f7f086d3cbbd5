//! Cells that are texts already, in columns.

use std::iter;

/// A cell wider than this does not widen its column: it pushes the rest of its own row aside, uncut,
/// so that one endless name costs neither the other rows their shape nor us the memory to pad them.
const WIDEST: usize = 48;

const GAP: &str = "  ";

/// Lines of `rows`, two spaces between columns, nothing behind the last. `right` says which columns
/// stand right-aligned.
///
/// Widths are counted in characters, which is what nearly everything but East Asian text has.
pub(super) fn columns(rows: &[Vec<String>], right: &[bool]) -> String {
    let widths = widths(rows, right);
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = iter::repeat_n(' ', width.saturating_sub(width_of(cell)));
            line.push_str(if at == 0 { "" } else { GAP });
            match right.get(at) {
                Some(true) => line.extend(padding.chain(cell.chars())),
                _ => line.extend(cell.chars().chain(padding)),
            }
        }
        text.push_str(line.trim_end_matches(' '));
        text.push('\n');
    }
    text
}

/// The last cell of a row needs no room behind it, unless it is right-aligned.
fn widths(rows: &[Vec<String>], right: &[bool]) -> Vec<usize> {
    let mut widths = vec![0; right.len()];
    for row in rows {
        for (at, (cell, right)) in row.iter().zip(right).enumerate() {
            let needed = width_of(cell);
            let counts = needed <= WIDEST && (*right || at + 1 < row.len());
            if let (true, Some(width)) = (counts, widths.get_mut(at)) {
                *width = needed.max(*width);
            }
        }
    }
    widths
}

fn width_of(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(right: &[bool], rows: &[&[&str]], expected: &[&str]) {
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| cell.to_string()).collect())
            .collect();
        assert_eq!(columns(&rows, right), expected.join("\n") + "\n");
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
