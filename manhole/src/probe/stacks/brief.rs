//! The row of `.eh_frame` for an address, found with little: no allocation, and few words of stack.
//!
//! For what runs inside the host's allocations, on whatever is left of a thread's stack. gimli's own table of
//! rows takes 20 KiB; here only the registers that a walk follows are kept. Rows with expressions are
//! left out: in code that allocates there are none but those of signal handlers.

use super::{
    machine::Machine,
    rows::Sections,
    rules::{Cfa, Place, Rules},
};
use gimli::{
    CallFrameInstruction, CallFrameInstructionIter, EhFrame, EhFrameOffset, EndianSlice,
    LittleEndian, Register, UnwindSection,
};

/// Rows that may be remembered at a time; compilers remember one.
const REMEMBERED: usize = 4;

/// What is followed of a row. A register that nothing was said of has none.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    cfa: Option<Cfa>,
    fp: Option<Place>,
    ra: Option<Place>,
}

/// Executes the instructions of one function up to an address.
struct Program {
    machine: Machine,
    code_factor: u64,
    data_factor: i64,
    /// Where the row begins that is being made.
    at: u64,
    row: Row,
    initial: Row,
    remembered: [Row; REMEMBERED],
    depth: usize,
}

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

impl Sections<'_> {
    /// What [`Sections::rules`] finds, but for rows with expressions, where this finds nothing.
    pub(super) fn brief(&self, machine: Machine, address: u64) -> Option<Rules> {
        let offset = EhFrameOffset(self.find(address)?);
        let (bases, section) = (self.bases(), self.section(machine));
        let fde = section
            .fde_from_offset(&bases, offset, EhFrame::cie_from_offset)
            .ok()?;
        if !fde.contains(address) {
            return None;
        }
        let cie = fde.cie();
        let mut program = Program {
            machine,
            code_factor: cie.code_alignment_factor(),
            data_factor: cie.data_alignment_factor(),
            at: fde.initial_address(),
            row: Row::default(),
            initial: Row::default(),
            remembered: [Row::default(); REMEMBERED],
            depth: 0,
        };
        program.run(cie.instructions(&section, &bases), u64::MAX)?;
        (program.initial, program.at) = (program.row, fde.initial_address());
        program.run(fde.instructions(&section, &bases), address)?;
        let Row { cfa, fp, ra } = program.row;
        let (encoding, signal) = (cie.encoding(), fde.is_signal_trampoline());
        Some(Rules::new(machine, cfa?, fp, ra, encoding, signal))
    }
}

impl Program {
    /// Executes until the row that holds for `address` is complete.
    fn run(
        &mut self,
        mut code: CallFrameInstructionIter<'_, Bytes<'_>>,
        address: u64,
    ) -> Option<()> {
        use CallFrameInstruction as I;
        while let Some(instruction) = code.next().ok()? {
            match instruction {
                I::SetLoc { address: at } if at < self.at => return None,
                I::SetLoc { address: at } => self.at = at,
                I::AdvanceLoc { delta } => {
                    let delta = u64::from(delta).wrapping_mul(self.code_factor);
                    self.at = self.at.checked_add(delta)?;
                }
                I::DefCfa { register, offset } => self.cfa(register, offset as i64)?,
                I::DefCfaSf {
                    register,
                    factored_offset,
                } => self.cfa(register, self.data(factored_offset))?,
                I::DefCfaRegister { register } => {
                    let (Cfa::Sp(offset) | Cfa::Fp(offset)) = self.row.cfa? else {
                        return None;
                    };
                    self.cfa(register, offset)?;
                }
                I::DefCfaOffset { offset } => self.cfa_offset(offset as i64)?,
                I::DefCfaOffsetSf { factored_offset } => {
                    self.cfa_offset(self.data(factored_offset))?;
                }
                I::DefCfaExpression { .. } => self.row.cfa = None,
                I::Undefined { register } => self.set(register, Some(Place::Gone)),
                I::SameValue { register } => self.set(register, Some(Place::Kept)),
                I::Offset {
                    register,
                    factored_offset,
                } => self.set(register, Some(Place::At(self.data(factored_offset as i64)))),
                I::OffsetExtendedSf {
                    register,
                    factored_offset,
                } => self.set(register, Some(Place::At(self.data(factored_offset)))),
                I::Restore { register } => {
                    let initial = match register == self.machine.fp {
                        true => self.initial.fp,
                        false => self.initial.ra,
                    };
                    self.set(register, initial);
                }
                I::RememberState => {
                    *self.remembered.get_mut(self.depth)? = self.row;
                    self.depth += 1;
                }
                I::RestoreState => {
                    self.depth = self.depth.checked_sub(1)?;
                    self.row = *self.remembered.get(self.depth)?;
                }
                // Of these only what concerns a register that is followed is a way that is not known here.
                I::ValOffset { register, .. }
                | I::ValOffsetSf { register, .. }
                | I::Expression { register, .. }
                | I::ValExpression { register, .. }
                | I::Register {
                    dest_register: register,
                    ..
                } => {
                    if self.of(register).is_some() {
                        return None;
                    }
                }
                I::ArgsSize { .. } | I::NegateRaState | I::Nop => {}
            }
            if self.at > address {
                return Some(());
            }
        }
        Some(())
    }

    fn data(&self, factored: i64) -> i64 {
        factored.wrapping_mul(self.data_factor)
    }

    fn cfa(&mut self, register: Register, offset: i64) -> Option<()> {
        self.row.cfa = Some(match register {
            _ if register == self.machine.sp => Cfa::Sp(offset),
            _ if register == self.machine.fp => Cfa::Fp(offset),
            _ => return None,
        });
        Some(())
    }

    fn cfa_offset(&mut self, offset: i64) -> Option<()> {
        let register = match self.row.cfa? {
            Cfa::Sp(_) => self.machine.sp,
            Cfa::Fp(_) => self.machine.fp,
            Cfa::Expression(_) => return None,
        };
        self.cfa(register, offset)
    }

    fn of(&mut self, register: Register) -> Option<&mut Option<Place>> {
        match register {
            _ if register == self.machine.fp => Some(&mut self.row.fp),
            _ if register == self.machine.ra => Some(&mut self.row.ra),
            _ => None,
        }
    }

    fn set(&mut self, register: Register, to: Option<Place>) {
        if let Some(place) = self.of(register) {
            *place = to;
        }
    }
}
