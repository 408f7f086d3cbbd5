//! Equal stacks, kept once: of a thousand threads most wait in the same few places.

use crate::model::stack::Frame;
use std::{collections::HashMap, sync::Arc};

/// The different stacks so far.
#[derive(Debug, Default)]
pub(super) struct Stacks(HashMap<u64, Arc<[Frame]>>);

impl Stacks {
    /// `frames`, shared with whoever had the same.
    pub(super) fn share(&mut self, frames: Vec<Frame>) -> Arc<[Frame]> {
        let print = print(&frames);
        if let Some(same) = self.0.get(&print).filter(|known| known[..] == frames[..]) {
            return Arc::clone(same);
        }
        let shared: Arc<[Frame]> = frames.into();
        if self.0.try_reserve(1).is_ok() {
            self.0.insert(print, Arc::clone(&shared));
        }
        shared
    }
}

/// Not safe from whoever would make two stacks collide; these would only not be shared.
fn print(frames: &[Frame]) -> u64 {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    frames.iter().fold(0, |print: u64, frame| {
        let mixed = print.rotate_left(5) ^ frame.address ^ u64::from(frame.uncertain);
        mixed.wrapping_mul(MIX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_stacks_are_one_and_others_are_not() {
        let frame = |address: u64| Frame {
            address,
            ..Frame::default()
        };
        let mut stacks = Stacks::default();
        let mut share =
            |addresses: &[u64]| stacks.share(addresses.iter().copied().map(frame).collect());
        let (first, second, other) = (share(&[1, 2]), share(&[1, 2]), share(&[2, 1]));
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!(other[..], [frame(2), frame(1)]);
    }
}
