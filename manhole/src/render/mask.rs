//! Hiding secrets in what is about to be shown: by name, by shape, and inside URLs.
//!
//! For everybody, whatever the level. It errs on the side of hiding: `author=` is masked because
//! `auth` is in it, and nobody is hurt. What it cannot know is a secret in an innocent place (a
//! password as a bare argument); nothing can.

use serde_json::Value;
use std::borrow::Cow;

/// What stands in the place of a secret.
pub(crate) const MASK: &str = "***";

/// A name with one of these in it, in any case, holds a secret.
const NAMES: [&str; 10] = [
    "pass",
    "secret",
    "token",
    "key",
    "cred",
    "auth",
    "pwd",
    "cookie",
    "private",
    "signature",
];

/// Values that begin like this are secrets, whatever their name: tokens of well-known makers.
const SHAPES: [&str; 14] = [
    "-----BEGIN",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "rk_live_",
    "AKIA",
    "ASIA",
    "AIza",
];

/// A shape counts from this length on: "eyJ" alone may be anything.
const SHAPE_LENGTH: usize = 16;

/// Schemes of authorization, behind which comes the secret itself.
const SCHEMES: [&str; 5] = ["Bearer", "Basic", "Digest", "Token", "Negotiate"];

/// Whether a value of this name is to be hidden.
///
/// `PWD` and `OLDPWD` are the shell's directories.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let directory = matches!(lower.as_str(), "pwd" | "oldpwd");
    !directory && NAMES.iter().any(|word| lower.contains(word))
}

/// A value with its name: masked whole if the name says so, otherwise as [`text`] does.
pub(crate) fn named<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    match is_secret_name(name) && !value.is_empty() {
        true => Cow::Borrowed(MASK),
        false => text(value),
    }
}

/// Texts of JSON within texts of JSON that are looked into; what lies deeper is hidden as a whole.
///
/// Each is a recursion over up to 128 levels, and whoever can put a text into a variable (an error
/// message with what a request said) could exhaust the stack of a worker.
const WITHIN: u32 = 2;

/// A text with the secrets inside it masked: `scheme://user:password@`, `password=...`,
/// `"token": "..."`, `Authorization: Bearer ...`, JSON objects, well-known tokens.
pub(crate) fn text(value: &str) -> Cow<'_, str> {
    text_within(value, WITHIN)
}

fn text_within(value: &str, within: u32) -> Cow<'_, str> {
    if let Some(masked) = json_text(value, within) {
        return Cow::Owned(masked);
    }
    let masked = pairs(&urls(value));
    match masked == value {
        true => Cow::Borrowed(value),
        false => Cow::Owned(masked),
    }
}

/// Hides values below secret names, at any depth, and secrets inside the other texts.
///
/// Below a secret name every text and number is hidden; yes, no and null tell nothing.
pub(crate) fn json(value: &mut Value) {
    json_within(value, WITHIN);
}

fn json_within(value: &mut Value, within: u32) {
    match value {
        Value::String(content) => {
            if let Cow::Owned(masked) = text_within(content, within) {
                *content = masked;
            }
        }
        Value::Array(items) => {
            for item in items {
                json_within(item, within);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match is_secret_name(name) {
                    true => blank(field),
                    false => json_within(field, within),
                }
            }
        }
        _ => {}
    }
}

fn blank(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(content) if content.is_empty() => {}
        Value::String(_) | Value::Number(_) => *value = Value::String(MASK.to_owned()),
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Object(fields) => fields.values_mut().for_each(blank),
    }
}

/// The words of a command line, masked: `--password=x`, `--password x`, `password=x`, URLs.
pub(crate) fn command_line<S: AsRef<str>>(words: &[S]) -> Vec<String> {
    let mut hide_next = false;
    let mut masked = Vec::with_capacity(words.len());
    for word in words {
        let word = word.as_ref();
        let option = word.starts_with('-');
        match hide_next && !option {
            true => masked.push(MASK.to_owned()),
            false => masked.push(text(word).into_owned()),
        }
        hide_next = option && !word.contains('=') && is_secret_name(word);
    }
    masked
}

/// A text that is a JSON object or array, masked as such.
fn json_text(value: &str, within: u32) -> Option<String> {
    if !value.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let before: Value = serde_json::from_str(value).ok()?;
    let Some(within) = within.checked_sub(1) else {
        return Some(MASK.to_owned());
    };
    let mut after = before.clone();
    json_within(&mut after, within);
    (after != before).then(|| after.to_string())
}

/// Masks the password in each `scheme://user:password@`, and a user that looks like a token.
fn urls(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`'))
            .unwrap_or(after.len());
        let (url, tail) = after.split_at(end);
        match user_info(url) {
            Some((user, host)) => {
                let (name, password) = user.split_once(':').unwrap_or((user, ""));
                // Tokens stand in the user's place: `https://TOKEN:x-oauth-basic@host`.
                let token = name.len() > SHAPE_LENGTH;
                out.push_str(if token { MASK } else { name });
                match password {
                    "" => out.push_str(user.get(name.len()..).unwrap_or("")),
                    _ => out.push_str(":***"),
                }
                out.push('@');
                out.push_str(host);
            }
            None => out.push_str(url),
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// Splits what follows `://` at the `@` behind user and password.
///
/// People write `/`, `?` and `#` into passwords without escaping them, so an `@` behind those counts
/// as well if what stands before them is no `host:port`.
fn user_info(url: &str) -> Option<(&str, &str)> {
    let end = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, _) = url.split_at(end);
    if let Some(split) = authority.rsplit_once('@') {
        return Some((split.0, url.get(split.0.len() + 1..)?));
    }
    let (_, port) = authority.split_once(':')?;
    let is_port = port.chars().all(|c| c.is_ascii_digit());
    (!is_port).then(|| url.rsplit_once('@')).flatten()
}

/// Masks what stands behind a secret name and `=` or `:`, and tokens of a well-known shape.
fn pairs(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    // Whether the word before this one asks for the next to be hidden ("Authorization: Bearer x").
    let mut hide = false;
    while !rest.is_empty() {
        let (gap, after) = rest.split_at(rest.find(|c| !is_gap(c)).unwrap_or(rest.len()));
        out.push_str(gap);
        if let (true, Some(tail)) = (hide, quoted(gap, after)) {
            out.push_str(MASK);
            (hide, rest) = (false, tail);
            continue;
        }
        let (word, after) = after.split_at(after.find(is_gap).unwrap_or(after.len()));
        hide = push_word(&mut out, word, hide, after);
        rest = after;
    }
    out
}

/// What follows a quoted value, if `gap` ends by opening one: quotes may hold several words.
fn quoted<'a>(gap: &str, after: &'a str) -> Option<&'a str> {
    let quote = gap
        .chars()
        .next_back()
        .filter(|c| matches!(c, '"' | '\''))?;
    if after.starts_with([':', '=']) {
        return None;
    }
    after.get(after.find(quote).unwrap_or(after.len())..)
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, '&' | ';' | ',' | '?' | '"' | '\'' | '{' | '}')
}

/// Writes one word, masked if need be; tells whether the next one is a secret.
fn push_word(out: &mut String, word: &str, hide: bool, after: &str) -> bool {
    if word.is_empty() {
        return false;
    }
    // Between a name and its value may stand quotes, blanks and the separator itself.
    if hide && matches!(word, ":" | "=") {
        out.push_str(word);
        return true;
    }
    if SCHEMES
        .iter()
        .any(|scheme| scheme.eq_ignore_ascii_case(word))
    {
        out.push_str(word);
        return hide || after.starts_with(' ');
    }
    let separator = word.find(['=', ':']).filter(|_| !word.contains("://"));
    if let Some((name, value)) = separator.map(|at| word.split_at(at)) {
        let secret = is_secret_name(name) || (name.is_empty() && hide);
        let (sign, content) = value.split_at(1);
        out.push_str(name);
        out.push_str(sign);
        match secret && !content.is_empty() && !content.starts_with("//") {
            true => out.push_str(MASK),
            false => out.push_str(if is_token(content) { MASK } else { content }),
        }
        return secret && content.is_empty();
    }
    let masked = hide || is_token(word);
    out.push_str(if masked { MASK } else { word });
    // `"password": "x"`: the name is a word of its own, and its quote comes before the separator.
    is_secret_name(word)
        && after
            .trim_start_matches(['"', '\''])
            .trim_start()
            .starts_with([':', '='])
}

fn is_token(word: &str) -> bool {
    word.len() >= SHAPE_LENGTH && SHAPES.iter().any(|shape| word.starts_with(shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json as value;

    #[test]
    fn names_tell_secrets() {
        for name in [
            "PASSWORD",
            "db_passwd",
            "API_KEY",
            "aws.SecretAccess",
            "x-auth",
            "MYSQL_PWD",
            "creds",
            "GITHUB_TOKEN",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "PATH",
            "PWD",
            "OLDPWD",
            "HOME",
            "LISTEN",
            "DATABASE_URL",
            "",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn passwords_in_urls_are_masked() {
        let check = |input: &str, expected: &str| assert_eq!(text(input), expected);
        check(
            "postgres://u:hunter2@db:5432/x",
            "postgres://u:***@db:5432/x",
        );
        check("redis://:hunter2@r", "redis://:***@r");
        check(
            "a http://u:p@h b https://v:q@i/c",
            "a http://u:***@h b https://v:***@i/c",
        );
        check("amqp://u:p@ss@h", "amqp://u:***@h");
        check("amqp://u:p/w@h/v", "amqp://u:***@h/v");
        check(
            "https://0123456789abcdef0123@sentry.io/1",
            "https://***@sentry.io/1",
        );
        check(
            "https://0123456789abcdef0123:x-oauth-basic@github.com/",
            "https://***:***@github.com/",
        );
        check("http://user@h/", "http://user@h/");
        check("http://user:@h/", "http://user:@h/");
        check("http://h:8080/a@b", "http://h:8080/a@b");
        check("http://[::1]:80/x", "http://[::1]:80/x");
        check(
            "http://h/?a=1&api_key=zz&b=2",
            "http://h/?a=1&api_key=***&b=2",
        );
    }

    #[test]
    fn named_values_inside_a_text_are_masked() {
        let check = |input: &str, expected: &str| assert_eq!(text(input), expected);
        check(
            "host=db user=u password=hunter2 x=1",
            "host=db user=u password=*** x=1",
        );
        check(
            "Server=a;Password=b;Timeout=3",
            "Server=a;Password=***;Timeout=3",
        );
        check("Authorization: Bearer abc.def", "Authorization: Bearer ***");
        check("token: abc, n: 3", "token: ***, n: 3");
        check("{'password': 'x', 'n': 1}", "{'password': '***', 'n': 1}");
        check("password=\"a b\" n=1", "password=\"***\" n=1");
        check("{\"password\": \"a b\", n", "{\"password\": \"***\", n");
        check(
            "no secrets, just words: fine",
            "no secrets, just words: fine",
        );
        check("the key is here", "the key is here");
        check("ghp_0123456789abcdef", "***");
        check("x=eyJhbGciOiJIUzI1NiJ9.e30.x", "x=***");
    }

    #[test]
    fn an_untouched_text_is_not_copied() {
        assert!(matches!(text("plain"), Cow::Borrowed(_)));
        assert!(matches!(text("{\"a\": 1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_named_value_is_masked_whole_but_an_empty_one_shows_that_it_is_empty() {
        assert_eq!(named("DB_PASSWORD", "a b"), MASK);
        assert_eq!(named("DB_PASSWORD", ""), "");
        assert_eq!(named("DB", "http://a:b@c"), "http://a:***@c");
    }

    #[test]
    fn json_is_masked_at_any_depth() {
        let mut input = value!({
            "listen": ":80", "token": "t", "pin_key": 1234, "keys": {"a": ["x", true, null]},
            "up": [{"url": "http://u:p@h", "password": ""}],
        });
        json(&mut input);
        let expected = value!({
            "listen": ":80", "token": "***", "pin_key": "***", "keys": {"a": ["***", true, null]},
            "up": [{"url": "http://u:***@h", "password": ""}],
        });
        assert_eq!(input, expected);
        assert_eq!(
            text(r#"{"password":"a b","n":1}"#),
            r#"{"n":1,"password":"***"}"#
        );
    }

    #[test]
    fn json_in_texts_of_json_costs_a_bounded_stack() {
        let within = r#"["{\"token\":\"t\",\"n\":1}"]"#;
        let expected = r#"["{\"n\":1,\"token\":\"***\"}"]"#;
        assert_eq!(text(within), expected);
        let mut nested = "x".to_owned();
        for _ in 0..8 {
            let quoted = Value::from(nested).to_string();
            nested = format!("{}{quoted}{}", "[".repeat(126), "]".repeat(126));
        }
        let small = std::thread::Builder::new().stack_size(512 << 10);
        let masked = small.spawn(move || command_line(&[nested])).unwrap();
        assert!(masked.join().unwrap().concat().contains(MASK));
    }

    #[test]
    fn a_command_line_keeps_its_shape() {
        let check = |input: &str, expected: &str| {
            let words: Vec<&str> = input.split(' ').collect();
            assert_eq!(command_line(&words).join(" "), expected);
        };
        check("svc --password x --port 80", "svc --password *** --port 80");
        check("svc --password=x -v", "svc --password=*** -v");
        check("svc --use-keys --port 80", "svc --use-keys --port 80");
        check(
            "svc token=x postgres://u:p@h",
            "svc token=*** postgres://u:***@h",
        );
    }

    #[test]
    fn odd_texts_are_taken_as_they_come() {
        const PARTS: [&str; 16] = [
            "password", "=", ":", "://", "@", "\"", "'", " ", "/", "\u{20ac}", "Bearer", "{", "}",
            "a", ";", "?",
        ];
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut input = String::new();
            for _ in 0..8 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                input.push_str(PARTS[(state >> 60) as usize]);
            }
            let masked = text(&input).into_owned();
            // What was masked once has nothing left to hide but stars.
            assert_eq!(
                masked.contains(MASK),
                masked != input,
                "{input} -> {masked}"
            );
        }
    }
}
