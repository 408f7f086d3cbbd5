//! The system call that a thread is blocked in: from its registers, else from its file `syscall`.
//!
//! A handler runs between the call and its restart. If the kernel will make the call again, the
//! program counter is back at the instruction and the number back in its register; if the call ended
//! with EINTR, that is in the register instead, and the number is usually in the code before it.

use super::{
    instructions::{self, AROUND, SystemCall},
    modules::Read,
};
use crate::{model::stack::Call, sys::stacks::Registers};
use nix::libc;
use std::collections::BTreeMap;

/// Program counters whose instructions are kept: threads wait in few places.
const MOST: usize = 1024;
const INTERRUPTED: u64 = (-(libc::EINTR as i64)) as u64;

/// Finds calls of threads, and remembers where calls are made.
#[derive(Default)]
pub(in crate::probe) struct Calls {
    known: BTreeMap<u64, Option<SystemCall>>,
}

impl Calls {
    /// The call that a thread with these registers is blocked in; `None` when it is in none.
    pub(in crate::probe) fn of_registers(
        &mut self,
        registers: &Registers,
        read: Read<'_>,
    ) -> Option<Call> {
        let at = self.at(registers.pc, read)?;
        of_registers(registers, at)
    }

    /// The number of the call that a thread with this program counter has just come back from, as far as
    /// the code says; `None` when it has made none.
    pub(in crate::probe) fn behind(&mut self, pc: u64, read: Read<'_>) -> Option<Option<i64>> {
        match self.at(pc, read)? {
            SystemCall::Behind(loaded) => Some(loaded.map(i64::from)),
            SystemCall::Ahead => None,
        }
    }

    fn at(&mut self, pc: u64, read: Read<'_>) -> Option<SystemCall> {
        if let Some(known) = self.known.get(&pc) {
            return *known;
        }
        let (before, from) = AROUND;
        let mut code = [0; AROUND.0 + AROUND.1];
        let known = read(pc.checked_sub(before as u64)?, &mut code);
        let code = code.get(..known)?.split_at_checked(before);
        let found = code.and_then(|(before, behind)| {
            instructions::system_call(before, behind.get(..from).unwrap_or(behind))
        });
        if self.known.len() < MOST {
            self.known.insert(pc, found);
        }
        found
    }
}

fn of_registers(registers: &Registers, at: SystemCall) -> Option<Call> {
    let [number, arguments @ ..] = registers.call;
    // Where the result comes back in: the number's register on x86_64, the first argument's else.
    let result = match cfg!(target_arch = "aarch64") {
        true => arguments.first().copied().unwrap_or(0),
        false => number,
    };
    let kept = i64::try_from(number).ok();
    let number = match at {
        SystemCall::Ahead => kept,
        SystemCall::Behind(_) if result != INTERRUPTED => return None,
        SystemCall::Behind(_) if cfg!(target_arch = "aarch64") => kept,
        SystemCall::Behind(loaded) => loaded.map(i64::from),
    };
    Some(Call {
        number,
        arguments,
        on: None,
    })
}

/// From a line of `syscall`: `202 0x7f00 0x80 0x2 0x0 0x0 0xffffffff 0x7ffe 0x7f4e`. `None` for a
/// thread that runs, or is blocked outside system calls.
pub(in crate::probe) fn of_line(line: &str) -> Option<Call> {
    let mut words = line.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    }
    (number >= 0).then_some(Call {
        number: Some(number),
        arguments,
        on: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: Option<i64>, first: u64) -> Option<Call> {
        Some(Call {
            number,
            arguments: [first, 2, 3, 4, 5, 6],
            on: None,
        })
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn registers_tell_the_call() {
        let check = |result: u64, at: SystemCall, expected: Option<Call>| {
            let registers = Registers {
                call: [result, 1, 2, 3, 4, 5, 6],
                ..Registers::default()
            };
            assert_eq!(of_registers(&registers, at), expected, "{at:?}");
        };
        check(202, SystemCall::Ahead, call(Some(202), 1));
        let ended = SystemCall::Behind(Some(232));
        check(INTERRUPTED, ended, call(Some(232), 1));
        check(INTERRUPTED, SystemCall::Behind(None), call(None, 1));
        check(0, ended, None);
        check(u64::MAX, ended, None);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_code_around_the_program_counter_is_read_once() {
        let reads = std::cell::Cell::new(0);
        let read = |_: u64, into: &mut [u8]| {
            reads.set(reads.get() + 1);
            let code = [0xb8, 232, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90, 0x90, 0x90];
            into.copy_from_slice(&code);
            into.len()
        };
        let registers = Registers {
            pc: 0x1000,
            call: [INTERRUPTED, 1, 2, 3, 4, 5, 6],
            ..Registers::default()
        };
        let mut calls = Calls::default();
        for _ in 0..3 {
            let found = calls.of_registers(&registers, &read);
            assert_eq!(found, call(Some(232), 1));
        }
        assert_eq!(reads.get(), 1);
        let nothing = calls.of_registers(&Registers::default(), &read);
        assert_eq!(nothing, None);
    }

    #[test]
    fn lines_tell_the_call() {
        let check = |line: &str, expected: Option<Call>| assert_eq!(of_line(line), expected);
        let line = "202 0x7f00 0x2 0x3 0x4 0x5 0x6 0x7ffe 0x7f4e\n";
        check(line, call(Some(202), 0x7f00));
        check("-1 0x7ffe 0x7f4e\n", None);
        check("running\n", None);
        check("", None);
        check("202 0x7f00", None);
    }
}
