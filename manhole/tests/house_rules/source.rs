//! Source files as the rules look at them: without comments, without tests, with or without the
//! contents of strings.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file.
pub(crate) struct Source {
    /// Its path below the directory that was read, with `/`.
    pub(crate) path: String,
    /// All of it.
    pub(crate) text: String,
    /// What is compiled into the library: no comments, no tests, the contents of strings blanked.
    pub(crate) code: String,
    /// The same with the contents of strings.
    pub(crate) code_and_strings: String,
}

impl Source {
    /// A file with this content.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let (code, code_and_strings) = match is_test_file(path) {
            true => (String::new(), String::new()),
            false => without_tests(text),
        };
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            code_and_strings,
        }
    }

    /// The names of its module, outermost first: `command/gc/mod.rs` is `command`, `gc`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let stem = self.path.trim_end_matches(".rs");
        let mut names: Vec<&str> = stem.split('/').collect();
        if matches!(names.last(), Some(&"mod" | &"lib" | &"main")) {
            names.pop();
        }
        names
    }
}

/// Every Rust file below `dir`, in order.
pub(crate) fn below(dir: &Path) -> Vec<Source> {
    let mut paths = Vec::new();
    collect(dir, &mut paths);
    paths.sort();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(path).unwrap();
        let short = path.strip_prefix(dir).unwrap().to_str().unwrap();
        Source::new(short, &text)
    };
    paths.iter().map(read).collect()
}

fn collect(dir: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    for entry in entries {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true if path.ends_with("target") => {}
            true => collect(&path, paths),
            false if path.extension().is_some_and(|end| end == "rs") => paths.push(path),
            false => {}
        }
    }
}

/// Test code outside `mod tests { }` is in files of these names, so that a rule can tell.
fn is_test_file(path: &str) -> bool {
    let mut names = path.trim_end_matches(".rs").split('/');
    names.any(|name| matches!(name, "tests" | "testing"))
}

fn without_tests(text: &str) -> (String, String) {
    let kinds = kinds(text);
    let keep = |wanted: &[Kind]| -> String {
        let pairs = text.chars().zip(&kinds);
        pairs
            .map(|(c, kind)| {
                if c == '\n' || wanted.contains(kind) {
                    c
                } else {
                    ' '
                }
            })
            .collect()
    };
    let mut code = keep(&[Kind::Code]);
    let mut both = keep(&[Kind::Code, Kind::String]);
    while let Some((from, to)) = test_item(&code) {
        blank(&mut code, from, to);
        blank(&mut both, from, to);
    }
    (code, both)
}

/// Where an item that is for tests only begins and ends, counted in characters.
fn test_item(code: &str) -> Option<(usize, usize)> {
    let marks = ["#[cfg(test)]", "#[cfg(all(test,"];
    let at = marks.iter().filter_map(|mark| code.find(mark)).min()?;
    let from = code[..at].chars().count();
    let mut depth = 0;
    let rest = code.chars().enumerate().skip(from);
    for (position, c) in rest {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, '}' | ';') {
            return Some((from, position + 1));
        }
    }
    Some((from, code.chars().count()))
}

fn blank(code: &mut String, from: usize, to: usize) {
    let chars = code.chars().enumerate();
    *code = chars
        .map(|(at, c)| match (from..to).contains(&at) && c != '\n' {
            true => ' ',
            false => c,
        })
        .collect();
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Code,
    Comment,
    String,
}

/// What each character belongs to. Quotes and comment marks count as what they enclose.
fn kinds(text: &str) -> Vec<Kind> {
    let chars: Vec<char> = text.chars().collect();
    let mut kinds = Vec::with_capacity(chars.len());
    while kinds.len() < chars.len() {
        let rest = &chars[kinds.len()..];
        let before = kinds.len().checked_sub(1).map(|at| chars[at]);
        let (kind, length) = token(rest, before);
        kinds.extend(std::iter::repeat_n(kind, length.clamp(1, rest.len())));
    }
    kinds
}

fn token(rest: &[char], before: Option<char>) -> (Kind, usize) {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match rest {
        ['/', '/', ..] => (
            Kind::Comment,
            rest.iter().take_while(|c| **c != '\n').count(),
        ),
        ['/', '*', ..] => (Kind::Comment, block_comment(rest)),
        ['"', ..] => (Kind::String, 1 + quoted(&rest[1..], '"')),
        ['r', '"' | '#', ..] if !in_word => match raw(&rest[1..]) {
            Some(length) => (Kind::String, 1 + length),
            None => (Kind::Code, 1),
        },
        ['\'', '\\', ..] => (Kind::String, 3 + quoted(&rest[3.min(rest.len())..], '\'')),
        ['\'', _, '\'', ..] => (Kind::String, 3),
        _ => (Kind::Code, 1), // a lifetime among others
    }
}

fn block_comment(rest: &[char]) -> usize {
    let mut depth = 0;
    for at in 0..rest.len() {
        match &rest[at..] {
            ['/', '*', ..] => depth += 1,
            ['*', '/', ..] if depth == 1 => return at + 2,
            ['*', '/', ..] => depth -= 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of what follows an opening quote, its closing one included.
fn quoted(rest: &[char], quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.iter().enumerate() {
        match c {
            c if *c == quote && !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

/// The length of `##"..."##`; `None` for `r#type`.
fn raw(rest: &[char]) -> Option<usize> {
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return None;
    }
    let mut end = vec!['"'];
    end.resize(1 + hashes, '#');
    let body = &rest[hashes + 1..];
    let at = body.windows(end.len()).position(|window| window == end);
    Some(hashes + 1 + at.map_or(body.len(), |at| at + end.len()))
}

#[test]
fn comments_strings_and_tests_are_told_from_code() {
    let check = |text: &str, code: &str, both: &str| {
        let source = Source::new("a.rs", text);
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeeze(&source.code), code, "{text}");
        assert_eq!(squeeze(&source.code_and_strings), both, "{text}");
    };
    check("a // b\nc", "a c", "a c");
    check("a /* b /* c */ d */ e", "a e", "a e");
    check(r#"a "b // \" c" d"#, "a d", r#"a "b // \" c" d"#);
    check("a r#\"b\"c\"# d", "a d", "a r#\"b\"c\"# d");
    check("r#type var", "r#type var", "r#type var");
    check("'\\'' a '\"' b", "a b", "'\\'' a '\"' b");
    check("'\\u{1b}' a", "a", "'\\u{1b}' a");
    check("&'a str; 'x'", "&'a str;", "&'a str; 'x'");
    check("a\n#[cfg(test)]\nmod t { { } }\nb", "a b", "a b");
    check("#[cfg(test)]\nmod tests;\nb", "b", "b");
    check("#[cfg(all(test, unix))]\nmod tests { }\nb", "b", "b");
    assert_eq!(Source::new("a/tests.rs", "unsafe").code, "");
    assert_eq!(Source::new("a/b/mod.rs", "").module(), ["a", "b"]);
    assert_eq!(Source::new("a/b.rs", "").module(), ["a", "b"]);
}
