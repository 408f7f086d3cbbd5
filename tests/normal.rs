//! Answers in a normal form: what changes from run to run and from machine to machine is replaced,
//! so that shape, columns, words and verdicts remain to be compared.

use serde_json::Value;

/// Replaces volatile figures in every line of `text`. `names` are what this run calls things, each
/// with the word for it, the longest first: `("/tmp/mh-suite-7/1", "DIR")`.
///
/// Runs of spaces become two, since the width of a column depends on its figures; the space before
/// a line goes; equal lines that follow one another become one.
pub fn text(text: &str, names: &[(String, &str)]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for given in text.lines() {
        let mut named = given.to_owned();
        for (name, word) in names {
            named = named.replace(name, word);
        }
        let normal = squeeze(&figures(&named));
        if lines.last() != Some(&normal) || normal.is_empty() {
            lines.push(normal);
        }
    }
    lines.join("\n") + "\n"
}

/// The same for JSON: numbers become `N`, texts are treated as [`text`], equal elements of an array
/// that follow one another become one.
pub fn json(value: &Value, names: &[(String, &str)]) -> Value {
    match value {
        Value::Number(_) => Value::from("N"),
        Value::String(string) => Value::from(text(string, names).trim_end()),
        Value::Array(values) => {
            let mut normal: Vec<Value> = values.iter().map(|value| json(value, names)).collect();
            normal.dedup();
            Value::Array(normal)
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), json(value, names)))
            .collect(),
        other => other.clone(),
    }
}

/// Units behind a number, and what stands for both.
const UNITS: [(&str, &[&str]); 2] = [
    ("SIZE", &["KiB", "MiB", "GiB", "TiB", "B"]),
    ("AGE", &["ns", "us", "ms", "min", "s", "m", "h", "d"]),
];

/// Replaces numbers, with their units, and moments.
fn figures(line: &str) -> String {
    let mut normal = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let within_word = normal
            .chars()
            .last()
            .is_some_and(|last| last.is_alphanumeric() || last == '_');
        if within_word || !(c.is_ascii_digit() || signed(rest)) {
            normal.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let (word, after) = figure(rest);
        // `4m 12s` is one figure.
        if !(word == "AGE" && normal.ends_with("AGE ")) {
            normal.push_str(word);
        } else {
            normal.pop();
        }
        rest = after;
    }
    normal
}

fn signed(text: &str) -> bool {
    let mut chars = text.chars();
    matches!(chars.next(), Some('+' | '-')) && chars.next().is_some_and(|c| c.is_ascii_digit())
}

/// The word for the figure that `text` begins with, and what follows it.
fn figure(text: &str) -> (&'static str, &str) {
    if let Some(hex) = text.strip_prefix("0x") {
        return (
            "HEX",
            hex.trim_start_matches(|c: char| c.is_ascii_hexdigit()),
        );
    }
    let digits = text.trim_start_matches(['+', '-']);
    let in_number = |c: char| c.is_ascii_digit() || ".,:-TZ".contains(c);
    let end = digits.find(|c| !in_number(c)).unwrap_or(digits.len());
    let number = digits[..end].trim_end_matches([',', '.', ':', '-']);
    let after = &digits[number.len()..];
    if number.ends_with('Z') {
        return ("TIME", after);
    }
    let number = number
        .split(['T', ':', '-'])
        .next()
        .unwrap_or(number)
        .trim_end_matches([',', '.']);
    let after = &digits[number.len()..];
    let unit = after.strip_prefix(' ').unwrap_or(after);
    for (word, units) in UNITS {
        for name in units {
            if let Some(rest) = unit.strip_prefix(name)
                && !rest.starts_with(|c: char| c.is_alphanumeric())
            {
                return (word, rest);
            }
        }
    }
    ("N", after)
}

fn squeeze(line: &str) -> String {
    let mut normal = String::new();
    let mut spaces = 0;
    for c in line.trim().chars() {
        spaces = if c == ' ' { spaces + 1 } else { 0 };
        if spaces < 3 {
            normal.push(c);
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &str) {
        assert_eq!(
            text(line, &[("/tmp/x".to_owned(), "DIR")]),
            format!("{expected}\n"),
            "{line}"
        );
    }

    #[test]
    fn figures_become_words_and_columns_keep_their_order() {
        check(
            "# fds web-17 2026-11-21T11:02:44Z: took 0.4 ms",
            "# fds web-N TIME: took AGE",
        );
        check(
            "   9,812 of 10,240 (96 %), +41/min: about 10 min.",
            "N of N (N %), N/min: about AGE.",
        );
        check(
            "rss 2.91 GiB, up 3d 4h, at 0x7f9b",
            "rss SIZE, up AGE, at HEX",
        );
        check("count     in 10 min   kind", "count  in AGE  kind");
        check("/tmp/x/console/17.sock", "DIR/console/N.sock");
        check("v0 x86_64 utf8 worker-0", "v0 x86_64 utf8 worker-N");
        check("-12  +3  -  0", "N  N  -  N");
        check("03:12:44Z, 12 B. 5s", "TIME, SIZE. AGE");
        check("1. What 2; x", "N. What N; x");
    }

    #[test]
    fn equal_lines_become_one() {
        check("1 a\n22 a\n\n\n3 b", "N a\n\n\nN b");
    }

    #[test]
    fn json_keeps_its_shape() {
        let value = serde_json::json!({"rows": [{"n": 1}, {"n": 2}, {"n": null}], "at": "5 s"});
        let expected = serde_json::json!({"rows": [{"n": "N"}, {"n": null}], "at": "AGE"});
        assert_eq!(json(&value, &[]), expected);
    }
}
