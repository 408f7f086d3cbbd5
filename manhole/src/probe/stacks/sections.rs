//! The unwind information of an image, where it can be read without a fault.
//!
//! The program's own is read in place: it may be large, little of it is needed, and nobody unmaps it.
//! Everything else is copied when a stack first leads into it, because the host may unload it while
//! we read, and freed with the answer; those of [`super::live`] stay as long as they are mapped.

use super::{
    modules::{Image, Read},
    rows::{self, Sections},
};
use crate::sys::{image, pages::Pages};
use std::ops::Range;

/// The most that one answer copies; images beyond it are without unwind information.
const BUDGET: u64 = 64 << 20;
/// What tells where the index leads.
const INDEX_HEAD: usize = 8;

/// How much may still be copied.
#[derive(Debug)]
pub(super) struct Budget(u64);

impl Budget {
    /// So many bytes.
    pub(super) const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// `None` when there are not so many left.
    pub(super) fn take(&mut self, bytes: u64) -> Option<()> {
        self.0 = self.0.checked_sub(bytes)?;
        Some(())
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self(BUDGET)
    }
}

/// The sections of one image.
#[derive(Debug)]
pub(super) struct Loaded {
    index: Held,
    index_at: u64,
    frames: Held,
    frames_at: u64,
}

#[derive(Debug)]
enum Held {
    Lent(&'static [u8]),
    /// So many bytes are from the image.
    Copied(Pages, usize),
}

impl Held {
    fn bytes(&self) -> &[u8] {
        match self {
            Held::Lent(bytes) => bytes,
            Held::Copied(pages, known) => pages.get(..*known).unwrap_or_default(),
        }
    }
}

impl Loaded {
    /// Reads or borrows the sections; `None` when the image has none, they are gone, or the budget is
    /// spent. 0.1 ms for what a C library has.
    pub(super) fn new(image: &Image, budget: &mut Budget, read: Read<'_>) -> Option<Self> {
        let bias = image.module.bias;
        let index = image.headers.eh_frame_hdr.clone()?;
        let rest = image.headers.rest_of_segment(index.start)?;
        let index = index.start..index.end.min(rest.end);
        let mut head = [0; INDEX_HEAD];
        if read(bias.wrapping_add(index.start), &mut head) < INDEX_HEAD {
            return None;
        }
        let frames = image
            .headers
            .rest_of_segment(rows::frames_start(&head, index.start)?)?;
        let mut hold = |part: &Range<u64>| {
            let (start, length) = (bias.wrapping_add(part.start), part.end - part.start);
            let lent = image
                .module
                .binary
                .then(|| image::of_program(start, length));
            match lent.flatten() {
                Some(bytes) => Some(Held::Lent(bytes)),
                None => copy(start, length, budget, read),
            }
        };
        Some(Self {
            index: hold(&index)?,
            index_at: index.start,
            frames: hold(&frames)?,
            frames_at: frames.start,
        })
    }

    /// Bytes of the copies.
    pub(super) fn copied(&self) -> u64 {
        let of = |held: &Held| match held {
            Held::Lent(_) => 0,
            Held::Copied(pages, _) => pages.len() as u64,
        };
        of(&self.index) + of(&self.frames)
    }

    pub(super) fn sections(&self) -> Sections<'_> {
        Sections {
            index: self.index.bytes(),
            index_at: self.index_at,
            frames: self.frames.bytes(),
            frames_at: self.frames_at,
        }
    }
}

fn copy(start: u64, length: u64, budget: &mut Budget, read: Read<'_>) -> Option<Held> {
    budget.take(length)?;
    let mut pages = Pages::new(usize::try_from(length).ok()?)?;
    let known = read(start, &mut pages);
    Some(Held::Copied(pages, known))
}
