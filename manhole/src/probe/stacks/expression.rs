//! DWARF expressions in unwind information: few rows have them, and they are tiny programs that
//! read registers and memory.

use super::rules::Step;
use gimli::{
    EhFrame, Encoding, EndianSlice, Evaluation, EvaluationResult, LittleEndian, Location, Register,
    UnwindExpression, Value,
};

/// Operations that one may take; compilers write a handful, and a loop must end.
const MOST_OPERATIONS: u32 = 256;

/// What an expression may look at.
pub(super) trait Surroundings {
    /// The value of a register, if it is known.
    fn register(&self, register: Register) -> Option<u64>;
    /// The word at an address of the stack.
    fn read(&mut self, address: u64) -> Result<u64, Step>;
}

/// The value of an expression, whose own stack begins with `first`.
pub(super) fn evaluate(
    section: &EhFrame<EndianSlice<'_, LittleEndian>>,
    encoding: Encoding,
    expression: UnwindExpression<usize>,
    first: Option<u64>,
    around: &mut dyn Surroundings,
) -> Result<u64, Step> {
    let code = expression.get(section).map_err(|_| Step::Wrong)?;
    let mut evaluation = Evaluation::new(code.0, encoding);
    evaluation.set_max_iterations(MOST_OPERATIONS);
    if let Some(first) = first {
        evaluation.set_initial_value(first);
    }
    let mut result = evaluation.evaluate();
    loop {
        result = match result.map_err(|_| Step::Wrong)? {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let value = around.register(register).ok_or(Step::Wrong)?;
                evaluation.resume_with_register(Value::Generic(value))
            }
            #[rustfmt::skip]
            EvaluationResult::RequiresMemory { address, size: 8, .. } => {
                evaluation.resume_with_memory(Value::Generic(around.read(address)?))
            },
            _ => return Err(Step::Wrong),
        };
    }
    match evaluation.as_result().last().map(|piece| &piece.location) {
        Some(Location::Address { address }) => Ok(*address),
        _ => Err(Step::Wrong),
    }
}
