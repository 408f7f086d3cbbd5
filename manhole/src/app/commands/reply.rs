//! What a command of the application may return.

use super::{Cell, Table};
use crate::model::{self, Answer, Block, Severity};
use serde_json::Value;
use std::fmt::Display;

/// The answer of a command of yours; most commands return something that is [`IntoReply`] instead.
///
/// Text for people and `--json` for programs are made from the same data. Control characters are
/// escaped before they reach a terminal.
#[derive(Clone, Debug, Default)]
pub struct Reply(Answer);

impl Reply {
    /// Lines of text.
    pub fn text(text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.lines().nth(1).is_some() || text.is_empty() {
            return Self::block(Block::Text(text));
        }
        let line = text.lines().next().map_or(0, str::len);
        text.truncate(line);
        Self::block(Block::Value(model::Cell::Text(text)))
    }

    /// Any JSON; compact in text. What is nested more than 128 levels deep is not shown.
    pub fn json(value: Value) -> Self {
        if is_deeper_than(DEEPEST, &value) {
            take_apart(value);
            return Self::text(format!("<JSON nested more than {DEEPEST} levels deep>"));
        }
        Self::block(Block::Value(model::Cell::Json(value)))
    }

    /// Rows under headings.
    pub fn table(table: Table) -> Self {
        Self::block(Block::Table(table.into_model()))
    }

    /// One value with its unit.
    pub fn value(value: impl Into<Cell>) -> Self {
        Self::block(Block::Value(value.into().0))
    }

    fn block(block: Block) -> Self {
        let mut answer = Answer::short();
        answer.push(block);
        Self(answer)
    }

    /// Puts one sentence at the head: all is well.
    #[must_use]
    pub fn ok(self, sentence: impl Into<String>) -> Self {
        self.verdict(Severity::Ok, sentence.into())
    }

    /// Puts one sentence at the head: worth a look.
    #[must_use]
    pub fn warn(self, sentence: impl Into<String>) -> Self {
        self.verdict(Severity::Warn, sentence.into())
    }

    /// Puts one sentence at the head: worth waking somebody up for.
    #[must_use]
    pub fn bad(self, sentence: impl Into<String>) -> Self {
        self.verdict(Severity::Bad, sentence.into())
    }

    fn verdict(mut self, severity: Severity, sentence: String) -> Self {
        self.0.verdict(severity, sentence);
        self
    }

    /// Adds a command line that a person would run next; shown at a prompt only.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.0.next(command);
        self
    }

    /// The answer as the command layer has it.
    pub(crate) fn into_answer(self) -> Answer {
        self.0
    }
}

/// How deep JSON may be nested. Writing and dropping it recurses, on the small stacks of the console's
/// own threads; serde_json reads no deeper either.
const DEEPEST: usize = 128;

fn is_deeper_than(levels: usize, value: &Value) -> bool {
    let deeper = |inner: &Value| levels == 0 || is_deeper_than(levels - 1, inner);
    match value {
        Value::Array(items) => items.iter().any(deeper),
        Value::Object(fields) => fields.values().any(deeper),
        _ => false,
    }
}

/// Drops `value` without recursion.
fn take_apart(value: Value) {
    let mut left = vec![value];
    while let Some(value) = left.pop() {
        match value {
            Value::Array(items) => left.extend(items),
            Value::Object(fields) => left.extend(fields.into_iter().map(|(_, value)| value)),
            _ => {}
        }
    }
}

/// Whatever a command may return: `()`, texts, numbers, [`serde_json::Value`], [`Table`],
/// [`Reply`], and a `Result` of these whose error can be displayed.
pub trait IntoReply {
    /// The answer.
    ///
    /// # Errors
    /// What to tell the caller; it becomes `ERR internal <command>: the application says: ...`.
    fn into_reply(self) -> Result<Reply, String>;
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(self)
    }
}

/// Confirms with `ok`: an empty answer would look like a broken connection.
impl IntoReply for () {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(Reply::text("ok"))
    }
}

impl IntoReply for &str {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(Reply::text(self))
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(Reply::text(self))
    }
}

impl IntoReply for Value {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(Reply::json(self))
    }
}

impl IntoReply for Table {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(Reply::table(self))
    }
}

impl IntoReply for Cell {
    fn into_reply(self) -> Result<Reply, String> {
        Ok(Reply::value(self))
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl IntoReply for $number {
            fn into_reply(self) -> Result<Reply, String> {
                Ok(Reply::json(Value::from(self)))
            }
        }
    )*};
}
numbers!(bool, i32, i64, u32, u64, usize, f64);

impl<T: IntoReply, E: Display> IntoReply for Result<T, E> {
    fn into_reply(self) -> Result<Reply, String> {
        match self {
            Ok(value) => value.into_reply(),
            Err(why) => Err(why.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(reply: impl IntoReply) -> Vec<Block> {
        reply.into_reply().unwrap().into_answer().blocks
    }

    #[test]
    fn one_line_is_a_bare_value_and_more_are_lines_with_the_text_for_programs() {
        assert_eq!(blocks(()), [Block::Value(model::Cell::text("ok"))]);
        assert_eq!(blocks("one"), [Block::Value(model::Cell::text("one"))]);
        assert_eq!(
            blocks("one\ntwo\n".to_owned()),
            [Block::Text("one\ntwo\n".to_owned())]
        );
        assert_eq!(blocks(7_u64), [Block::Value(model::Cell::Json(7.into()))]);
    }

    #[test]
    fn json_that_would_exhaust_a_stack_is_not_shown() {
        let nested = |levels| (0..levels).fold(Value::from(1), |value, _| Value::from(vec![value]));
        assert_eq!(
            blocks(nested(128)),
            [Block::Value(model::Cell::Json(nested(128)))]
        );
        let refused = model::Cell::text("<JSON nested more than 128 levels deep>");
        for levels in [129, 200_000] {
            assert_eq!(blocks(nested(levels)), [Block::Value(refused.clone())]);
        }
    }

    #[test]
    fn an_error_is_told_in_its_own_words() {
        let failed: Result<(), std::fmt::Error> = Err(std::fmt::Error);
        assert_eq!(
            failed.into_reply().unwrap_err(),
            std::fmt::Error.to_string()
        );
        let nested: Result<Result<(), &str>, &str> = Ok(Err("inner"));
        assert_eq!(nested.into_reply().unwrap_err(), "inner");
    }
}
