//! The same answers as a general reader of DWARF gives, on a few hundred addresses of this program.

use super::*;
use crate::names::{
    dwarf::{self, Limits, Outcome},
    elf::Elf,
    image::Bytes,
    inflate,
};
use addr2line::{Context, LookupResult};
use gimli::{EndianSlice, LittleEndian, Section};

/// Functions with files and lines, innermost first; a line without a function is one of its own.
type Chain = Vec<(Option<String>, Option<String>, Option<u32>)>;

const COUNT: u64 = 300;

#[test]
fn another_reader_says_the_same() {
    let elf = Elf::read(open_file("/proc/self/exe").unwrap()).unwrap();
    let text = elf.section(".text").unwrap();
    let step = text.size / COUNT;
    // Odd strides hit functions at all kinds of places.
    let addresses: Vec<u64> = (0..COUNT)
        .map(|n| text.address + n * step + n % 61)
        .collect();
    let sections = Sections::read(&elf);
    let context = sections.context();
    let limits = Limits {
        ns: u64::MAX,
        bytes: u64::MAX,
    };
    let section = |name: &str| inflate::section(&elf, name);
    let (outcome, places) = dwarf::read(&elf, &section, &addresses, limits, &|| true);
    assert_eq!(outcome, Outcome::Done);
    let known = places
        .iter()
        .flatten()
        .filter(|place| !place.steps.is_empty());
    let known = known.count();
    assert!(known > 150, "{known}");
    for (address, place) in addresses.iter().zip(places) {
        let ours: Chain = place.map_or_else(Vec::new, |place| {
            let text = |text: Option<std::sync::Arc<str>>| text.map(|text| text.to_string());
            let (file, line) = (text(place.file), place.line);
            let steps = place.steps.into_iter();
            let steps: Chain = steps
                .map(|step| (text(step.name), text(step.file), step.line))
                .collect();
            match steps.is_empty() && file.is_some() {
                true => vec![(None, file, line)],
                false => steps,
            }
        });
        assert_eq!(ours, theirs(&context, *address), "{address:#x}");
    }
}

/// Sections as the other reader wants them: whole, in memory.
struct Sections(Vec<(&'static str, Bytes)>);

impl Sections {
    fn read(elf: &Elf) -> Self {
        let names = [
            ".debug_abbrev",
            ".debug_addr",
            ".debug_aranges",
            ".debug_info",
            ".debug_line",
            ".debug_line_str",
            ".debug_ranges",
            ".debug_rnglists",
            ".debug_str",
            ".debug_str_offsets",
        ];
        let read = |name: &'static str| {
            let data = inflate::section(elf, name);
            (name, data.bytes(0, data.length()).unwrap())
        };
        Self(names.into_iter().map(read).collect())
    }

    fn get<'a, S: Section<EndianSlice<'a, LittleEndian>>>(&'a self) -> S {
        let found = self.0.iter().find(|(name, _)| *name == S::section_name());
        let bytes = found.map_or(&[][..], |(_, bytes)| &bytes[..]);
        S::from(EndianSlice::new(bytes, LittleEndian))
    }

    fn context(&self) -> Context<EndianSlice<'_, LittleEndian>> {
        let context = Context::from_sections(
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            self.get(),
            EndianSlice::new(&[], LittleEndian),
        );
        context.unwrap()
    }
}

fn theirs(context: &Context<EndianSlice<'_, LittleEndian>>, address: u64) -> Chain {
    let LookupResult::Output(frames) = context.find_frames(address) else {
        panic!("no split DWARF here");
    };
    let mut frames = frames.unwrap();
    let mut chain = Vec::new();
    while let Some(frame) = frames.next().unwrap() {
        let name = frame
            .function
            .map(|function| function.raw_name().unwrap().into_owned());
        let place = frame.location.as_ref();
        let file = place.and_then(|place| place.file).map(str::to_owned);
        let line = place.and_then(|place| place.line).filter(|line| *line != 0);
        chain.push((name, file, line));
    }
    chain
}
