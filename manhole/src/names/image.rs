//! Object files, read by position into memory of ours.
//!
//! Never mapped: a mapped file that somebody truncates ends the process with SIGBUS, and pages of it
//! count as the service's own. What a header claims is compared with the file's length before
//! anything is allocated for it.

use crate::sys::pages::Pages;
use std::{
    fs::File,
    ops::{Deref, DerefMut},
    os::unix::fs::FileExt,
};

/// The longest text that is read, in bytes; names of generic functions come close.
const LONGEST_TEXT: usize = 64 << 10;
/// What a text is read in at first: few are longer.
const USUAL_TEXT: usize = 256;
/// Copies of more bytes get memory of their own from the system, and give it back.
const LARGE: usize = 64 << 10;

/// A copy of a part of a file.
#[derive(Debug)]
pub(super) enum Bytes {
    Few(Vec<u8>),
    Many(Pages),
}

impl Bytes {
    /// Zeros; `None` when memory is short.
    pub(super) fn new(length: u64) -> Option<Self> {
        let length = usize::try_from(length).ok()?;
        match length {
            ..LARGE => Some(Self::Few(vec![0; length])),
            _ => Pages::new(length).map(Self::Many),
        }
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Few(bytes) => bytes,
            Self::Many(pages) => pages,
        }
    }
}

impl DerefMut for Bytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Few(bytes) => bytes,
            Self::Many(pages) => pages,
        }
    }
}

/// A regular file.
#[derive(Debug)]
pub(super) struct Image {
    file: File,
    length: u64,
}

impl Image {
    /// `None` when it is none, or cannot be asked.
    pub(super) fn new(file: File) -> Option<Self> {
        let about = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let length = about.len();
        Some(Self { file, length })
    }

    /// Its length in bytes when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `buffer` with what is at `at`.
    pub(super) fn fill(&self, at: u64, buffer: &mut [u8]) -> Option<()> {
        self.file.read_exact_at(buffer, at).ok()
    }

    /// `length` bytes at `at`; `None` when they are not all there, or memory is short.
    pub(super) fn bytes(&self, at: u64, length: u64) -> Option<Bytes> {
        at.checked_add(length).filter(|end| *end <= self.length)?;
        let mut bytes = Bytes::new(length)?;
        self.fill(at, &mut bytes)?;
        Some(bytes)
    }
}

/// The contents of a section.
#[derive(Debug)]
pub(super) enum Data<'a> {
    /// In a file, all of it.
    File {
        image: &'a Image,
        at: u64,
        length: u64,
    },
    /// In memory: it was compressed.
    Memory(Bytes),
}

impl Data<'_> {
    /// What a file that lacks the section has.
    pub(super) fn nothing() -> Self {
        Self::Memory(Bytes::Few(Vec::new()))
    }

    pub(super) fn length(&self) -> u64 {
        match self {
            Self::File { length, .. } => *length,
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }

    /// Fills `buffer` with what is at `at`; returns how much of it there was.
    pub(super) fn fill(&self, at: u64, buffer: &mut [u8]) -> usize {
        let there = self.length().saturating_sub(at);
        let count = usize::try_from(there)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(buffer) = buffer.get_mut(..count) else {
            return 0;
        };
        let filled = match self {
            Self::File {
                image, at: from, ..
            } => image.fill(from.saturating_add(at), buffer),
            Self::Memory(bytes) => (|| {
                let from = usize::try_from(at).ok()?;
                let bytes = bytes.get(from..)?.get(..count)?;
                buffer.copy_from_slice(bytes);
                Some(())
            })(),
        };
        filled.map_or(0, |()| count)
    }

    /// `length` bytes at `at`; `None` when they are not all there, or memory is short.
    pub(super) fn bytes(&self, at: u64, length: u64) -> Option<Bytes> {
        at.checked_add(length).filter(|end| *end <= self.length())?;
        let mut bytes = Bytes::new(length)?;
        (self.fill(at, &mut bytes) == bytes.len()).then_some(bytes)
    }

    /// The text at `at` up to its NUL; `None` when it is longer than 64 KiB or does not end.
    pub(super) fn text(&self, at: u64) -> Option<String> {
        let mut bytes = vec![0; USUAL_TEXT];
        loop {
            let filled = self.fill(at, &mut bytes);
            let text = bytes.get(..filled)?;
            if let Some(end) = text.iter().position(|byte| *byte == 0) {
                return Some(String::from_utf8_lossy(text.get(..end)?).into_owned());
            }
            if filled < bytes.len() || bytes.len() >= LONGEST_TEXT {
                return None;
            }
            bytes.resize(LONGEST_TEXT.min(bytes.len().saturating_mul(16)), 0);
        }
    }
}

/// A section that is read from front to back, more or less.
#[derive(Debug)]
pub(super) struct Window<'a> {
    data: Data<'a>,
    /// How much is read at once, in bytes.
    step: usize,
    from: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(data: Data<'a>, step: usize) -> Self {
        Self {
            data,
            step,
            from: 0,
            buffer: Vec::new(),
        }
    }

    pub(super) fn data(&self) -> &Data<'a> {
        &self.data
    }

    /// What is at `at`: at least `wanted` bytes, fewer at the section's end or when it cannot be read.
    pub(super) fn get(&mut self, at: u64, wanted: usize) -> &[u8] {
        let ahead = at.checked_sub(self.from);
        let ahead = ahead.and_then(|ahead| usize::try_from(ahead).ok());
        let have = ahead.map_or(0, |ahead| self.buffer.len().saturating_sub(ahead));
        if have >= wanted.max(1) {
            return self.buffer.get(ahead.unwrap_or(0)..).unwrap_or_default();
        }
        let size = wanted.max(self.step);
        self.buffer.clear();
        self.from = at;
        if self.buffer.try_reserve(size).is_ok() {
            self.buffer.resize(size, 0);
            let filled = self.data.fill(at, &mut self.buffer);
            self.buffer.truncate(filled);
        }
        &self.buffer
    }

    fn array<const N: usize>(&mut self, at: &mut u64) -> Option<[u8; N]> {
        let bytes = self.get(*at, N).first_chunk().copied()?;
        *at = at.checked_add(N as u64)?;
        Some(bytes)
    }

    /// The number at `at`, which moves behind it.
    pub(super) fn u8(&mut self, at: &mut u64) -> Option<u8> {
        self.array(at).map(u8::from_le_bytes)
    }

    /// See [`Self::u8`].
    pub(super) fn u16(&mut self, at: &mut u64) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// See [`Self::u8`].
    pub(super) fn u32(&mut self, at: &mut u64) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// See [`Self::u8`].
    pub(super) fn u64(&mut self, at: &mut u64) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// See [`Self::u8`]; in LEB128.
    pub(super) fn uleb(&mut self, at: &mut u64) -> Option<u64> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.u8(at)?;
            let bits = u64::from(byte & 0x7f);
            number |= bits.checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}
