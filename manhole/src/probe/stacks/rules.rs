//! One step from a frame to its caller, by the rows of `.eh_frame` (DWARF call frame information).
//!
//! Pure: sections are bytes, the stack is a closure that reads a word or refuses. Rows are compiled
//! into [`Rules`], which the walk keeps by address; only rules that are expressions go back to the
//! section. What a row says is believed only as far as a step can check it: the stack is left
//! upwards, expressions end, and a read outside the copy ends the walk.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EhFrameOffset, Encoding, EndianSlice, Evaluation,
    EvaluationResult, Expression, LittleEndian, Location, Register, RegisterRule, UnwindContext,
    UnwindExpression, UnwindSection, UnwindTableRow, Value, Vendor,
};

type Reader<'a> = EndianSlice<'a, LittleEndian>;
type Row = UnwindTableRow<usize>;

/// Operations that an expression may take; compilers write a handful.
const MOST_OPERATIONS: u32 = 256;
/// What linkers write, and all that is understood: offsets of four bytes, the table's from its start.
const HDR_START: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
/// Bytes before the table of `.eh_frame_hdr`, and of each of its entries.
const HDR_HEAD: usize = 12;
const HDR_ENTRY: usize = 8;

/// Which registers have which part on a machine, and what is peculiar to its rows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Machine {
    sp: Register,
    fp: Register,
    ra: Register,
    vendor: Vendor,
    /// Whether calls leave the return address in a register rather than on the stack.
    links: bool,
}

impl Machine {
    pub(crate) const X86_64: Self = Self {
        sp: gimli::X86_64::RSP,
        fp: gimli::X86_64::RBP,
        ra: gimli::X86_64::RA,
        vendor: Vendor::Default,
        links: false,
    };
    pub(crate) const AARCH64: Self = Self {
        sp: gimli::AArch64::SP,
        fp: gimli::AArch64::X29,
        ra: gimli::AArch64::X30,
        vendor: Vendor::AArch64,
        links: true,
    };
    pub(crate) const NATIVE: Self = match cfg!(target_arch = "aarch64") {
        true => Self::AARCH64,
        false => Self::X86_64,
    };
}

/// The registers of a frame, as far as they are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
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
    pub(crate) fn address(&self) -> u64 {
        match self.exact {
            true => self.pc,
            false => self.pc.saturating_sub(1),
        }
    }
}

/// The unwind information of an image: `.eh_frame` and the index to it.
#[derive(Clone, Debug)]
pub(crate) struct Sections<'a> {
    /// `.eh_frame_hdr`.
    pub index: &'a [u8],
    /// Its address in the file's headers.
    pub index_at: u64,
    /// `.eh_frame`, and perhaps what stands behind it.
    pub frames: &'a [u8],
    /// Its address in the file's headers.
    pub frames_at: u64,
}

/// How a frame's caller is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rules {
    cfa: Cfa,
    fp: Place,
    ra: Place,
    encoding: Encoding,
    /// The frame was made by the kernel: what is above it was interrupted and did not call.
    signal: bool,
}

/// The canonical frame address: the stack pointer before the call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cfa {
    Sp(i64),
    Fp(i64),
    Expression(UnwindExpression<usize>),
}

/// Where the caller's value of a register is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Kept,
    Gone,
    At(i64),
    Is(i64),
    Read(UnwindExpression<usize>),
    Value(UnwindExpression<usize>),
}

/// Where a step led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// To the caller.
    Caller(Cursor),
    /// Nowhere: this is the thread's first function.
    Root,
    /// The stack could not be read at this address.
    Unreadable(u64),
    /// Nowhere: the row is wrong here.
    Wrong,
}

/// Where `.eh_frame` begins, by the address of `.eh_frame_hdr` and its first eight bytes.
pub(crate) fn frames_start(index: &[u8], index_at: u64) -> Option<u64> {
    let (kind, rest) = index.split_first_chunk::<4>()?;
    let offset = i32::from_le_bytes(*rest.first_chunk()?);
    let from = index_at.checked_add(4)?;
    (*kind == HDR_START).then(|| from.checked_add_signed(offset.into()))?
}

impl Sections<'_> {
    /// The rules for `address` (of the file's headers); `None` for code without a row.
    pub(crate) fn rules(
        &self,
        machine: Machine,
        address: u64,
        context: &mut UnwindContext<usize>,
    ) -> Option<Rules> {
        let offset = self.find(address)?;
        let bases = self.bases();
        let section = self.section(machine);
        let fde = section
            .fde_from_offset(&bases, EhFrameOffset(offset), EhFrame::cie_from_offset)
            .ok()?;
        if !fde.contains(address) {
            return None;
        }
        let row = fde
            .unwind_info_for_address(&section, &bases, context, address)
            .ok()?;
        Rules::compile(
            machine,
            row,
            fde.cie().encoding(),
            fde.is_signal_trampoline(),
        )
    }

    /// The offset in `.eh_frame` of what may cover `address`. The index is checked before gimli
    /// sees it: its sums assume an index that was written by a linker.
    fn find(&self, address: u64) -> Option<usize> {
        let start = frames_start(self.index, self.index_at)?;
        let count = self.index.get(8..HDR_HEAD)?.first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let table = self.index.get(HDR_HEAD..)?;
        if count == 0 || count.checked_mul(HDR_ENTRY)? > table.len() || start != self.frames_at {
            return None;
        }
        let bases = self.bases();
        let parsed = EhFrameHdr::new(self.index, LittleEndian)
            .parse(&bases, 8)
            .ok()?;
        let entry = parsed
            .table()?
            .lookup(address, &bases)
            .ok()?
            .direct()
            .ok()?;
        let offset = usize::try_from(entry.checked_sub(start)?).ok()?;
        (offset < self.frames.len()).then_some(offset)
    }

    fn bases(&self) -> BaseAddresses {
        BaseAddresses::default()
            .set_eh_frame_hdr(self.index_at)
            .set_eh_frame(self.frames_at)
    }

    fn section(&self, machine: Machine) -> EhFrame<Reader<'_>> {
        let mut section = EhFrame::new(self.frames, LittleEndian);
        section.set_address_size(8);
        section.set_vendor(machine.vendor);
        section
    }

    /// The value of an expression; `cfa` is what the stack begins with, except for the CFA's own.
    fn evaluate(
        &self,
        step: &mut Stepping<'_>,
        expression: UnwindExpression<usize>,
        cfa: Option<u64>,
    ) -> Result<u64, Step> {
        let section = self.section(step.machine);
        let expression: Expression<Reader<'_>> =
            expression.get(&section).map_err(|_| Step::Wrong)?;
        let mut evaluation = Evaluation::new(expression.0, step.rules.encoding);
        evaluation.set_max_iterations(MOST_OPERATIONS);
        if let Some(cfa) = cfa {
            evaluation.set_initial_value(cfa);
        }
        let mut result = evaluation.evaluate();
        loop {
            result = match result.map_err(|_| Step::Wrong)? {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = step.register(register).ok_or(Step::Wrong)?;
                    evaluation.resume_with_register(Value::Generic(value))
                }
                EvaluationResult::RequiresMemory {
                    address, size: 8, ..
                } => evaluation.resume_with_memory(Value::Generic(step.read(address)?)),
                _ => return Err(Step::Wrong),
            };
        }
        match evaluation.as_result().last().map(|piece| &piece.location) {
            Some(Location::Address { address }) => Ok(*address),
            _ => Err(Step::Wrong),
        }
    }

    /// From the frame at `at` to its caller.
    pub(crate) fn step(
        &self,
        machine: Machine,
        rules: &Rules,
        at: &Cursor,
        read: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Step {
        let mut step = Stepping {
            machine,
            rules,
            at,
            read,
        };
        step.caller(self).unwrap_or_else(|end| end)
    }
}

impl Rules {
    fn compile(machine: Machine, row: &Row, encoding: Encoding, signal: bool) -> Option<Self> {
        let cfa = match *row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } if register == machine.sp => {
                Cfa::Sp(offset)
            }
            CfaRule::RegisterAndOffset { register, offset } if register == machine.fp => {
                Cfa::Fp(offset)
            }
            CfaRule::RegisterAndOffset { .. } => return None,
            CfaRule::Expression(expression) => Cfa::Expression(expression),
        };
        Some(Self {
            cfa,
            fp: Place::of(row.register(machine.fp), Place::Kept)?,
            // Where calls leave it in a register, a row says nothing as long as it is there.
            ra: Place::of(
                row.register(machine.ra),
                match machine.links {
                    true => Place::Kept,
                    false => Place::Gone,
                },
            )?,
            encoding,
            signal,
        })
    }
}

impl Place {
    fn of(rule: Option<RegisterRule<usize>>, unsaid: Self) -> Option<Self> {
        Some(match rule {
            None => unsaid,
            Some(RegisterRule::Undefined) => Self::Gone,
            Some(RegisterRule::SameValue) => Self::Kept,
            Some(RegisterRule::Offset(offset)) => Self::At(offset),
            Some(RegisterRule::ValOffset(offset)) => Self::Is(offset),
            Some(RegisterRule::Expression(expression)) => Self::Read(expression),
            Some(RegisterRule::ValExpression(expression)) => Self::Value(expression),
            Some(_) => return None,
        })
    }
}

/// A step under way.
struct Stepping<'a> {
    machine: Machine,
    rules: &'a Rules,
    at: &'a Cursor,
    read: &'a mut dyn FnMut(u64) -> Option<u64>,
}

impl Stepping<'_> {
    fn caller(&mut self, sections: &Sections<'_>) -> Result<Step, Step> {
        let rules = self.rules;
        match rules.ra {
            Place::Gone => return Ok(Step::Root),
            // Only where nothing was called yet does the register still hold the return address.
            Place::Kept if !(self.machine.links && self.at.exact) => return Ok(Step::Wrong),
            _ => {}
        }
        let cfa = match rules.cfa {
            Cfa::Sp(offset) => offset_from(self.at.sp, offset)?,
            Cfa::Fp(offset) => offset_from(self.at.fp, offset)?,
            Cfa::Expression(expression) => sections.evaluate(self, expression, None)?,
        };
        self.check(cfa)?;
        let pc = self.value(sections, rules.ra, cfa, self.at.lr)?;
        // At an epilogue the row may still point at a saved register that was popped: it lies below
        // the stack pointer, which the copy begins with, and the register holds it already.
        let fp = match self.value(sections, rules.fp, cfa, self.at.fp) {
            Err(Step::Unreadable(address)) if self.at.exact && address < self.at.sp => self.at.fp,
            fp => fp?,
        };
        if pc == 0 {
            return Ok(Step::Root);
        }
        let exact = rules.signal;
        Ok(Step::Caller(Cursor {
            pc,
            sp: cfa,
            fp,
            lr: pc,
            exact,
        }))
    }

    /// A stack is left upwards, but where a signal came in on another one.
    fn check(&self, cfa: u64) -> Result<(), Step> {
        let rises = cfa > self.at.sp;
        let leaf = self.machine.links && self.at.exact && cfa == self.at.sp;
        let may = rises || leaf || self.rules.signal;
        (may && cfa & 7 == 0).then_some(()).ok_or(Step::Wrong)
    }

    fn value(
        &mut self,
        sections: &Sections<'_>,
        place: Place,
        cfa: u64,
        kept: u64,
    ) -> Result<u64, Step> {
        match place {
            Place::Kept => Ok(kept),
            Place::Gone => Ok(0),
            Place::At(offset) => self.read(offset_from(cfa, offset)?),
            Place::Is(offset) => offset_from(cfa, offset),
            Place::Read(expression) => {
                let address = sections.evaluate(self, expression, Some(cfa))?;
                self.read(address)
            }
            Place::Value(expression) => sections.evaluate(self, expression, Some(cfa)),
        }
    }

    fn read(&mut self, address: u64) -> Result<u64, Step> {
        (self.read)(address).ok_or(Step::Unreadable(address))
    }

    fn register(&self, register: Register) -> Option<u64> {
        let Machine {
            sp, fp, ra, links, ..
        } = self.machine;
        match register {
            _ if register == sp => Some(self.at.sp),
            _ if register == fp => Some(self.at.fp),
            _ if register == ra && links => Some(self.at.lr),
            _ if register == ra => Some(self.at.pc),
            _ => None,
        }
    }
}

fn offset_from(base: u64, offset: i64) -> Result<u64, Step> {
    base.checked_add_signed(offset).ok_or(Step::Wrong)
}
