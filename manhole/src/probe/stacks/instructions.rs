//! The few machine instructions that tell something about a stack: calls, system calls, the return
//! from a signal handler. Pure; both machines are compiled everywhere, so that both are tested.

/// The longest call instruction of x86_64 that compilers write, prefixes left out.
pub(super) const LONGEST_CALL: usize = 7;
/// Bytes that [`returns_from_signal`] looks at.
pub(super) const SIGNAL_RETURN: usize = 9;

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To this address.
    Direct(u64),
    /// Through a register or memory.
    Indirect,
}

/// The call that ends right before `pc`, if one does; `before` are the bytes that end there.
pub(super) fn call_before(pc: u64, before: &[u8]) -> Option<Target> {
    match cfg!(target_arch = "aarch64") {
        true => call_before_aarch64(pc, before),
        false => call_before_x86_64(pc, before),
    }
}

fn call_before_x86_64(pc: u64, before: &[u8]) -> Option<Target> {
    // Seven bytes, zeros in front where fewer are known.
    let mut last = [0; LONGEST_CALL];
    let known = before.len().min(LONGEST_CALL);
    let from = last.get_mut(LONGEST_CALL - known..)?;
    from.copy_from_slice(before.get(before.len() - known..)?);
    let [a, b, c, d, e, f, g] = last;
    if c == 0xe8 {
        let offset = i32::from_le_bytes([d, e, f, g]);
        return Some(Target::Direct(pc.wrapping_add_signed(offset.into())));
    }
    // FF /2: the byte behind it says how the operand is addressed, and with that how long it is.
    let ends = [(a, b, 7), (b, c, 6), (d, e, 4), (e, f, 3), (f, g, 2)];
    let sib = [(7, c), (3, g)];
    let fits = |&(opcode, operand, length): &(u8, u8, usize)| {
        let base = sib.iter().find(|(of, _)| *of == length);
        opcode == 0xff && length_of(operand, base.map_or(0, |(_, sib)| *sib)) == Some(length)
    };
    ends.iter().any(fits).then_some(Target::Indirect)
}

/// The length of `FF /2` with this operand byte; `sib` is the byte after it.
fn length_of(operand: u8, sib: u8) -> Option<usize> {
    let (mode, kind, register) = (operand >> 6, (operand >> 3) & 7, operand & 7);
    let length = match (mode, register) {
        (3, _) => 2,
        (0, 5) => 6,
        (0, 4) if sib & 7 == 5 => 7,
        (0, 4) => 3,
        (0, _) => 2,
        (1, 4) => 4,
        (1, _) => 3,
        (_, 4) => 7,
        _ => 6,
    };
    (kind == 2).then_some(length)
}

fn call_before_aarch64(pc: u64, before: &[u8]) -> Option<Target> {
    let word = u32::from_le_bytes(*before.last_chunk()?);
    if word & 0xfc00_0000 == 0x9400_0000 {
        // BL: 26 bits, signed, in instructions.
        let offset = i64::from((word << 6) as i32 >> 6) * 4;
        let from = pc.wrapping_sub(4);
        return Some(Target::Direct(from.wrapping_add_signed(offset)));
    }
    let plain = word & 0xffff_fc1f == 0xd63f_0000;
    let signed = word & 0xfeff_f800 == 0xd63f_0800;
    (plain || signed).then_some(Target::Indirect)
}

/// A system call instruction next to a program counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SystemCall {
    /// It is the next instruction: a call that the kernel will make again.
    Ahead,
    /// It was the last one; with the number that was loaded right before it, if it was.
    Behind(Option<u32>),
}

/// Bytes around the program counter that [`system_call`] looks at: before it, and from it on.
pub(super) const AROUND: (usize, usize) = (7, 4);

/// The system call instruction at or right before a program counter.
pub(super) fn system_call(before: &[u8], from: &[u8]) -> Option<SystemCall> {
    match cfg!(target_arch = "aarch64") {
        true => system_call_aarch64(before, from),
        false => system_call_x86_64(before, from),
    }
}

fn system_call_x86_64(before: &[u8], from: &[u8]) -> Option<SystemCall> {
    const SYSCALL: [u8; 2] = [0x0f, 0x05];
    if from.starts_with(&SYSCALL) {
        return Some(SystemCall::Ahead);
    }
    let number = before.strip_suffix(&SYSCALL)?;
    // mov eax, imm32
    let loaded = number.last_chunk::<5>().and_then(|code| match *code {
        [0xb8, a, b, c, d] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    });
    Some(SystemCall::Behind(loaded))
}

fn system_call_aarch64(before: &[u8], from: &[u8]) -> Option<SystemCall> {
    const SVC: [u8; 4] = 0xd400_0001_u32.to_le_bytes();
    match (from.starts_with(&SVC), before.ends_with(&SVC)) {
        (true, _) => Some(SystemCall::Ahead),
        (_, true) => Some(SystemCall::Behind(None)),
        _ => None,
    }
}

/// Where the registers of the interrupted code are, from the stack pointer that a signal handler
/// returns with: the kernel's `ucontext`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interrupted {
    pub pc: u64,
    pub sp: u64,
    pub fp: u64,
    /// `None` on machines without a link register.
    pub lr: Option<u64>,
}

/// Offsets if the code that a handler returns to is the return from a signal.
pub(super) fn returns_from_signal(code: &[u8]) -> Option<Interrupted> {
    match cfg!(target_arch = "aarch64") {
        true => returns_from_signal_aarch64(code),
        false => returns_from_signal_x86_64(code),
    }
}

fn returns_from_signal_x86_64(code: &[u8]) -> Option<Interrupted> {
    // mov rax, 15; syscall. On the stack: ucontext, with the registers from byte 40 on.
    let returns = code.starts_with(&[0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05]);
    returns.then_some(Interrupted {
        pc: 168,
        sp: 160,
        fp: 120,
        lr: None,
    })
}

fn returns_from_signal_aarch64(code: &[u8]) -> Option<Interrupted> {
    // mov x8, #139; svc #0. On the stack: siginfo of 128 bytes, then ucontext, whose registers begin
    // at byte 184.
    let words = [0xd280_1168_u32, 0xd400_0001].map(u32::to_le_bytes);
    let returns = code.starts_with(words.as_flattened());
    let register = |number: u64| 128 + 184 + 8 * number;
    returns.then_some(Interrupted {
        pc: register(32),
        sp: register(31),
        fp: register(29),
        lr: Some(register(30)),
    })
}

/// The bits of a pointer that are address on aarch64, where the others may hold a signature: those
/// of the highest address that is mapped.
pub(super) fn address_bits(highest: u64) -> u64 {
    u64::MAX
        .checked_shr(highest.leading_zeros())
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_x86_64_are_known_in_all_their_forms() {
        let check = |code: &[u8], expected: Option<Target>| {
            let mut before = vec![0x90; 9];
            before.extend(code);
            assert_eq!(call_before_x86_64(0x1000, &before), expected, "{code:02x?}");
        };
        let indirect = Some(Target::Indirect);
        check(&[0xe8, 0x10, 0, 0, 0], Some(Target::Direct(0x1010)));
        check(&[0xe8, 0xf0, 0xff, 0xff, 0xff], Some(Target::Direct(0xff0)));
        check(&[0xff, 0xd0], indirect); // call rax
        check(&[0x41, 0xff, 0xd7], indirect); // call r15
        check(&[0xff, 0x13], indirect); // call [rbx]
        check(&[0xff, 0x14, 0x24], indirect); // call [rsp]
        check(&[0xff, 0x14, 0xc5, 0, 0, 0, 0], indirect); // call [rax*8+0]
        check(&[0xff, 0x50, 0x18], indirect); // call [rax+24]
        check(&[0xff, 0x54, 0x24, 0x08], indirect); // call [rsp+8]
        check(&[0xff, 0x90, 0, 1, 0, 0], indirect); // call [rax+256]
        check(&[0xff, 0x94, 0x24, 0, 1, 0, 0], indirect); // call [rsp+256]
        check(&[0xff, 0x15, 1, 2, 3, 4], indirect); // call [rip+...]
        check(&[0xff, 0xe0], None); // jmp rax
        check(&[0xff, 0x25, 1, 2, 3, 4], None); // jmp [rip+...]
        check(&[0xff, 0x15, 1, 2], None);
        check(&[0xff, 0x10, 0x18], None); // call [rax], and a byte
        check(&[0xc3], None);
        assert_eq!(call_before_x86_64(0x1000, &[0xff, 0xd0]), indirect);
        assert_eq!(call_before_x86_64(0x1000, &[]), None);
    }

    #[test]
    fn calls_of_aarch64_are_known() {
        let check = |word: u32, expected: Option<Target>| {
            assert_eq!(call_before_aarch64(0x1000, &word.to_le_bytes()), expected);
        };
        check(0x9400_0004, Some(Target::Direct(0x100c))); // bl +16
        check(0x97ff_ffff, Some(Target::Direct(0xff8))); // bl -4
        check(0xd63f_0100, Some(Target::Indirect)); // blr x8
        check(0xd63f_081f, Some(Target::Indirect)); // blraaz x0
        check(0xd73f_0a1f, Some(Target::Indirect)); // blraa x16, sp
        check(0xd61f_0100, None); // br x8
        check(0xd65f_03c0, None); // ret
        check(0x1400_0004, None); // b +16
        assert_eq!(call_before_aarch64(0x1000, &[0, 0, 0]), None);
    }

    #[test]
    fn system_calls_are_ahead_or_behind() {
        let nops = [0x90; 4];
        let check = |before: &[u8], from: &[u8], expected: Option<SystemCall>| {
            assert_eq!(system_call_x86_64(before, from), expected);
        };
        check(
            &[0xb8, 202, 0, 0, 0],
            &[0x0f, 0x05, 0x90],
            Some(SystemCall::Ahead),
        );
        let loaded = [0xb8, 232, 0, 0, 0, 0x0f, 0x05];
        check(&loaded, &nops, Some(SystemCall::Behind(Some(232))));
        let moved = [0x90, 0x90, 0x48, 0x89, 0xf8, 0x0f, 0x05];
        check(&moved, &nops, Some(SystemCall::Behind(None)));
        check(&nops, &nops, None);
        check(&[], &[], None);

        let svc = 0xd400_0001_u32.to_le_bytes();
        let behind = Some(SystemCall::Behind(None));
        assert_eq!(system_call_aarch64(&nops, &svc), Some(SystemCall::Ahead));
        assert_eq!(system_call_aarch64(&svc, &nops), behind);
        assert_eq!(system_call_aarch64(&nops, &nops), None);
    }

    #[test]
    fn the_return_from_a_signal_is_known_and_nothing_else() {
        let ours = [0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05];
        assert!(returns_from_signal_x86_64(&ours).is_some());
        assert_eq!(returns_from_signal_x86_64(&ours[..8]), None);
        let theirs = [0x68, 0x11, 0x80, 0xd2, 0x01, 0, 0, 0xd4];
        let offsets = returns_from_signal_aarch64(&theirs).unwrap();
        assert_eq!((offsets.fp, offsets.lr), (544, Some(552)));
        assert_eq!((offsets.sp, offsets.pc), (560, 568));
        assert_eq!(returns_from_signal_aarch64(&ours), None);
    }

    #[test]
    fn signatures_in_pointers_are_above_the_highest_address() {
        assert_eq!(address_bits(0xffff_a320_6000), 0xffff_ffff_ffff);
        assert_eq!(address_bits(0x7f76_b801_9000), 0x7fff_ffff_ffff);
        assert_eq!(address_bits(u64::MAX), u64::MAX);
        assert_eq!(address_bits(0), u64::MAX);
        let signed = 0x002a_ffff_a320_6000;
        assert_eq!(signed & address_bits(0xffff_ffff_f000), 0xffff_a320_6000);
    }
}
