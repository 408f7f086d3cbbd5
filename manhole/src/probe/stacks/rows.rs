//! The rows of `.eh_frame`: which rules hold at an address.
//!
//! Pure, over bytes that may be anything: the index is checked here before gimli sees it, whose sums
//! assume one that a linker wrote.

use super::{machine::Machine, rules::Rules};
use gimli::{
    BaseAddresses, EhFrame, EhFrameHdr, EhFrameOffset, EndianSlice, LittleEndian, UnwindContext,
    UnwindSection,
};

/// What linkers write, and all that is understood: offsets of four bytes, the table's from its start.
const START: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
/// Bytes of `.eh_frame_hdr` before its table, and of each entry of that.
const HEAD: usize = 12;
const ENTRY: usize = 8;

/// The unwind information of an image: `.eh_frame` and the index to it.
#[derive(Clone, Debug)]
pub(super) struct Sections<'a> {
    /// `.eh_frame_hdr`.
    pub index: &'a [u8],
    /// Its address in the file's headers.
    pub index_at: u64,
    /// `.eh_frame`, and perhaps what stands behind it.
    pub frames: &'a [u8],
    /// Its address in the file's headers.
    pub frames_at: u64,
}

/// Where `.eh_frame` begins, by the address of `.eh_frame_hdr` and its first eight bytes.
pub(super) fn frames_start(index: &[u8], index_at: u64) -> Option<u64> {
    let (kind, rest) = index.split_first_chunk::<4>()?;
    let offset = i32::from_le_bytes(*rest.first_chunk()?);
    let from = index_at.checked_add(4)?;
    (*kind == START).then(|| from.checked_add_signed(offset.into()))?
}

impl<'a> Sections<'a> {
    /// The rules for `address` (of the file's headers); `None` for code without a row.
    pub(super) fn rules(
        &self,
        machine: Machine,
        address: u64,
        context: &mut UnwindContext<usize>,
    ) -> Option<Rules> {
        let offset = EhFrameOffset(self.find(address)?);
        let (bases, section) = (self.bases(), self.section(machine));
        let cie = EhFrame::cie_from_offset;
        let fde = section.fde_from_offset(&bases, offset, cie).ok()?;
        if !fde.contains(address) {
            return None;
        }
        let row = fde.unwind_info_for_address(&section, &bases, context, address);
        let (encoding, signal) = (fde.cie().encoding(), fde.is_signal_trampoline());
        Rules::compile(machine, row.ok()?, encoding, signal)
    }

    /// The extent of the function that has a row for `address`.
    #[cfg(test)]
    pub(super) fn function(&self, machine: Machine, address: u64) -> Option<std::ops::Range<u64>> {
        let (bases, offset) = (self.bases(), EhFrameOffset(self.find(address)?));
        let section = self.section(machine);
        let fde = section.fde_from_offset(&bases, offset, EhFrame::cie_from_offset);
        let fde = fde.ok()?;
        Some(fde.initial_address()..fde.end_address())
    }

    /// The offset in `.eh_frame` of what may cover `address`.
    pub(super) fn find(&self, address: u64) -> Option<usize> {
        let start = frames_start(self.index, self.index_at)?;
        let count = u32::from_le_bytes(*self.index.get(8..HEAD)?.first_chunk()?);
        let table = usize::try_from(count).ok()?.checked_mul(ENTRY)?;
        if count == 0 || table > self.index.len() - HEAD || start != self.frames_at {
            return None;
        }
        let bases = self.bases();
        let index = EhFrameHdr::new(self.index, LittleEndian);
        let index = index.parse(&bases, 8).ok()?;
        let entry = index.table()?.lookup(address, &bases).ok()?;
        let offset = usize::try_from(entry.direct().ok()?.checked_sub(start)?).ok()?;
        (offset < self.frames.len()).then_some(offset)
    }

    pub(super) fn bases(&self) -> BaseAddresses {
        BaseAddresses::default()
            .set_eh_frame_hdr(self.index_at)
            .set_eh_frame(self.frames_at)
    }

    /// The section as gimli reads it.
    pub(super) fn section(&self, machine: Machine) -> EhFrame<EndianSlice<'a, LittleEndian>> {
        let mut section = EhFrame::new(self.frames, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(machine.vendor);
        section
    }
}
