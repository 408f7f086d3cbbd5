//! Making text fit for a terminal: nothing that it would obey, no line wider than the screen.

use std::borrow::Cow;

use manhole::client::escape;
use unicode_width::UnicodeWidthChar;

/// One line of text from a target, or that quotes one, without anything that a terminal obeys.
pub(crate) fn escape(line: &str) -> Cow<'_, str> {
    match line.contains('\n') {
        true => escape::one_line(line),
        false => escape::line(line),
    }
}

/// Cuts `line` to `width` columns, with `…` for what is missing.
pub(crate) fn cut(line: &str, width: usize) -> Cow<'_, str> {
    let mut columns = 0;
    let mut fits = 0;
    for (at, c) in line.char_indices() {
        let next = match c {
            '\t' => columns / 8 * 8 + 8,
            c => columns + c.width().unwrap_or(0),
        };
        if columns < width {
            fits = at;
        }
        if next > width {
            let kept = line.get(..fits).unwrap_or_default();
            return Cow::Owned(format!("{kept}…"));
        }
        columns = next;
    }
    Cow::Borrowed(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let check = |line: &str, expected: &str| assert_eq!(escape(line), expected);
        check("plain ▁█… text\tand tab", "plain ▁█… text\tand tab");
        check("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b");
        check(
            "no such thing\nmanhole-cli: forged",
            "no such thing\\x0amanhole-cli: forged",
        );
    }

    #[test]
    fn lines_are_cut_at_the_screens_edge() {
        let check = |line: &str, width, expected: &str| assert_eq!(cut(line, width), expected);
        check("0123456789", 10, "0123456789");
        check("0123456789a", 10, "012345678…");
        check("日本語日本語", 6, "日本…");
        check("", 10, "");
        check("a\tb", 9, "a\tb");
        check("a\tbc", 9, "a\t…");
    }
}
