//! Long lists of short words on few lines.

/// Columns of a line.
pub(super) const WIDTH: usize = 100;
/// The least room for words in a line, however long what stands before them is.
pub(super) const LEAST: usize = 24;

/// `words` behind `lead`, in lines of [`WIDTH`]; further lines are indented by `indent`. What would
/// begin a line beyond `most` is counted: `and 37 more`. Words bring their separators with them.
pub(super) fn wrapped<'a>(
    lead: &str,
    indent: usize,
    words: impl Iterator<Item = &'a str> + Clone,
    most: usize,
) -> Vec<String> {
    let total = words.clone().count();
    let mut lines = Vec::new();
    let (mut line, mut used) = (lead.to_owned(), lead.chars().count());
    let room = |used: usize| WIDTH.max(used + LEAST);
    let mut edge = room(used);
    let mut begun = false;
    for (at, word) in words.enumerate() {
        let width = word.chars().count();
        let last_line = lines.len() + 1 == most;
        // On the last line there must be room for the count, unless this is the last word.
        let reserved = match last_line && at + 1 < total {
            true => "and 9,999 more".len(),
            false => 0,
        };
        if begun && used + word.trim_end().chars().count() + reserved > edge {
            if last_line {
                let more = super::super::units::count((total - at) as u64);
                line.push_str(&format!("and {more} more"));
                break;
            }
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            (used, edge) = (indent, room(indent));
        }
        line.push_str(word);
        used += width;
        begun = true;
    }
    lines.push(line);
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lead: &str, words: &[&str], most: usize, expected: &[&str]) {
        assert_eq!(wrapped(lead, 4, words.iter().copied(), most), expected);
    }

    #[test]
    fn words_fill_lines_and_what_is_too_much_is_counted() {
        check("n  ", &["1 ", "2 "], 2, &["n  1 2"]);
        check("n  ", &[], 2, &["n"]);
        let many: Vec<&str> = vec!["12345 "; 40];
        let lines = wrapped("n  ", 4, many.iter().copied(), 2);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].len() <= WIDTH && lines[1].len() <= WIDTH);
        assert!(lines[1].starts_with("    12345 12345"));
        let shown = lines.concat().matches("12345").count();
        assert!(
            lines[1].ends_with(&format!("and {} more", 40 - shown)),
            "{lines:?}"
        );
        let all = wrapped("n  ", 4, many.iter().copied(), usize::MAX);
        assert_eq!(all.concat().matches("12345").count(), 40);
        assert!(all.iter().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_lead_that_fills_the_line_leaves_room_for_words() {
        let lead = "x".repeat(120);
        let lines = wrapped(&lead, 4, ["1 ", "2 "].into_iter(), 1);
        assert_eq!(lines, [format!("{lead}1 2")]);
    }
}
