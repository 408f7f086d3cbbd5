//! Patterns with `*` and `?`, as the arguments of type glob are.

/// Whether `name` matches `pattern`: `*` is any run of characters, `?` any single one.
///
/// Takes at most the product of both lengths in steps, whatever the pattern.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut position) = (0, 0);
    // Where to go on when what follows the last `*` did not match: one character further.
    let mut retry = None;
    while position < name.len() {
        match pattern.get(at) {
            Some('*') => {
                retry = Some((at + 1, position));
                at += 1;
            }
            Some(c) if *c == '?' || name.get(position) == Some(c) => {
                at += 1;
                position += 1;
            }
            _ => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (at, position) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(at).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let check = |pattern: &str, name: &str, expected: bool| {
            assert_eq!(matches(pattern, name), expected, "{pattern} on {name}");
        };
        check("*", "", true);
        check("http.*", "http.requests", true);
        check("http.*", "https.requests", false);
        check("*.requests", "http.requests", true);
        check("h?tp*s", "http.requests", true);
        check("*a*b", "xaaabb", true);
        check("*a*b", "xaaabc", false);
        check("abc", "abc", true);
        check("abc", "abcd", false);
        check("?", "é", true);
        check("", "x", false);
    }

    #[test]
    fn a_hostile_pattern_takes_no_time() {
        let (pattern, name) = ("*a".repeat(200) + "b", "a".repeat(2000));
        assert!(!matches(&pattern, &name));
    }
}
