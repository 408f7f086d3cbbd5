//! From a line to commands and words, and from a word back to what one types.
//!
//! Words are separated by spaces and tabs, commands by `;`. Quotes may stand anywhere in a word;
//! within single quotes everything stands for itself. A backslash, outside or within double quotes,
//! makes a sign or space stand for itself, or is one of `\n \t \r \xHH \u{..}`. `#` at the start of a
//! word begins a comment. There are no variables, globs or pipes.

use super::WORDS_MAX;
use crate::model::{Code, Failure};
use std::{iter::Peekable, mem, str::Chars};

/// The commands on `line`, each a list of words; empty commands are left out.
///
/// # Errors
/// `syntax`, naming the column, counted in characters from 1.
pub fn parse_line(line: &str) -> Result<Vec<Vec<String>>, Failure> {
    let mut scanner = Scanner::new(line);
    let mut commands = Vec::new();
    let mut command = Vec::new();
    loop {
        match scanner.chars.peek() {
            None | Some('#') => break,
            Some(' ' | '\t') => scanner.skip(),
            Some(';') => {
                scanner.skip();
                commands.push(mem::take(&mut command));
            }
            Some(_) => command.push(scanner.word()?),
        }
    }
    commands.push(command);
    commands.retain(|command| !command.is_empty());
    Ok(commands)
}

struct Scanner<'a> {
    chars: Peekable<Chars<'a>>,
    /// Column of the character read last.
    column: usize,
    /// How many words were begun.
    words: usize,
}

impl<'a> Scanner<'a> {
    fn new(line: &'a str) -> Self {
        Self {
            chars: line.chars().peekable(),
            column: 0,
            words: 0,
        }
    }

    fn next(&mut self) -> Option<char> {
        self.column += 1;
        self.chars.next()
    }

    fn skip(&mut self) {
        self.next();
    }

    fn word(&mut self) -> Result<String, Failure> {
        if self.words == WORDS_MAX {
            let text = format!("a line has at most {WORDS_MAX} words");
            return Err(error(self.column + 1, &text));
        }
        self.words += 1;
        let mut word = String::new();
        while let Some(c) = self.chars.peek().copied() {
            if matches!(c, ' ' | '\t' | ';') {
                break;
            }
            self.skip();
            match c {
                '\'' | '"' => self.quoted(c, &mut word)?,
                '\\' => word.push(self.escape()?),
                _ => word.push(c),
            }
        }
        Ok(word)
    }

    /// Reads up to the closing `quote`; the opening one was read.
    fn quoted(&mut self, quote: char, word: &mut String) -> Result<(), Failure> {
        let opened = self.column;
        while let Some(c) = self.next() {
            match c {
                '\\' if quote == '"' => word.push(self.escape()?),
                _ if c == quote => return Ok(()),
                _ => word.push(c),
            }
        }
        Err(error(opened, &format!("this {quote} is never closed")))
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, Failure> {
        let column = self.column;
        match self.next() {
            None => Err(error(column, "nothing follows this backslash")),
            Some('n') => Ok('\n'),
            Some('t') => Ok('\t'),
            Some('r') => Ok('\r'),
            Some('x') => self
                .ascii()
                .ok_or_else(|| error(column, "\\x takes two hex digits up to 7f")),
            Some('u') => self
                .unicode()
                .ok_or_else(|| error(column, "\\u takes a character's number: \\u{e9}")),
            Some(c) if c.is_ascii_punctuation() || matches!(c, ' ' | '\t') => Ok(c),
            Some(c) => Err(error(column, &format!("\\{c} has no meaning"))),
        }
    }

    fn ascii(&mut self) -> Option<char> {
        let high = self.next()?.to_digit(8)?;
        let low = self.next()?.to_digit(16)?;
        char::from_u32(high * 16 + low)
    }

    fn unicode(&mut self) -> Option<char> {
        let mut number = None;
        if self.next()? != '{' {
            return None;
        }
        loop {
            match self.next()? {
                '}' => return char::from_u32(number?),
                digit if number <= Some(0xF_FFFF) => {
                    number = Some(number.unwrap_or(0) * 16 + digit.to_digit(16)?);
                }
                _ => return None,
            }
        }
    }
}

fn error(column: usize, text: &str) -> Failure {
    Failure::new(Code::Syntax, format!("column {column}: {text}"))
}

/// `word` as one types it, so that [`parse_line`] gives it back: bare if it can be, otherwise quoted,
/// and without any control character.
pub fn quote(word: &str) -> String {
    let bare = |c: char| c.is_alphanumeric() || "-_./:=@%+,*?~^[]{}()<>!&|$".contains(c);
    if !word.is_empty() && word.chars().all(bare) {
        return word.to_owned();
    }
    if !word.contains(|c: char| c == '\'' || c.is_control()) {
        return format!("'{word}'");
    }
    let mut quoted = String::from('"');
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            _ if c.is_control() => quoted.extend(c.escape_default()),
            _ => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[&[&str]]) {
        assert_eq!(parse_line(line).unwrap(), expected, "{line}");
    }

    fn check_error(line: &str, expected: &str) {
        let failure = parse_line(line).unwrap_err();
        assert_eq!(
            (failure.code, failure.text.as_str()),
            (Code::Syntax, expected)
        );
    }

    #[test]
    fn words_are_separated_by_blanks_and_commands_by_semicolons() {
        check("cpu 10 --format=pprof", &[&["cpu", "10", "--format=pprof"]]);
        check(
            "  triage;vars\tget  x ;",
            &[&["triage"], &["vars", "get", "x"]],
        );
        check(";; ;", &[]);
        check("", &[]);
    }

    #[test]
    fn quotes_may_stand_anywhere_in_a_word() {
        check(r#"a'b c'"d;e"f"#, &[&["ab cd;ef"]]);
        check(r#"'' "" "#, &[&["", ""]]);
        check(r#"'\n"' "it's""#, &[&["\\n\"", "it's"]]);
    }

    #[test]
    fn a_backslash_escapes_signs_and_writes_characters() {
        check(r"a\;b \# \ x \\ \'", &[&["a;b", "#", " x", "\\", "'"]]);
        check(
            r#""\"\\\n\t\r\x1b\u{202e}""#,
            &[&["\"\\\n\t\r\u{1b}\u{202e}"]],
        );
        check(r"\x00\x7f\u{0}\u{10ffff}", &[&["\0\u{7f}\0\u{10ffff}"]]);
    }

    #[test]
    fn comments_begin_at_the_start_of_a_word_only() {
        check("triage # now; really 'now", &[&["triage"]]);
        check("# note", &[]);
        check("a#b ;#c", &[&["a#b"]]);
        check("''#b '#' c", &[&["#b", "#", "c"]]);
    }

    #[test]
    fn errors_name_the_column() {
        check_error("vars set \u{e9} 'x", "column 12: this ' is never closed");
        check_error("a \"b\\\"", "column 3: this \" is never closed");
        check_error("a \\", "column 3: nothing follows this backslash");
        check_error("ab\\q", "column 3: \\q has no meaning");
        for bad in ["\\x", "\\x8", "\\x80", "\\x1g"] {
            check_error(bad, "column 1: \\x takes two hex digits up to 7f");
        }
        for bad in [
            "\\u",
            "\\u20",
            "\\u{",
            "\\u{}",
            "\\u{d800}",
            "\\u{110000}",
            "\\u{fffffffff}",
        ] {
            check_error(bad, "column 1: \\u takes a character's number: \\u{e9}");
        }
    }

    #[test]
    fn a_line_has_64_words_at_most() {
        let words = ["x;"; WORDS_MAX];
        assert_eq!(parse_line(&words.concat()).unwrap().len(), WORDS_MAX);
        check_error(
            &format!("{}x", words.concat()),
            "column 129: a line has at most 64 words",
        );
    }

    #[test]
    fn a_quoted_word_is_read_back_and_is_safe_on_a_line() {
        let check = |word: &str, expected: &str| {
            assert_eq!(quote(word), expected);
            assert_eq!(parse_line(expected).unwrap(), [[word]]);
        };
        check("http.in_flight", "http.in_flight");
        check("", "''");
        check("a b", "'a b'");
        check("#x", "'#x'");
        check("a;b\"c\\", "'a;b\"c\\'");
        check("it's", "\"it's\"");
        check("it's \"\\", "\"it's \\\"\\\\\"");
        check("\u{e9}", "\u{e9}");
        check(
            "\n\t\r\0\u{1b}\u{7f}\u{9b}",
            "\"\\n\\t\\r\\u{0}\\u{1b}\\u{7f}\\u{9b}\"",
        );
    }
}
