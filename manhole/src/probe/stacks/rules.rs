//! One step from a frame to its caller, by a row of `.eh_frame` (DWARF call frame information).
//!
//! Pure: the stack is a closure that reads a word or refuses. A row is compiled into [`Rules`], which
//! the walk keeps by address; only those that are expressions go back to the section. What a row says
//! is believed only as far as a step can check it: the stack is left upwards, expressions end, and a
//! read outside the copy ends the walk.

use super::{
    expression::{self, Surroundings},
    machine::{Cursor, Machine},
    rows::Sections,
};
use gimli::{CfaRule, Encoding, Register, RegisterRule, UnwindExpression, UnwindTableRow};

/// How a frame's caller is found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    cfa: Cfa,
    fp: Place,
    ra: Place,
    encoding: Encoding,
    /// The frame was made by the kernel: what is above it was interrupted and did not call.
    signal: bool,
}

/// The canonical frame address: the stack pointer before the call.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cfa {
    Sp(i64),
    Fp(i64),
    Expression(UnwindExpression<usize>),
}

/// Where the caller's value of a register is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Kept,
    Gone,
    At(i64),
    Is(i64),
    Read(UnwindExpression<usize>),
    Value(UnwindExpression<usize>),
}

/// Where a step led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To the caller.
    Caller(Cursor),
    /// Nowhere: this is the thread's first function.
    Root,
    /// The stack could not be read at this address.
    Unreadable(u64),
    /// Nowhere: the row is wrong here.
    Wrong,
}

impl Rules {
    /// `None` for a row that speaks of registers that are not followed.
    pub(super) fn compile(
        machine: Machine,
        row: &UnwindTableRow<usize>,
        encoding: Encoding,
        signal: bool,
    ) -> Option<Self> {
        let cfa = match *row.cfa() {
            CfaRule::Expression(expression) => Cfa::Expression(expression),
            CfaRule::RegisterAndOffset { register, offset } => match register {
                _ if register == machine.sp => Cfa::Sp(offset),
                _ if register == machine.fp => Cfa::Fp(offset),
                _ => return None,
            },
        };
        let fp = row.register(machine.fp).map(Place::of);
        let ra = row.register(machine.ra).map(Place::of);
        if [fp, ra].contains(&Some(None)) {
            return None;
        }
        let (fp, ra) = (fp.flatten(), ra.flatten());
        Some(Self::new(machine, cfa, fp, ra, encoding, signal))
    }

    /// `None` for a register that nothing is said of.
    pub(super) fn new(
        machine: Machine,
        cfa: Cfa,
        fp: Option<Place>,
        ra: Option<Place>,
        encoding: Encoding,
        signal: bool,
    ) -> Self {
        // Where calls leave it in a register, a row says nothing as long as it is there.
        let unsaid = match machine.links {
            true => Place::Kept,
            false => Place::Gone,
        };
        Self {
            cfa,
            fp: fp.unwrap_or(Place::Kept),
            ra: ra.unwrap_or(unsaid),
            encoding,
            signal,
        }
    }

    /// From the frame at `at` to its caller; the row is of `sections`.
    pub(super) fn step(
        &self,
        machine: Machine,
        sections: &Sections<'_>,
        at: &Cursor,
        read: &mut dyn FnMut(u64) -> Option<u64>,
    ) -> Step {
        let mut stepping = Stepping {
            machine,
            sections,
            rules: self,
            at,
            read,
        };
        stepping.caller().unwrap_or_else(|end| end)
    }
}

impl Place {
    fn of(rule: RegisterRule<usize>) -> Option<Self> {
        Some(match rule {
            RegisterRule::Undefined => Self::Gone,
            RegisterRule::SameValue => Self::Kept,
            RegisterRule::Offset(offset) => Self::At(offset),
            RegisterRule::ValOffset(offset) => Self::Is(offset),
            RegisterRule::Expression(expression) => Self::Read(expression),
            RegisterRule::ValExpression(expression) => Self::Value(expression),
            _ => return None,
        })
    }
}

/// A step under way.
struct Stepping<'a> {
    machine: Machine,
    sections: &'a Sections<'a>,
    rules: &'a Rules,
    at: &'a Cursor,
    read: &'a mut dyn FnMut(u64) -> Option<u64>,
}

impl Stepping<'_> {
    fn caller(&mut self) -> Result<Step, Step> {
        match self.rules.ra {
            Place::Gone => return Ok(Step::Root),
            // Only where nothing was called yet does the register still hold the return address.
            Place::Kept if !(self.machine.links && self.at.exact) => return Ok(Step::Wrong),
            _ => {}
        }
        let cfa = match self.rules.cfa {
            Cfa::Sp(offset) => offset_from(self.at.sp, offset)?,
            Cfa::Fp(offset) => offset_from(self.at.fp, offset)?,
            Cfa::Expression(expression) => self.evaluate(expression, None)?,
        };
        self.check(cfa)?;
        let pc = self.value(self.rules.ra, cfa, self.at.lr)?;
        let fp = match self.value(self.rules.fp, cfa, self.at.fp) {
            // At an epilogue the row may still point at a saved register that was popped: it lies
            // below the stack pointer, which the copy begins with, and the register holds it already.
            Err(Step::Unreadable(address)) if self.at.exact && address < self.at.sp => self.at.fp,
            fp => fp?,
        };
        match pc {
            0 => Ok(Step::Root),
            _ => Ok(Step::Caller(Cursor {
                pc,
                sp: cfa,
                fp,
                lr: pc,
                exact: self.rules.signal,
            })),
        }
    }

    /// A stack is left upwards, but where a signal came in on another one.
    fn check(&self, cfa: u64) -> Result<(), Step> {
        let rises = cfa > self.at.sp;
        let leaf = self.machine.links && self.at.exact && cfa == self.at.sp;
        let may = rises || leaf || self.rules.signal;
        (may && cfa & 7 == 0).then_some(()).ok_or(Step::Wrong)
    }

    fn value(&mut self, place: Place, cfa: u64, kept: u64) -> Result<u64, Step> {
        match place {
            Place::Kept => Ok(kept),
            Place::Gone => Ok(0),
            Place::At(offset) => self.read(offset_from(cfa, offset)?),
            Place::Is(offset) => offset_from(cfa, offset),
            Place::Value(expression) => self.evaluate(expression, Some(cfa)),
            Place::Read(expression) => {
                let address = self.evaluate(expression, Some(cfa))?;
                self.read(address)
            }
        }
    }

    fn evaluate(
        &mut self,
        expression: UnwindExpression<usize>,
        first: Option<u64>,
    ) -> Result<u64, Step> {
        let section = self.sections.section(self.machine);
        expression::evaluate(&section, self.rules.encoding, expression, first, self)
    }
}

impl Surroundings for Stepping<'_> {
    fn register(&self, register: Register) -> Option<u64> {
        let (machine, at) = (self.machine, self.at);
        match register {
            _ if register == machine.sp => Some(at.sp),
            _ if register == machine.fp => Some(at.fp),
            _ if register == machine.ra && machine.links => Some(at.lr),
            _ if register == machine.ra => Some(at.pc),
            _ => None,
        }
    }

    fn read(&mut self, address: u64) -> Result<u64, Step> {
        (self.read)(address).ok_or(Step::Unreadable(address))
    }
}

fn offset_from(base: u64, offset: i64) -> Result<u64, Step> {
    base.checked_add_signed(offset).ok_or(Step::Wrong)
}

mod packed;
#[cfg(test)]
mod tests;
