//! A service that does to itself whatever a test asks for.
//!
//! Each line of its standard input is a deed, `name [words]`; each deed is answered by one line,
//! `ok ...` or `err ...`. Arguments of the program are deeds that come first. It ends when its
//! standard input does.

mod application;
mod console;
mod family;
mod process;
mod raw;
mod variables;

use std::io::{BufRead, Write};

/// What became of a deed.
type Answer = Result<String, String>;

fn main() {
    if manhole::client() {
        return;
    }
    let mut consoles = console::Consoles::default();
    for deed in std::env::args().skip(1) {
        perform(&mut consoles, &deed);
    }
    for deed in std::io::stdin().lock().lines() {
        match deed {
            Ok(deed) => perform(&mut consoles, &deed),
            Err(_) => return,
        }
    }
}

fn perform(consoles: &mut console::Consoles, deed: &str) {
    let words: Vec<&str> = deed.split_whitespace().collect();
    let Some((name, words)) = words.split_first() else {
        return;
    };
    let done = consoles
        .perform(name, words)
        .or_else(|| application::perform(name, words))
        .or_else(|| variables::perform(name, words))
        .or_else(|| process::perform(name, words))
        .or_else(|| family::perform(name, words, consoles));
    let line = match done {
        Some(Ok(text)) => format!("ok {text}"),
        Some(Err(text)) => format!("err {text}"),
        None => format!("err no deed {name}"),
    };
    answer(&line);
}

/// Writes an answer; whoever does not listen any more misses nothing.
fn answer(line: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{}", line.replace('\n', " ")).and_then(|()| stdout.flush());
}

/// The word at `place`, as a number.
fn number<T: std::str::FromStr>(words: &[&str], place: usize) -> Result<T, String> {
    let word = words.get(place).copied().unwrap_or("nothing");
    word.parse().map_err(|_| format!("{word} is no number"))
}
