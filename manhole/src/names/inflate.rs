//! Sections of debug information, also where the linker compressed them.

use super::{
    elf::{Elf, Section, u32_at, u64_at},
    image::{Bytes, Data},
};
use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags},
};

/// Bytes of the header before the stream.
const HEADER: usize = 24;
/// The header's word for zlib.
const ZLIB: u32 = 1;
/// A byte of a stream stands for no more than this number of them.
const DENSEST: u64 = 1032;
/// Bytes that are inflated per millisecond, as measured for release builds on a slow machine.
const PER_MS: u64 = 200_000;

/// The sections that are read.
const SECTIONS: [&str; 9] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_ranges",
    ".debug_rnglists",
    ".debug_line",
    ".debug_addr",
    ".debug_str",
    ".debug_line_str",
    ".debug_str_offsets",
];

/// The bytes of memory that compressed sections of `elf` will take; `None` when one is compressed in a
/// way that is not known here.
pub(super) fn size(elf: &Elf) -> Option<u64> {
    let sections = SECTIONS.iter().filter_map(|name| elf.section(name));
    let mut compressed = sections.filter(|section| section.is_compressed());
    compressed.try_fold(0_u64, |sum, section| {
        let header = elf.compressed(section, HEADER as u64)?;
        let size = inflated_size(&header, section)?;
        Some(sum.saturating_add(size))
    })
}

/// How long inflating `bytes` takes, in nanoseconds.
pub(super) fn time_ns(bytes: u64) -> u64 {
    bytes.saturating_mul(1_000_000) / PER_MS
}

/// The section called `name`; nothing where the file lacks it, or it is malformed.
pub(super) fn section<'a>(elf: &'a Elf, name: &str) -> Data<'a> {
    let Some(section) = elf.section(name) else {
        return Data::nothing();
    };
    let data = match section.is_compressed() {
        true => inflate(elf, section).map(Data::Memory),
        false => elf.data(section),
    };
    data.unwrap_or(Data::nothing())
}

/// What the header says, if the stream is one of zlib and can be that long.
fn inflated_size(header: &[u8], section: &Section) -> Option<u64> {
    let is_zlib = u32_at(header, 0)? == ZLIB;
    let size = u64_at(header, 8)?;
    (is_zlib && size / DENSEST <= section.size).then_some(size)
}

fn inflate(elf: &Elf, section: &Section) -> Option<Bytes> {
    let stream = elf.compressed(section, section.size)?;
    let mut bytes = Bytes::new(inflated_size(&stream, section)?)?;
    let flags = inflate_flags::TINFL_FLAG_PARSE_ZLIB_HEADER
        | inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let mut state = Box::<DecompressorOxide>::default();
    let (status, _, filled) = decompress(&mut state, stream.get(HEADER..)?, &mut bytes, 0, flags);
    (status == TINFLStatus::Done && filled == bytes.len()).then_some(bytes)
}
