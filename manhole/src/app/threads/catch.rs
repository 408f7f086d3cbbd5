//! Panics of application code, caught and turned into their message.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// The longest panic message kept, in bytes.
const MESSAGE: usize = 1024;

/// Runs `work`; a panic becomes its message. With `panic=abort` nothing can be caught: the process
/// ends, as it would for a panic anywhere else.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Unwind safety is the application's affair: it registered a `Fn` that will be called again.
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let text = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "a value that is no text".to_owned(),
    };
    // `panic_any` takes any value, so dropping it may panic again, and so may that payload.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
    shorten(text)
}

/// Cuts `text` to the length that is kept, at a character's boundary.
fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE {
        let end = (0..=MESSAGE).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::panic_any;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn panics_become_their_message() {
        let check = |work: fn() -> u8, expected: Result<u8, &str>| {
            assert_eq!(catch(work), expected.map_err(str::to_owned));
        };
        check(|| 7, Ok(7));
        check(|| panic!("plain"), Err("plain"));
        check(|| panic!("{} is odd", 3), Err("3 is odd"));
        check(|| panic_any(7_u8), Err("a value that is no text"));
        check(|| panic_any(Bomb), Err("a value that is no text"));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let text = shorten("é".repeat(MESSAGE));
        assert!(text.len() <= MESSAGE + '…'.len_utf8() && text.ends_with("é…"));
    }
}
