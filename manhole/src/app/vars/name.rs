//! What a variable may be called.

/// The longest name, in bytes.
const LONGEST: usize = 128;

/// Whether `name` can stand in a command line, a path and a metric without being escaped.
pub(super) fn is_valid(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST && name.bytes().all(plain)
}

/// Cuts `text` to at most `most` bytes, at a character's boundary, marked with `…`.
pub(super) fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        let end = (0..=most.saturating_sub('…'.len_utf8())).rev();
        let end = end.into_iter().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_escaping_anywhere() {
        let check = |name: &str, expected: bool| assert_eq!(is_valid(name), expected, "{name:?}");
        check("http.requests", true);
        check("a/b:c-d_E9", true);
        check(&"x".repeat(128), true);
        check(&"x".repeat(129), false);
        check("", false);
        check("a b", false);
        check("a\nb", false);
        check("zähler", false);
        check("a*", false);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let check = |input: &str, most: usize, expected: &str| {
            let mut text = input.to_owned();
            cut(&mut text, most);
            assert_eq!(text, expected);
        };
        check("short", 5, "short");
        check("longer", 5, "lo…");
        check("ééé", 5, "é…");
    }
}
