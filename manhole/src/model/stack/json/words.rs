//! The words for what a dump has as enums.

use super::super::{Answered, End, Lines, Symbols};

/// Every way of answering, with its word.
pub(super) const ANSWERS: [(Answered, &str); 8] = [
    (Answered::Stack, "stack"),
    (Answered::NotAsked, "not-asked"),
    (Answered::Blocks, "blocks"),
    (Answered::Uninterruptible, "uninterruptible"),
    (Answered::Stopped, "stopped"),
    (Answered::Silent, "silent"),
    (Answered::Registers, "registers"),
    (Answered::Refused, "refused"),
];

/// Every end of a walk, with its word.
pub(super) const ENDS: [(End, &str); 3] =
    [(End::Root, "root"), (End::Cut, "cut"), (End::Lost, "lost")];

/// What may be known of a symbol table, with its word.
pub(super) const SYMBOLS: [(Symbols, &str); 4] = [
    (Symbols::Known, "known"),
    (Symbols::Stripped, "stripped"),
    (Symbols::Gone, "gone"),
    (Symbols::NotRead, "not-read"),
];

/// What may be known of lines, with its word; the figures of [`Lines::TooDear`] stand beside it.
pub(super) const LINES: [(Lines, &str); 6] = [
    (Lines::Known, "known"),
    (Lines::Some, "some"),
    (Lines::Absent, "absent"),
    (Lines::Unreadable, "unreadable"),
    (Lines::TooDear { ns: 0, bytes: 0 }, "too-dear"),
    (Lines::NotRead, "not-read"),
];

/// The word for `value`.
pub(super) fn word<T: PartialEq>(all: &[(T, &'static str)], value: &T) -> &'static str {
    let found = all.iter().find(|(known, _)| known == value);
    found.map_or("", |(_, word)| word)
}

/// The value that `word` stands for.
pub(super) fn value<T: Copy>(all: &[(T, &'static str)], word: &str) -> Option<T> {
    let found = all.iter().find(|(_, known)| *known == word);
    found.map(|(value, _)| *value)
}
