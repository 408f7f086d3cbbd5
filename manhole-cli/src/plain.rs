//! Making text fit for a terminal: no control characters, no line wider than the screen.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Writes out whatever could move the cursor, change colours or turn the direction of writing.
pub(crate) fn escape(line: &str) -> Cow<'_, str> {
    if !line.chars().any(is_control) {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len() + 8);
    for c in line.chars() {
        match is_control(c) {
            false => plain.push(c),
            true if u32::from(c) < 0x100 => plain.push_str(&format!("\\x{:02X}", u32::from(c))),
            true => plain.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(plain)
}

/// C0 but TAB, DEL, C1, and the bidirectional controls.
fn is_control(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
    fn nothing_moves_the_cursor() {
        let check = |line: &str, expected: &str| assert_eq!(escape(line), expected);
        check("plain ▁█… text\tand tab", "plain ▁█… text\tand tab");
        check("a\x1b]0;title\x07b", "a\\x1B]0;title\\x07b");
        check("over\rwritten", "over\\x0Dwritten");
        check("c1 \u{9b}31m del \x7f", "c1 \\x9B31m del \\x7F");
        check("bidi \u{202e}txt.exe", "bidi \\u{202e}txt.exe");
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
