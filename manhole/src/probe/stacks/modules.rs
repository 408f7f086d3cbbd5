//! What is mapped as code, and which files it is from.
//!
//! From the kernel's list of mappings and the ELF headers in the images themselves, never from the
//! loader: a host that is stuck in `dlopen` holds its lock, and that is one of the things people look
//! for. An image that is unmapped meanwhile is a short read, not a fault.

use super::elf::{self, Headers};
use crate::{
    model::{
        order,
        stack::{Code, Module},
    },
    probe::{
        maps::Mapping,
        procfs::{self, push},
    },
    sys,
};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufRead, BufReader},
    ops::Range,
};

/// Copies what is at an address of this process; returns how many bytes could be had.
pub(super) type Read<'a> = &'a dyn Fn(u64, &mut [u8]) -> usize;

/// What the list is read in: the kernel fills a page at a time.
const BUFFER: usize = 32 << 10;
/// Bytes of an image that are looked at for its headers, and the most that are.
const USUAL_HEAD: usize = 1024;
const LONGEST_HEAD: u64 = 64 << 10;
/// The most of a segment of notes.
const LONGEST_NOTES: u64 = 4 << 10;
/// Images beyond this number stay unknown.
const MOST: usize = 4096;

/// An image in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Image {
    /// What a dump says about it.
    pub module: Module,
    /// Its segments, and where its unwind information is.
    pub headers: Headers,
}

/// All images, and all code.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Images {
    /// In the order in which they were found; their places stay when more are found.
    pub list: Vec<Image>,
    /// Places in `list` and the addresses of those that are mapped now, by address.
    pub now: Vec<(Range<u64>, u32)>,
    /// Executable mappings, by address; of no file as well.
    code: Vec<Range<u64>>,
    /// First address behind the highest mapping that matters here.
    pub highest: u64,
}

/// The mappings that matter.
#[derive(Debug, Default)]
struct Seen {
    /// Beginnings of files.
    starts: Vec<Mapping>,
    /// Inodes and names of files of which something may be executed.
    executed: BTreeSet<(u64, String)>,
    code: Vec<Range<u64>>,
    highest: u64,
}

impl Images {
    /// Reads what is mapped now; images that were known keep their places. `false` when that is
    /// impossible or `keep_going` says no. 0.2 us a mapping, 10 us an image.
    pub(super) fn refresh(&mut self, keep_going: &dyn Fn() -> bool) -> bool {
        let Ok(maps) = File::open("/proc/thread-self/maps") else {
            return false;
        };
        let maps = BufReader::with_capacity(BUFFER, maps);
        let program = sys::image::program_headers();
        self.update(maps, program, &sys::memory::read_own, keep_going)
            .is_some()
    }

    /// The same from a list and a memory; `program` is an address in the program itself.
    fn update(
        &mut self,
        maps: impl BufRead,
        program: u64,
        read: Read<'_>,
        keep_going: &dyn Fn() -> bool,
    ) -> Option<()> {
        let seen = Seen::parse(maps, program, keep_going)?;
        self.now.clear();
        for start in &seen.starts {
            if !seen.may_be_image(start, program) {
                continue;
            }
            let Some(image) = Image::read(start, program, &seen.code, read) else {
                continue;
            };
            let range = image.module.start..image.module.end;
            let known = self.list.iter().position(|known| *known == image);
            let place = known.unwrap_or(self.list.len());
            if place >= MOST || known.is_none() && !push(&mut self.list, image) {
                break;
            }
            self.now.push((range, u32::try_from(place).ok()?));
        }
        order::sort_by_key(&mut self.now, |(range, _)| range.start);
        (self.code, self.highest) = (seen.code, seen.highest);
        Some(())
    }

    /// Whether `address` may be executed.
    pub(super) fn is_code(&self, address: u64) -> bool {
        lies_in(&self.code, address)
    }

    /// The place in `list` of the image that `address` is in.
    pub(super) fn find(&self, address: u64) -> Option<u32> {
        let behind = self
            .now
            .partition_point(|(range, _)| range.start <= address);
        let (range, place) = self.now.get(behind.checked_sub(1)?)?;
        range.contains(&address).then_some(*place)
    }
}

/// Whether one of the `ranges`, which are in order, holds `address`.
fn lies_in(ranges: &[Range<u64>], address: u64) -> bool {
    let behind = ranges.partition_point(|range| range.start <= address);
    let last = behind.checked_sub(1).and_then(|at| ranges.get(at));
    last.is_some_and(|range| range.contains(&address))
}

impl Seen {
    /// Keeps what matters of the list, line by line: a thousand threads are two thousand lines that
    /// do not.
    fn parse(mut maps: impl BufRead, program: u64, keep_going: &dyn Fn() -> bool) -> Option<Self> {
        let mut seen = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            if !matches!(maps.read_until(b'\n', &mut line), Ok(1..)) {
                return Some(seen);
            }
            if !keep_going() {
                return None;
            }
            if !is_plain_memory(&line) {
                let text = procfs::lossless(line.trim_ascii_end());
                if let Some(mapping) = Mapping::parse(&text) {
                    seen.add(mapping, program);
                }
            }
        }
    }

    fn add(&mut self, mapping: Mapping, program: u64) {
        self.highest = mapping.end;
        if mapping.protection.execute {
            let range = mapping.start..mapping.end;
            match self.code.last_mut().filter(|last| last.end == range.start) {
                Some(last) => last.end = range.end,
                None => self.code.push(range),
            }
            self.executed.insert((mapping.inode, mapping.name.clone()));
        }
        let named = mapping.inode != 0 || mapping.name == "[vdso]";
        let programs = (mapping.start..mapping.end).contains(&program);
        if mapping.offset == 0 && mapping.protection.read && (named || programs) {
            self.starts.push(mapping);
        }
    }

    /// Only files of which something is executed are read: any other may be on a server that is
    /// gone. The program's own code may have been moved to huge pages, which have no name.
    fn may_be_image(&self, start: &Mapping, program: u64) -> bool {
        let file = (start.inode, start.name.clone());
        (start.start..start.end).contains(&program) || self.executed.contains(&file)
    }
}

/// Whether a line is about memory that is neither code nor of a file.
fn is_plain_memory(line: &[u8]) -> bool {
    let mut words = line.split(|byte| *byte == b' ');
    let flags = words.nth(1).unwrap_or_default();
    let inode = words.nth(2).unwrap_or_default();
    inode == b"0" && flags.get(2) == Some(&b'-')
}

impl Image {
    /// Reads the headers at the start of a file's mapping; `None` for what was not loaded as code.
    fn read(start: &Mapping, program: u64, code: &[Range<u64>], read: Read<'_>) -> Option<Self> {
        let headers = read_headers(start.start, read)?;
        let page = sys::page_size();
        let bias = start.start.wrapping_sub(headers.first_page(page)?);
        // A file that was mapped to be read has its code where nothing may be executed.
        let runs = |segment: &elf::Segment| {
            segment.executable && lies_in(code, bias.wrapping_add(segment.memory.start))
        };
        if !headers.segments.iter().any(runs) {
            return None;
        }
        let extent = headers.extent();
        let (first, end) = (
            bias.wrapping_add(extent.start),
            bias.wrapping_add(extent.end),
        );
        let unlinked = start.name.strip_suffix(" (deleted)");
        let module = Module {
            path: unlinked.unwrap_or(&start.name).to_owned(),
            deleted: unlinked.is_some(),
            binary: (first..end).contains(&program),
            start: first & !page.wrapping_sub(1),
            end,
            bias,
            build_id: build_id(&headers, bias, read),
            code: code_of(&headers, bias, page),
        };
        (module.start < module.end).then_some(Self { module, headers })
    }
}

/// The executable segments as the loader maps them, whole pages each.
fn code_of(headers: &Headers, bias: u64, page: u64) -> Vec<Code> {
    let within = page.wrapping_sub(1);
    let segments = headers.segments.iter();
    let mapped = segments
        .filter(|segment| segment.executable)
        .map(|segment| {
            let end = bias.wrapping_add(segment.file_end);
            Code {
                start: bias.wrapping_add(segment.memory.start) & !within,
                end: end.wrapping_add(within) & !within,
                offset: segment.offset & !within,
            }
        });
    mapped.collect()
}

fn read_headers(start: u64, read: Read<'_>) -> Option<Headers> {
    let mut head = vec![0; USUAL_HEAD];
    let usual = read(start, &mut head);
    let needed = elf::length(head.get(..usual)?)?;
    if needed > LONGEST_HEAD {
        return None;
    }
    let needed = usize::try_from(needed).ok()?;
    if needed > usual {
        head.resize(needed, 0);
        let all = read(start, &mut head);
        head.truncate(all);
    }
    Headers::parse(&head)
}

fn build_id(headers: &Headers, bias: u64, read: Read<'_>) -> Option<String> {
    headers.notes.iter().find_map(|notes| {
        let length = notes.memory.end.saturating_sub(notes.memory.start);
        let mut bytes = vec![0; usize::try_from(length.min(LONGEST_NOTES)).ok()?];
        let known = read(bias.wrapping_add(notes.memory.start), &mut bytes);
        elf::build_id(bytes.get(..known)?, notes.align)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Images {
        let mut images = Images::default();
        assert!(images.refresh(&|| true));
        images
    }

    #[test]
    fn the_binary_the_libraries_and_the_vdso_are_found() {
        let images = own();
        let find = |address: u64| {
            let place = images.find(address).unwrap();
            &images.list[place as usize].module
        };
        let here = find(own as *const () as u64);
        let exe = std::fs::read_link("/proc/self/exe").unwrap();
        assert_eq!(
            (here.path.as_str(), here.binary),
            (exe.to_str().unwrap(), true)
        );
        // As the kernel lists it.
        let [code] = &here.code[..] else {
            panic!("{here:?}")
        };
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let listed = format!("{:x}-{:x} r-xp {:08x} ", code.start, code.end, code.offset);
        assert!(maps.contains(&listed), "{listed} in {maps}");
        assert!(images.is_code(own as *const () as u64));
        let heap = Box::new(7_u8);
        assert!(!images.is_code(&raw const *heap as u64));
        assert_eq!(images.find(&raw const *heap as u64), None);
        assert_eq!(
            images
                .list
                .iter()
                .filter(|image| image.module.binary)
                .count(),
            1
        );
        assert!(
            images
                .list
                .iter()
                .any(|image| image.module.path == "[vdso]")
        );
        assert!(images.highest > here.end);
        #[cfg(all(target_env = "gnu", not(target_feature = "crt-static")))]
        {
            let libc = find(nix::libc::getpid as *const () as u64);
            assert!(libc.path.contains("libc"), "{libc:?}");
            assert_eq!(libc.build_id.as_ref().map(String::len), Some(40));
        }
    }

    #[test]
    fn places_stay_when_the_list_is_read_again() {
        let mut images = own();
        let before = images.clone();
        assert!(images.refresh(&|| true));
        assert_eq!(images.list, before.list);
        assert!(!images.refresh(&|| false));
    }

    #[test]
    fn a_file_that_is_only_read_is_no_image() {
        let file = std::fs::read("/proc/self/exe").unwrap();
        let code = Headers::parse(&file[..4096]).unwrap();
        let code = code
            .segments
            .iter()
            .find(|segment| segment.executable)
            .unwrap()
            .memory
            .clone();
        let read = |address: u64, into: &mut [u8]| {
            let from = (address - 0x10000) as usize;
            into.copy_from_slice(&file[from..from + into.len()]);
            into.len()
        };
        let check = |maps: &str, expected: usize| {
            let mut images = Images::default();
            images.update(maps.as_bytes(), 0, &read, &|| true).unwrap();
            assert_eq!(images.list.len(), expected, "{maps}");
        };
        let (start, end) = (0x10000 + (code.start & !4095), 0x10000 + code.end);
        let data = "10000-11000 r--p 00000000 08:01 7 /x\n";
        let text = format!("{start:x}-{end:x} r-xp 00001000 08:01 7 /x\n");
        check(&format!("{data}{text}"), 1);
        check(data, 0);
        check(&format!("{data}{}", text.replace("r-x", "r--")), 0);
        check(
            &format!("{data}{}", text.replace("08:01 7 /x", "08:01 8 /y")),
            0,
        );
        check(&format!("{}{text}", data.replace("/x", "/x (deleted)")), 0);
    }

    #[test]
    fn lines_that_do_not_matter_are_passed_over() {
        let check = |line: &str, expected| assert_eq!(is_plain_memory(line.as_bytes()), expected);
        check("10000-11000 rw-p 00000000 00:00 0 \n", true);
        check("10000-11000 rw-p 00000000 00:00 0 [heap]\n", true);
        check("10000-11000 ---p 00000000 00:00 0 \n", true);
        check("10000-11000 r-xp 00000000 00:00 0 [vdso]\n", false);
        check("10000-11000 rwxp 00000000 00:00 0 \n", false);
        check("10000-11000 r--p 00000000 08:01 7 /x\n", false);
        check("\n", false);
    }

    #[test]
    fn a_hostile_image_is_passed_over() {
        for byte in [0, 0x7f, 0xff] {
            let read = |_: u64, into: &mut [u8]| {
                into.fill(byte);
                into.len()
            };
            let maps = "10000-11000 r-xp 00000000 08:01 7 /x\n";
            let mut images = Images::default();
            images.update(maps.as_bytes(), 0, &read, &|| true).unwrap();
            assert_eq!(images.list, []);
            assert!(images.is_code(0x10fff) && !images.is_code(0x11000));
        }
    }
}
