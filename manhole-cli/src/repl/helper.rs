//! What rustyline asks while a line is edited: completions and hints.

use std::borrow::Cow;

use rustyline::{
    Context, Helper, Result,
    completion::{Completer, FilenameCompleter, Pair},
    highlight::Highlighter,
    hint::{Hint, Hinter},
    validate::Validator,
};

use super::{redirect, suggest, values::Values};
use crate::{plain::escape, table::Entry, terminal::Paint};

/// Completes and hints from the console's table.
pub(super) struct Assistant {
    /// The table.
    pub(super) table: Vec<Entry>,
    /// Values that must be asked for.
    pub(super) values: Values,
    /// Whether hints may be dim; without colours they would look like typed text and are left out.
    pub(super) colour: bool,
    files: FilenameCompleter,
}

impl Assistant {
    /// For one console.
    pub(super) fn new(table: Vec<Entry>, values: Values, colour: bool) -> Self {
        Self {
            table,
            values,
            colour,
            files: FilenameCompleter::new(),
        }
    }
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, ctx: &Context<'_>) -> Result<(usize, Vec<Pair>)> {
        let typed = line.get(..pos).unwrap_or(line);
        match redirect::find_sign(typed) {
            Some((_, '>')) => return self.files.complete(line, pos, ctx),
            Some(_) => return Ok((pos, Vec::new())),
            None => {}
        }
        let found = suggest::suggest(&self.table, typed);
        let word = typed.get(found.start..).unwrap_or_default();
        let mut words = found.words;
        if let Some(kind) = &found.values {
            let values = self.values.get(kind);
            words.extend(values.into_iter().filter(|value| value.starts_with(word)));
        }
        let only = words.len() == 1;
        let pair = |word: String| {
            let quoted = manhole::client::words::quote(&word);
            Pair {
                display: escape(&word).into_owned(),
                replacement: if only { format!("{quoted} ") } else { quoted },
            }
        };
        Ok((found.start, words.into_iter().map(pair).collect()))
    }
}

/// A hint as rustyline wants it.
pub(super) struct Shown(suggest::Hint);

impl Hint for Shown {
    fn display(&self) -> &str {
        &self.0.text
    }

    fn completion(&self) -> Option<&str> {
        self.0.takable.then_some(self.0.text.as_str())
    }
}

impl Hinter for Assistant {
    type Hint = Shown;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Shown> {
        let at_end = self.colour && pos == line.len();
        let mut hint = suggest::hint(&self.table, line).filter(|_| at_end)?;
        hint.text = escape(&hint.text).into_owned();
        Some(Shown(hint))
    }
}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(Paint::Dim.apply(hint))
    }
}
