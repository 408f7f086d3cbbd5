//! How a victim is told what to do to itself.
//!
//! Each line of its standard input is a deed, `name [words]`; each deed is answered by one line,
//! `ok ...` or `err ...`. Arguments of the program are deeds that come first. It ends when its
//! standard input does.

use std::io::{BufRead, Write};

/// What became of a deed.
pub(crate) type Answer = Result<String, String>;

/// Performs what it is told until its standard input ends; `perform` knows the deeds by name.
pub(crate) fn until_the_end(mut perform: impl FnMut(&str, &[&str]) -> Option<Answer>) {
    let mut one = |deed: &str| {
        let words: Vec<&str> = deed.split_whitespace().collect();
        let Some((name, words)) = words.split_first() else {
            return;
        };
        answer(&match perform(name, words) {
            Some(Ok(text)) => format!("ok {text}"),
            Some(Err(text)) => format!("err {text}"),
            None => format!("err no deed {name}"),
        });
    };
    std::env::args().skip(1).for_each(|deed| one(&deed));
    for deed in std::io::stdin().lock().lines() {
        match deed {
            Ok(deed) => one(&deed),
            Err(_) => return,
        }
    }
}

/// Writes an answer; whoever does not listen any more misses nothing.
pub(crate) fn answer(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", line.replace('\n', " ")).and_then(|()| stdout.flush());
}

/// The word at `place`, as a number.
pub(crate) fn number<T: std::str::FromStr>(words: &[&str], place: usize) -> Result<T, String> {
    let word = words.get(place).copied().unwrap_or("nothing");
    word.parse().map_err(|_| format!("{word} is no number"))
}
