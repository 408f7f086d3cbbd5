//! What could stand at the cursor: commands, options and choices from the console's table. Pure; where
//! values must be asked for, it says which.

use crate::table::{Arg, Entry, called};

/// What fits at the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suggestions {
    /// Where the word that is being typed begins, in bytes.
    pub(super) start: usize,
    /// Known words that fit.
    pub(super) words: Vec<String>,
    /// Values of this kind fit, too: `variables`, `threads`, ...
    pub(super) values: Option<String>,
}

/// Suggests for the part of the line before the cursor.
pub(super) fn suggest(table: &[Entry], line: &str) -> Suggestions {
    let command = line.rfind(';').map_or(0, |at| at + 1);
    let typed = line.get(command..).unwrap_or_default();
    let begun = typed.rfind([' ', '\t', ',']).map_or(0, |at| at + 1);
    let (done, word) = typed.split_at(begun);
    // What stands before a comma is a part of the same value.
    let list = done.rfind([' ', '\t']).map_or(0, |at| at + 1);
    let done = if done.ends_with(',') {
        done.split_at(list).0
    } else {
        done
    };
    let done: Vec<String> = done.split_whitespace().map(str::to_owned).collect();
    let mut found = Suggestions {
        start: command + begun,
        words: next_words(table, &done, word),
        values: None,
    };
    if let Some(entry) = called(table, &done) {
        arguments(entry, &done, word, &mut found);
    }
    found.words.sort();
    found.words.dedup();
    found
}

/// The next words of commands that begin with what is there.
fn next_words(table: &[Entry], done: &[String], word: &str) -> Vec<String> {
    let names = table.iter().filter_map(|entry| {
        let mut name = entry.name.split(' ');
        let agrees = done.iter().all(|word| name.next() == Some(word));
        name.next().filter(|next| agrees && next.starts_with(word))
    });
    names.map(str::to_owned).collect()
}

fn arguments(entry: &Entry, done: &[String], word: &str, found: &mut Suggestions) {
    let option_of = |word: &str| {
        let name = word.strip_prefix("--")?;
        entry
            .args
            .iter()
            .find(|arg| arg.kind == "option" && arg.name == name)
    };
    let given = done
        .get(entry.name.split(' ').count()..)
        .unwrap_or_default();
    if let Some(arg) = given.last().and_then(|last| option_of(last)) {
        return values_of(arg, word, found);
    }
    if word.starts_with('-') {
        let dashed = |arg: &&Arg| arg.kind != "positional";
        let options = entry
            .args
            .iter()
            .filter(dashed)
            .map(|arg| format!("--{}", arg.name));
        let options = options.chain(["--json".to_owned()]);
        found
            .words
            .extend(options.filter(|option| option.starts_with(word)));
        return;
    }
    let positionals: Vec<&Arg> = entry
        .args
        .iter()
        .filter(|arg| arg.kind == "positional")
        .collect();
    let values_given = given
        .iter()
        .enumerate()
        .filter(|(at, word)| {
            let before = at.checked_sub(1).and_then(|at| given.get(at));
            !word.starts_with("--") && before.and_then(|word| option_of(word)).is_none()
        })
        .count();
    if let Some(arg) = positionals.get(values_given) {
        values_of(arg, word, found);
    }
}

fn values_of(arg: &Arg, word: &str, found: &mut Suggestions) {
    let choices = arg.choices.iter().filter(|choice| choice.starts_with(word));
    found.words.extend(choices.cloned());
    if !matches!(arg.complete.as_str(), "" | "nothing") {
        found.values = Some(arg.complete.clone());
    }
}

/// What is shown dim behind the cursor: the rest of the only word that fits, which the right arrow
/// takes, or the arguments of the command, which it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    /// The text.
    pub(super) text: String,
    /// Whether it can be taken.
    pub(super) takable: bool,
}

/// The hint for a line whose cursor is at its end.
pub(super) fn hint(table: &[Entry], line: &str) -> Option<Hint> {
    let command = line.rsplit(';').next()?.trim_start();
    if command.is_empty() {
        return None;
    }
    let named = table.iter().find(|entry| entry.name == command.trim_end());
    if let Some(entry) = named {
        let arguments = entry.usage.strip_prefix(entry.name.as_str())?.trim_start();
        let space = if command.ends_with(' ') { "" } else { " " };
        return (!arguments.is_empty()).then(|| Hint {
            text: format!("{space}{arguments}"),
            takable: false,
        });
    }
    let mut fitting = table.iter().filter(|entry| entry.name.starts_with(command));
    let only = fitting.next().filter(|_| fitting.next().is_none())?;
    let rest = only.name.strip_prefix(command)?;
    Some(Hint {
        text: rest.to_owned(),
        takable: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table;

    fn check(line: &str, start: usize, words: &[&str], values: Option<&str>) {
        let table = table::parse(table::tests::TABLE).unwrap();
        let found = suggest(&table, line);
        assert_eq!(found.words, words, "{line:?}");
        assert_eq!(found.values.as_deref(), values, "{line:?}");
        assert_eq!(found.start, start, "{line:?}");
    }

    #[test]
    fn commands_are_completed_word_by_word() {
        check("", 0, &["cpu", "gc", "quit", "triage", "vars"], None);
        check("v", 0, &["vars"], None);
        check("gc r", 3, &["run"], None);
        check("fds; tr", 5, &["triage"], None);
        check("vars ", 5, &["get"], Some("variables"));
        check("nope ", 5, &[], None);
    }

    #[test]
    fn options_choices_and_values_follow_the_table() {
        check("cpu --", 4, &["--all", "--format", "--json"], None);
        check("cpu --f", 4, &["--format"], None);
        check("cpu --format ", 13, &["pprof", "top"], None);
        check("cpu 5 --format t", 15, &["top"], None);
        check("vars get htt", 9, &[], Some("variables"));
        check("vars get x ", 11, &[], None);
    }

    #[test]
    fn the_values_of_a_list_are_completed_one_by_one() {
        check("cpu --format pprof,t", 19, &["top"], None);
        check("cpu --format=pprof,t", 19, &[], None);
        check("vars get a,ht", 11, &[], Some("variables"));
    }

    #[test]
    fn hints_show_the_rest_of_a_word_or_the_arguments() {
        let table = table::parse(table::tests::TABLE).unwrap();
        let check = |line: &str, expected: Option<(&str, bool)>| {
            let found = hint(&table, line).map(|hint| (hint.text, hint.takable));
            let expected = expected.map(|(text, takable)| (text.to_owned(), takable));
            assert_eq!(found, expected, "{line:?}");
        };
        check("tri", Some(("age", true)));
        check("vars get", Some((" NAME", false)));
        check("vars get ", Some(("NAME", false)));
        check("var", None);
        check("vars get x", None);
        check("", None);
    }
}
