//! Words and sentences that answers share.

use super::units;

/// A sentence: capital letter and full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars
        .next()
        .map(|c| c.to_uppercase().collect())
        .unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// The plural of a count: `1 thread`, `2 threads`.
pub(crate) fn plural(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{} {word}s", units::count(count as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_and_plurals() {
        assert_eq!(sentence("6 of 8 wait; one runs"), "6 of 8 wait; one runs.");
        assert_eq!(sentence("all wait"), "All wait.");
        assert_eq!(sentence(""), ".");
        assert_eq!(plural(1, "thread"), "1 thread");
        assert_eq!(plural(1200, "thread"), "1,200 threads");
    }
}
