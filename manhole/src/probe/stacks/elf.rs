//! The headers of an ELF image as the loader mapped it: its segments, its build id, where its unwind
//! information is.
//!
//! Pure, over bytes that somebody copied out of the process. Whatever they hold, nothing is read
//! outside them and no sum runs over: the image may be a file that only looks like a library. Both
//! machines this is written for are little-endian with 64 bits, and other files are refused.

use crate::model::order;
use object::{
    LittleEndian, elf,
    read::elf::{FileHeader, NoteIterator, ProgramHeader},
};
use std::ops::Range;

/// Program headers beyond this number are refused; linkers write about a dozen.
const MOST_HEADERS: usize = 256;
/// The longest build id that is taken for one, in bytes; linkers write 8 to 20.
const LONGEST_ID: usize = 64;
const PROGRAM_HEADER: u64 = size_of::<elf::ProgramHeader64<LittleEndian>>() as u64;
const LE: LittleEndian = LittleEndian;

type File = elf::FileHeader64<LittleEndian>;
type Program = elf::ProgramHeader64<LittleEndian>;

/// A part of the file that is mapped (PT_LOAD), by the addresses of its headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its addresses.
    pub memory: Range<u64>,
    /// First address behind what comes from the file; zeros follow.
    pub file_end: u64,
    /// Place in the file, in bytes.
    pub offset: u64,
    /// Whether it holds code.
    pub executable: bool,
}

/// Where notes are, and how they are aligned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notes {
    /// Their addresses.
    pub memory: Range<u64>,
    /// 4 or 8.
    pub align: u64,
}

/// What the program headers say, by the addresses in them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Headers {
    /// By address; at least one.
    pub segments: Vec<Segment>,
    /// Where `.eh_frame_hdr` is.
    pub eh_frame_hdr: Option<Range<u64>>,
    /// Where notes are.
    pub notes: Vec<Notes>,
}

/// How many bytes of an image [`Headers::parse`] needs, told from its first 64.
pub(crate) fn length(start: &[u8]) -> Option<u64> {
    let header = header(start)?;
    let count = u64::from(header.e_phnum.get(LE));
    let table = count.checked_mul(PROGRAM_HEADER)?;
    let end = header.e_phoff.get(LE).checked_add(table)?;
    (count <= MOST_HEADERS as u64).then_some(end)
}

impl Headers {
    /// Parses the beginning of an image; `None` when it is none of this machine's kind, holds too
    /// little of it, or contradicts itself.
    pub(crate) fn parse(image: &[u8]) -> Option<Self> {
        let header = header(image)?;
        let programs = header.program_headers(LE, image).ok()?;
        let mut headers = Self::default();
        for program in programs.get(..MOST_HEADERS.min(programs.len()))? {
            headers.add(program)?;
        }
        order::sort_by_key(&mut headers.segments, |segment| segment.memory.start);
        (!headers.segments.is_empty()).then_some(headers)
    }

    fn add(&mut self, program: &Program) -> Option<()> {
        let start = program.p_vaddr(LE);
        let end = start.checked_add(program.p_memsz(LE))?;
        let memory = start..end;
        match program.p_type(LE) {
            elf::PT_LOAD if !memory.is_empty() => self.segments.push(Segment {
                file_end: start.checked_add(program.p_filesz(LE))?.min(end),
                offset: program.p_offset(LE),
                executable: program.p_flags(LE).0 & elf::PF_X.0 != 0,
                memory,
            }),
            elf::PT_GNU_EH_FRAME => self.eh_frame_hdr = Some(memory),
            elf::PT_NOTE => self.notes.push(Notes {
                memory,
                align: program.p_align(LE),
            }),
            _ => {}
        }
        Some(())
    }

    /// The addresses of the whole image: from its first segment to its last.
    pub(crate) fn extent(&self) -> Range<u64> {
        let start = self.segments.first().map_or(0, |first| first.memory.start);
        let ends = self.segments.iter().map(|segment| segment.memory.end);
        start..ends.max().unwrap_or(start)
    }

    /// The bytes of the file from `address` to the end of the segment that holds it.
    pub(crate) fn rest_of_segment(&self, address: u64) -> Option<Range<u64>> {
        let holds =
            |segment: &&Segment| (segment.memory.start..segment.file_end).contains(&address);
        let segment = self.segments.iter().find(holds)?;
        Some(address..segment.file_end)
    }

    /// The address that stands where the file begins, rounded down to a page; `None` when the file's
    /// beginning is not mapped.
    pub(crate) fn first_page(&self, page: u64) -> Option<u64> {
        let floor = |address: u64| address & !page.wrapping_sub(1);
        let first = |segment: &&Segment| floor(segment.offset) == 0;
        let segment = self.segments.iter().find(first)?;
        Some(floor(segment.memory.start))
    }
}

fn header(image: &[u8]) -> Option<&File> {
    let header = File::parse(image).ok()?;
    let kind = header.e_type.get(LE);
    let runs = kind == elf::ET_EXEC || kind == elf::ET_DYN;
    let ours = header.e_ident.data == elf::ELFDATA2LSB;
    let sized = u64::from(header.e_phentsize.get(LE)) == PROGRAM_HEADER;
    (runs && ours && sized).then_some(header)
}

/// The build id among notes, in lower-case hex.
pub(crate) fn build_id(notes: &[u8], align: u64) -> Option<String> {
    let mut notes = NoteIterator::<File>::new(LE, align, notes).ok()?;
    while let Ok(Some(note)) = notes.next() {
        let is_id = note.name() == elf::ELF_NOTE_GNU && note.n_type(LE) == elf::NT_GNU_BUILD_ID;
        if is_id && (1..=LONGEST_ID).contains(&note.desc().len()) {
            let digits = note.desc().iter().map(|byte| format!("{byte:02x}"));
            return Some(digits.collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn the_own_binary_has_segments_code_and_unwind_information() {
        let image = own();
        let needed = usize::try_from(length(&image[..64]).unwrap()).unwrap();
        let headers = Headers::parse(&image[..needed]).unwrap();
        assert!(headers.segments.iter().any(|segment| segment.executable));
        assert!(
            headers
                .segments
                .is_sorted_by_key(|segment| segment.memory.start)
        );
        let extent = headers.extent();
        let index = headers.eh_frame_hdr.clone().unwrap();
        assert!(extent.start <= index.start && index.end <= extent.end);
        let rest = headers.rest_of_segment(index.start).unwrap();
        assert!(rest.end >= index.end);
        assert_eq!(headers.rest_of_segment(extent.end), None);
        assert_eq!(headers.first_page(4096), Some(extent.start & !4095));
    }

    #[test]
    fn a_build_id_is_found_among_other_notes() {
        let note = |name: &[u8], kind: u32, content: &[u8]| {
            let mut note = Vec::new();
            for number in [name.len() as u32, content.len() as u32, kind] {
                note.extend(number.to_le_bytes());
            }
            for part in [name, content] {
                note.extend(part);
                note.resize(note.len().next_multiple_of(4), 0);
            }
            note
        };
        let check = |notes: &[Vec<u8>], expected: Option<&str>| {
            assert_eq!(build_id(&notes.concat(), 4).as_deref(), expected);
        };
        let id = note(b"GNU\0", 3, &[0, 0xab, 7]);
        check(&[note(b"GNU\0", 1, &[1; 16]), id.clone()], Some("00ab07"));
        check(
            &[note(b"stapsdt\0", 3, &[1; 20]), id.clone()],
            Some("00ab07"),
        );
        check(&[note(b"GNU\0", 3, &[1; 65])], None);
        check(&[note(b"GNU\0", 3, &[])], None);
        check(&[id[..14].to_vec()], None);
        assert_eq!(build_id(&id, 16), None);
    }

    #[test]
    fn files_of_other_kinds_are_refused() {
        let mut image = own();
        image.truncate(4096);
        let mut check = |at: usize, byte: u8| {
            let was = std::mem::replace(&mut image[at], byte);
            assert_eq!(Headers::parse(&image), None, "byte {at} is {byte}");
            image[at] = was;
        };
        check(0, 0); // magic
        check(4, 1); // 32 bits
        check(5, 2); // big-endian
        check(16, 1); // a relocatable file
        check(54, 57); // program headers of another size
        check(33, 0xff); // program headers far behind
        assert_eq!(Headers::parse(&image[..63]), None);
        assert_eq!(Headers::parse(&image[..100]), None);
    }

    /// Every byte of the headers turned into others: nothing but an answer comes of it.
    #[test]
    fn broken_headers_are_answered() {
        let mut image = own();
        image.truncate(64 + 14 * 56);
        for at in 0..image.len() {
            for byte in [0, 1, 0x7f, 0x80, 0xff] {
                let was = std::mem::replace(&mut image[at], byte);
                if let Some(headers) = Headers::parse(&image) {
                    let extent = headers.extent();
                    assert!(extent.start < extent.end);
                    let _ = (length(&image), headers.rest_of_segment(extent.start));
                }
                image[at] = was;
            }
        }
    }
}
