//! `cmd > file` and `cmd | less`: what the prompt adds to the console's own language. Within quotes and
//! behind a backslash the signs mean nothing, as in a shell.

use std::path::PathBuf;

use manhole::client::{Kind, Trouble, words};

use crate::exec::Words;

/// A line of the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// What to run, in order.
    pub(super) commands: Vec<Words>,
    /// Where all of its output goes.
    pub(super) to: To,
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To {
    /// To the screen.
    Screen,
    /// Into a file.
    File(PathBuf),
    /// Into a command of the shell.
    Pipe(String),
}

/// Reads a line.
///
/// # Errors
/// `Usage` with what is wrong.
pub(super) fn parse(line: &str) -> Result<Job, Trouble> {
    let (commands, to) = match find_sign(line) {
        None => (line, To::Screen),
        Some((at, sign)) => {
            let (before, after) = line.split_at(at);
            let after = after.get(1..).unwrap_or_default();
            let to = match sign {
                '>' => To::File(file_name(after)?),
                _ => To::Pipe(shell_command(after)?),
            };
            (before, to)
        }
    };
    let commands =
        words::parse_line(commands).map_err(|failure| Trouble::new(Kind::Usage, failure.text))?;
    match commands.is_empty() && to != To::Screen {
        true => Err(wrong("there is no command before > or |")),
        false => Ok(Job { commands, to }),
    }
}

/// The place of the first `>` or `|` that means something.
pub(super) fn find_sign(line: &str) -> Option<(usize, char)> {
    let mut quote = None;
    let mut escaped = false;
    let mut word_begins = true;
    for (at, c) in line.char_indices() {
        let begins = std::mem::replace(&mut word_begins, matches!(c, ' ' | '\t' | ';'));
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => escaped = true,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '>' | '|') => return Some((at, c)),
            (None, '#') if begins => return None,
            (None, _) => {}
        }
    }
    None
}

fn file_name(text: &str) -> Result<PathBuf, Trouble> {
    if text.starts_with('>') {
        return Err(wrong("a file cannot be appended to; use > and a new file"));
    }
    let parsed =
        words::parse_line(text).map_err(|failure| Trouble::new(Kind::Usage, failure.text))?;
    match parsed.as_slice() {
        [words] => match words.as_slice() {
            [name] => Ok(expand_home(name)),
            _ => Err(wrong("one file name is wanted behind >")),
        },
        _ => Err(wrong("one file name is wanted behind >")),
    }
}

/// `~/x`, since people type it.
fn expand_home(name: &str) -> PathBuf {
    match (name.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(name),
    }
}

fn shell_command(text: &str) -> Result<String, Trouble> {
    match text.trim() {
        "" => Err(wrong(
            "a command of the shell is wanted behind |, as in: threads | less",
        )),
        command => Ok(command.to_owned()),
    }
}

fn wrong(text: &str) -> Trouble {
    Trouble::new(Kind::Usage, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, commands: &[&str], to: To) {
        let job = parse(line).unwrap();
        let joined: Vec<String> = job.commands.iter().map(|words| words.join("+")).collect();
        assert_eq!(joined, commands, "{line}");
        assert_eq!(job.to, to, "{line}");
    }

    #[test]
    fn output_goes_where_the_line_says() {
        check("triage; fds", &["triage", "fds"], To::Screen);
        check("cpu 5 > 'my file'", &["cpu+5"], To::File("my file".into()));
        check("fds>/tmp/x", &["fds"], To::File("/tmp/x".into()));
        check(
            "maps | grep -v '>' | less",
            &["maps"],
            To::Pipe("grep -v '>' | less".into()),
        );
        check("", &[], To::Screen);
    }

    #[test]
    fn quoted_and_escaped_signs_and_comments_mean_nothing() {
        check("vars 'a>b'", &["vars+a>b"], To::Screen);
        check(r#"vars "a\"|b""#, &["vars+a\"|b"], To::Screen);
        check(r"vars a\>b", &["vars+a>b"], To::Screen);
        check("fds # > x", &["fds"], To::Screen);
    }

    #[test]
    fn what_is_incomplete_is_explained() {
        let check = |line: &str, expected: &str| {
            let trouble = parse(line).unwrap_err();
            assert!(trouble.text.contains(expected), "{line}: {trouble}");
        };
        check("fds >", "one file name");
        check("fds > a b", "one file name");
        check("fds >> a", "appended");
        check("fds |", "threads | less");
        check("> x", "no command before");
        check("vars 'x", "column");
    }
}
