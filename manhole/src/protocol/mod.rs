//! Wire formats both ways, pure: bytes in, events out. Shared with the client.
//!
//! Every reader here is fed whatever arrived and then asked for events until there is none. It never
//! performs I/O, its memory is bounded by what it was fed since it was last asked plus one line or
//! chunk, and its events do not depend on where the bytes were split.

#![allow(unreachable_pub)] // the command-line client and the fuzzers speak these too

mod buffer;
#[cfg(any(test, fuzzing))]
pub mod conversation;
pub mod keep;
pub mod machine;
pub mod sniff;
pub mod text;
pub mod words;

/// Longest line a server accepts, its LF included.
pub const LINE_MAX: usize = 16 * 1024;

/// Most words in one line or command.
pub const WORDS_MAX: usize = 64;

/// Largest counted payload. Senders split what is larger; receivers refuse it before they allocate.
pub const CHUNK_MAX: usize = 256 * 1024;

/// Longest line a client accepts, its LF included: an `end` with every text at its bound fits.
pub const REPLY_LINE_MAX: usize = 256 * 1024;

/// Longest text of a reply's last line, so that no message of an application can outgrow
/// [`REPLY_LINE_MAX`], even if JSON needs six bytes for each of it.
const TEXT_MAX: usize = 2 * 1024;

/// Most hints, and most next commands, that a reply carries; for the same reason.
const LIST_MAX: usize = 8;

/// The longest beginning of `text` of at most [`TEXT_MAX`] bytes.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or(text)
}
