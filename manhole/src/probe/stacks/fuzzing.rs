//! The parsers of this folder, for `manhole/fuzz`: whatever the bytes, they answer and end.

use super::{
    elf::{self, Headers},
    machine::{Cursor, Machine},
    rows::{self, Sections},
    rules::Step,
};
use gimli::UnwindContext;

const INDEX_AT: u64 = 0x1000;
/// Where a stack of 4 KiB begins.
const STACK: u64 = 0x7f00_0000;

/// The beginning of an image, and notes: whether what is found lies within bounds.
pub fn image(data: &[u8]) -> bool {
    let _ = elf::length(data);
    let ids = [4, 8].map(|align| elf::build_id(data, align).unwrap_or_default());
    let is_hex = |id: &String| id.bytes().all(|digit| digit.is_ascii_hexdigit());
    let sound = ids.iter().all(|id| id.len() <= 128 && is_hex(id));
    let Some(headers) = Headers::parse(data) else {
        return sound;
    };
    let extent = headers.extent();
    let _ = headers.first_page(4096);
    let mut rests = [extent.start, extent.end, 0, u64::MAX]
        .into_iter()
        .map(|address| (address, headers.rest_of_segment(address)));
    sound
        && extent.start < extent.end
        && rests.all(|(address, rest)| {
            rest.is_none_or(|rest| rest.start == address && rest.end <= extent.end)
        })
}

/// `.eh_frame_hdr` of the length that the first byte says, and `.eh_frame`: every walk ends.
pub fn rows(data: &[u8]) {
    let Some((length, data)) = data.split_first() else {
        return;
    };
    let Some((index, frames)) = data.split_at_checked(usize::from(*length)) else {
        return;
    };
    let sections = Sections {
        index,
        index_at: INDEX_AT,
        frames,
        frames_at: rows::frames_start(index, INDEX_AT).unwrap_or(0),
    };
    for machine in [Machine::X86_64, Machine::AARCH64] {
        walk(machine, &sections, 0x4000);
    }
}

/// From code at `pc`, on a stack whose words are addresses of that code.
fn walk(machine: Machine, sections: &Sections<'_>, pc: u64) {
    let mut context = UnwindContext::new();
    let mut read = |address: u64| {
        let on = (STACK..STACK + 4096).contains(&address);
        on.then_some(pc + address % 64)
    };
    let mut at = Cursor {
        pc,
        sp: STACK,
        fp: STACK + 64,
        lr: pc + 1,
        exact: true,
    };
    // A stack of 4 KiB that is left upwards has no more frames, but those of signals.
    for _ in 0..1024 {
        let Some(rules) = sections.rules(machine, at.address(), &mut context) else {
            return;
        };
        match rules.step(machine, sections, &at, &mut read) {
            Step::Caller(next) => at = next,
            _ => return,
        }
    }
}
