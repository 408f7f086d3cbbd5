//! Text from the application, the kernel or another process, made harmless for a terminal.
//!
//! Escaped as `\xHH` or `\u{..}` are: C0 but LF and TAB, DEL, C1, what turns the reading direction,
//! the two Unicode line ends, and bytes that are no UTF-8.

use super::out::{Out, pieces};
use crate::model::Failure;
use std::borrow::Cow;

/// One of the functions below that keep a text what it is for its reader.
pub type Escape = fn(&str) -> Cow<'_, str>;

/// Writes `text`, whatever its size, as `escape` makes it.
pub fn put(text: &str, escape: Escape, out: &mut dyn Out) -> Result<(), Failure> {
    pieces(text).try_for_each(|piece| out.put(&escape(piece)))
}

/// `text` with LF and TAB left as they are.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, is_hostile, show)
}

/// `text` on one line and in one cell: LF and TAB are escaped as well.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hostile(c) || matches!(c, '\n' | '\t'), show)
}

/// `text` on one line that may hold tabs.
pub(super) fn indented(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hostile(c) || c == '\n', show)
}

/// `bytes`, whatever they are, with LF and TAB left as they are. A character split between two calls
/// is shown in hex: pass whole lines.
pub fn bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&line(chunk.valid()));
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// JSON `text` with what a terminal would obey, DEL and beyond, as `\uHHHH`: the same JSON.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    escape(text, is_hostile, |code| format!("\\u{code:04x}"))
}

fn escape(
    text: &str,
    hostile: impl Fn(char) -> bool,
    show: impl Fn(u32) -> String,
) -> Cow<'_, str> {
    // Nearly all text is plain ASCII, and bytes are looked at several times faster than characters.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(&hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match hostile(c) {
            true => escaped.push_str(&show(u32::from(c))),
            false => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

fn show(code: u32) -> String {
    match code {
        ..0x80 => format!("\\x{code:02x}"),
        _ => format!("\\u{{{code:x}}}"),
    }
}

/// Whether `c` may do something to a terminal or to the order of what stands around it.
fn is_hostile(c: char) -> bool {
    let control = c.is_control() && !matches!(c, '\n' | '\t');
    let mark = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}'
    );
    let direction = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    control || mark || direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown_instead() {
        let check = |text: &str, expected: &str| assert_eq!(line(text), expected);
        check(
            "plain \u{e9} \u{20ac}\tand\n",
            "plain \u{e9} \u{20ac}\tand\n",
        );
        check("\u{1b}[2J\r\u{7f}\0", "\\x1b[2J\\x0d\\x7f\\x00");
        check("\u{9b}\u{85}", "\\u{9b}\\u{85}");
        check(
            "a\u{202e}b\u{2066}\u{61c}\u{200f}",
            "a\\u{202e}b\\u{2066}\\u{61c}\\u{200f}",
        );
        check("\u{2028}", "\\u{2028}");
        assert_eq!(one_line("a\tb\n\u{1b}"), "a\\x09b\\x0a\\x1b");
        assert!(matches!(line("nothing to do\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_shown_in_hex() {
        assert_eq!(bytes(b"a\xff\xc3(\xe2\x82\n"), "a\\xff\\xc3(\\xe2\\x82\n");
        assert_eq!(bytes("\u{ff}\u{9b}".as_bytes()), "\u{ff}\\u{9b}");
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "[\"\u{7f}\u{9b}\u{202e}\u{e9}\"]";
        let escaped = json(text);
        assert_eq!(escaped, "[\"\\u007f\\u009b\\u202e\u{e9}\"]");
        let parse = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(parse(&escaped), parse(text));
    }
}
