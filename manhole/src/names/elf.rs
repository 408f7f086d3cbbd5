//! What an object file on disk holds: its sections, the note that identifies its build, and where its
//! debug information is kept if that is elsewhere.
//!
//! The file may be anything: every offset is compared with its length, every count has a bound.
//! Both machines this is written for are little-endian with 64 bits, and other files are refused.

use super::image::{Bytes, Data, Image};
use object::{
    LittleEndian as LE,
    elf::{self, FileHeader64, SectionHeader64},
};
use std::{fmt::Write, fs::File, mem::offset_of};

/// Sections beyond this number are not looked at; linked files have about fifty.
const MOST_SECTIONS: u64 = 1 << 14;
/// The most of a section of notes.
const LONGEST_NOTES: u64 = 64 << 10;
/// The longest build id that is taken for one, in bytes.
const LONGEST_ID: usize = 64;

/// An object file.
#[derive(Debug)]
pub(super) struct Elf {
    image: Image,
    /// In the order of the file, so that symbols can refer to them by index.
    pub sections: Vec<Section>,
    /// The file ends before one of its sections does.
    pub cut: bool,
}

/// A section of an object file.
#[derive(Debug, Default)]
pub(super) struct Section {
    pub name: String,
    pub kind: elf::SectionType,
    pub flags: u64,
    pub address: u64,
    pub size: u64,
    /// Index of the section with its strings.
    pub link: u32,
    offset: u64,
    /// It lies in the file, all of it.
    there: bool,
}

impl Section {
    pub(super) fn is_code(&self) -> bool {
        self.flags & elf::SHF_EXECINSTR.0 != 0
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.flags & elf::SHF_COMPRESSED.0 != 0
    }
}

macro_rules! field {
    ($read:ident, $bytes:expr, $header:ident . $field:ident) => {
        $read($bytes, offset_of!($header<LE>, $field))
    };
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*bytes))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u64::from_le_bytes(*bytes))
}

impl Elf {
    /// Reads the headers of `file`, with about one system call per section; `None` when it is no
    /// object file of this kind, or is cut before its headers.
    pub(super) fn read(file: File) -> Option<Self> {
        let image = Image::new(file)?;
        let mut header = [0; size_of::<FileHeader64<LE>>()];
        image.fill(0, &mut header)?;
        let header = header.as_slice();
        let ident = [elf::ELFCLASS64.0, elf::ELFDATA2LSB.0];
        if !header.starts_with(&elf::ELFMAG) || header.get(4..6)? != ident {
            return None;
        }
        let mut elf = Self {
            image,
            sections: Vec::new(),
            cut: false,
        };
        elf.read_sections(header)?;
        Some(elf)
    }

    fn read_sections(&mut self, header: &[u8]) -> Option<()> {
        const SIZE: usize = size_of::<SectionHeader64<LE>>();
        let offset = field!(u64_at, header, FileHeader64.e_shoff)?;
        if offset == 0 {
            return Some(()); // a file needs none to run
        }
        let size = field!(u16_at, header, FileHeader64.e_shentsize)?;
        if usize::from(size) != SIZE {
            return None;
        }
        // Where the header's fields are too small for them, the first section has the numbers.
        let first = self.image.bytes(offset, SIZE as u64)?;
        let count = match field!(u16_at, header, FileHeader64.e_shnum)? {
            0 => field!(u64_at, &first, SectionHeader64.sh_size)?,
            count => count.into(),
        };
        let names = match field!(u16_at, header, FileHeader64.e_shstrndx)? {
            names if names == elf::SHN_XINDEX.0 => field!(u32_at, &first, SectionHeader64.sh_link)?,
            names => names.into(),
        };
        let table = self
            .image
            .bytes(offset, count.min(MOST_SECTIONS) * SIZE as u64)?;
        let mut name_places = Vec::new();
        for header in table.chunks_exact(SIZE) {
            name_places.push(field!(u32_at, header, SectionHeader64.sh_name)?);
            self.sections.push(section(header, self.image.length())?);
        }
        self.cut = self.sections.iter().any(|section| !section.there);
        self.read_names(usize::try_from(names).ok()?, &name_places);
        Some(())
    }

    fn read_names(&mut self, names: usize, places: &[u32]) {
        let Some(strings) = self.sections.get(names).and_then(|names| self.data(names)) else {
            return;
        };
        let names = places.iter().map(|place| strings.text((*place).into()));
        let names: Vec<Option<String>> = names.collect();
        for (section, name) in self.sections.iter_mut().zip(names) {
            section.name = name.unwrap_or_default();
        }
    }

    /// The section called `name`.
    pub(super) fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name)
    }

    /// What `section` holds; `None` when that is not in this file, or compressed.
    pub(super) fn data(&self, section: &Section) -> Option<Data<'_>> {
        let readable = section.there && section.kind != elf::SHT_NOBITS;
        (readable && !section.is_compressed()).then_some(Data::File {
            image: &self.image,
            at: section.offset,
            length: section.size,
        })
    }

    /// The first `length` bytes of the compressed `section`, as they are in the file: a header, then
    /// the stream.
    pub(super) fn compressed(&self, section: &Section, length: u64) -> Option<Bytes> {
        let readable = section.there && section.is_compressed() && length <= section.size;
        readable
            .then(|| self.image.bytes(section.offset, length))
            .flatten()
    }

    /// The note that identifies the build, in lower-case hex.
    pub(super) fn build_id(&self) -> Option<String> {
        let notes = |section: &&Section| section.kind == elf::SHT_NOTE;
        let mut sections = self.sections.iter().filter(notes);
        sections.find_map(|section| {
            let data = self.data(section)?;
            let notes = data.bytes(0, data.length().min(LONGEST_NOTES))?;
            gnu_build_id(&notes)
        })
    }

    /// Name of the file that debug information was moved to (`.gnu_debuglink`).
    pub(super) fn debug_link(&self) -> Option<String> {
        self.data(self.section(".gnu_debuglink")?)?.text(0)
    }
}

fn section(header: &[u8], file: u64) -> Option<Section> {
    let mut section = Section {
        kind: elf::SectionType(field!(u32_at, header, SectionHeader64.sh_type)?),
        flags: field!(u64_at, header, SectionHeader64.sh_flags)?,
        address: field!(u64_at, header, SectionHeader64.sh_addr)?,
        offset: field!(u64_at, header, SectionHeader64.sh_offset)?,
        size: field!(u64_at, header, SectionHeader64.sh_size)?,
        link: field!(u32_at, header, SectionHeader64.sh_link)?,
        ..Section::default()
    };
    let end = section.offset.checked_add(section.size);
    let nothing = matches!(section.kind, elf::SHT_NOBITS | elf::SHT_NULL);
    section.there = nothing || end.is_some_and(|end| end <= file);
    Some(section)
}

/// The build id among `notes`, which are aligned to 4 bytes whatever the section says.
fn gnu_build_id(mut notes: &[u8]) -> Option<String> {
    loop {
        let name_size = usize::try_from(u32_at(notes, 0)?).ok()?;
        let size = usize::try_from(u32_at(notes, 4)?).ok()?;
        let kind = elf::NoteType(u32_at(notes, 8)?);
        let rest = notes.get(12..)?;
        let name = rest.get(..name_size)?;
        let rest = rest.get(name_size.checked_next_multiple_of(4)?..)?;
        let value = rest.get(..size)?;
        if kind == elf::NT_GNU_BUILD_ID && name == b"GNU\0" && (1..=LONGEST_ID).contains(&size) {
            return Some(hex(value));
        }
        notes = rest.get(size.checked_next_multiple_of(4)?..)?;
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
