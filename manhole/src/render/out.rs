//! Where rendered text goes, piece by piece: a reply may have 64 MiB, and no buffer of ours has.

use crate::model::Failure;

/// Takes text in pieces of any size.
pub trait Out {
    /// # Errors
    /// What the way out says: `cancelled`, `truncated`.
    fn put(&mut self, text: &str) -> Result<(), Failure>;
}

impl Out for String {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        self.push_str(text);
        Ok(())
    }
}

/// Takes nothing and counts.
#[derive(Debug, Default)]
pub struct Count {
    /// Bytes so far.
    pub bytes: u64,
    /// Characters so far.
    pub chars: usize,
}

impl Out for Count {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        self.chars = self.chars.saturating_add(text.chars().count());
        Ok(())
    }
}

/// Takes the beginning of a text and refuses the rest.
#[derive(Debug)]
pub struct Beginning {
    text: String,
    left: usize,
}

impl Beginning {
    /// Takes `chars` characters.
    pub fn new(chars: usize) -> Self {
        Self {
            text: String::new(),
            left: chars,
        }
    }

    /// What it took.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Out for Beginning {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        for c in text.chars() {
            if self.left == 0 {
                return Err(Failure::cancelled());
            }
            self.left -= 1;
            self.text.push(c);
        }
        Ok(())
    }
}

/// `text` in pieces of 4 KiB at most, so that what is made of one stays small.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    const PIECE: usize = 4 << 10;
    let mut left = text;
    std::iter::from_fn(move || {
        let most = left.len().min(PIECE);
        let at = (0..=most).rev().find(|at| left.is_char_boundary(*at))?;
        let (piece, rest) = left.split_at_checked(at)?;
        left = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_small_whole_and_together_the_text() {
        let check = |text: &str| {
            let all: Vec<&str> = pieces(text).collect();
            assert_eq!(all.concat(), text);
            assert!(all.iter().all(|piece| (1..=4096).contains(&piece.len())));
        };
        check("");
        check("short");
        check(&"x".repeat(4096));
        check(&"\u{20ac}".repeat(5000));
    }

    #[test]
    fn a_beginning_is_no_longer_than_asked_for() {
        let check = |chars: usize, text: &str, expected: &str| {
            let mut beginning = Beginning::new(chars);
            assert_eq!(beginning.put(text).is_ok(), text == expected);
            assert_eq!(beginning.into_text(), expected);
        };
        check(3, "\u{20ac}bcd", "\u{20ac}bc");
        check(4, "abcd", "abcd");
        check(0, "", "");
    }
}
