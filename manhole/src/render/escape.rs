//! Text from the application, the kernel or another process, made harmless for a terminal.
//!
//! Escaped as `\xHH` or `\u{..}` are: C0 but LF and TAB, DEL, C1, what turns the reading direction,
//! the two Unicode line ends, and bytes that are no UTF-8.

use std::{borrow::Cow, mem};

/// `text` with LF and TAB left as they are.
pub fn line(text: &str) -> Cow<'_, str> {
    escape(text, is_hostile, show)
}

/// `text` on one line and in one cell: LF and TAB are escaped as well.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, |c| is_hostile(c) || matches!(c, '\n' | '\t'), show)
}

/// `bytes`, whatever they are, with LF and TAB left as they are.
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

/// [`bytes`] for what arrives in pieces: a character split between two of them stays whole.
#[derive(Debug, Default)]
pub struct Sanitizer {
    /// The beginning of a character.
    held: Vec<u8>,
}

impl Sanitizer {
    /// What can be shown of `piece` and of what was held back.
    pub fn feed(&mut self, piece: &[u8]) -> String {
        self.held.extend_from_slice(piece);
        let complete = self.held.len() - begun_character(&self.held);
        let rest = self.held.split_off(complete);
        bytes(&mem::replace(&mut self.held, rest))
    }

    /// What was held back, when nothing more comes.
    pub fn finish(&mut self) -> String {
        bytes(&mem::take(&mut self.held))
    }
}

/// How many bytes at the end are the beginning of a character.
fn begun_character(bytes: &[u8]) -> usize {
    let begins = |length: &usize| {
        let at = bytes.len().checked_sub(*length);
        let end = at.and_then(|at| bytes.get(at..)).unwrap_or_default();
        let error = std::str::from_utf8(end).err();
        error.is_some_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    (1..4).find(begins).unwrap_or(0)
}

fn escape(
    text: &str,
    hostile: impl Fn(char) -> bool,
    show: impl Fn(u32) -> String,
) -> Cow<'_, str> {
    if !text.contains(&hostile) {
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

    #[test]
    fn a_stream_is_escaped_as_if_it_came_at_once() {
        let hostile = b"a\xe2\x82\xac\xf0\x9f\x98\x80\xc3\xe2\x80\xae\xff\xf0\x9f\x1b\xe2\x82";
        for size in 1..=hostile.len() {
            let mut sanitizer = Sanitizer::default();
            let mut text: String = hostile
                .chunks(size)
                .map(|piece| sanitizer.feed(piece))
                .collect();
            text += &sanitizer.finish();
            assert_eq!(text, bytes(hostile), "in pieces of {size}");
        }
    }

    #[test]
    fn what_is_complete_is_not_held_back() {
        let mut sanitizer = Sanitizer::default();
        assert_eq!(
            sanitizer.feed("prompt> \u{20ac}".as_bytes()),
            "prompt> \u{20ac}"
        );
        assert_eq!(sanitizer.feed(b"\xe2\x82"), "");
        assert_eq!(sanitizer.finish(), "\\xe2\\x82");
    }
}
