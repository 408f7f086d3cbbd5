//! The registers of a frame, and what a machine does with them.

use gimli::{Register, Vendor};

/// Which registers have which part on a machine, and what is peculiar to its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    pub sp: Register,
    pub fp: Register,
    pub ra: Register,
    pub vendor: Vendor,
    /// Whether calls leave the return address in a register rather than on the stack.
    pub links: bool,
}

impl Machine {
    pub(super) const X86_64: Self = Self {
        sp: gimli::X86_64::RSP,
        fp: gimli::X86_64::RBP,
        ra: gimli::X86_64::RA,
        vendor: Vendor::Default,
        links: false,
    };
    pub(super) const AARCH64: Self = Self {
        sp: gimli::AArch64::SP,
        fp: gimli::AArch64::X29,
        ra: gimli::AArch64::X30,
        vendor: Vendor::AArch64,
        links: true,
    };
    pub(super) const NATIVE: Self = match cfg!(target_arch = "aarch64") {
        true => Self::AARCH64,
        false => Self::X86_64,
    };
}

/// The registers of a frame, as far as they are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Where it is; of a caller, its return address.
    pub pc: u64,
    /// Its stack pointer.
    pub sp: u64,
    /// Its frame pointer.
    pub fp: u64,
    /// Its link register, on machines that have one.
    pub lr: u64,
    /// Whether `pc` is the next instruction to be executed, and not a return address.
    pub exact: bool,
}

impl Cursor {
    /// The address to look up: within the call rather than behind it, where another function may
    /// begin.
    pub(super) fn address(&self) -> u64 {
        match self.exact {
            true => self.pc,
            false => self.pc.saturating_sub(1),
        }
    }
}
