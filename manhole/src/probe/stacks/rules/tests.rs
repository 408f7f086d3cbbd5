//! Rows written by hand for both machines, right ones and wrong ones.

use super::*;
use gimli::UnwindContext;

const INDEX_AT: u64 = 0x1000;
const FRAMES_AT: u64 = 0x2000;
/// The function that the rows are for, of 256 bytes.
const CODE: u64 = 0x4000;
const SP: u64 = 0x7000;
const FP: u64 = 0x7100;
const LR: u64 = 0x4800;

/// What the stack holds at an address.
fn word(address: u64) -> u64 {
    address + 0x100
}

/// `.eh_frame_hdr` and `.eh_frame` with one function in them.
struct Image {
    index: Vec<u8>,
    frames: Vec<u8>,
}

impl Image {
    fn new(augmentation: &[u8], ra: u8, first: &[u8], then: &[u8]) -> Self {
        let mut frames = Vec::new();
        let mut add = |parts: &[&[u8]]| {
            let mut entry = parts.concat();
            // DW_CFA_nop, up to a multiple of 8 with the length before it.
            entry.resize((entry.len() + 4).next_multiple_of(8) - 4, 0);
            let at = frames.len();
            frames.extend((entry.len() as u32).to_le_bytes());
            frames.extend(entry);
            at
        };
        // Version 1, factors 1 and -8, pointers as offsets of four bytes from where they stand.
        add(&[&[0; 4], &[1], augmentation, &[1, 0x78, ra, 1, 0x1b], first]);
        let fde = add(&[&[0; 4], &[0; 4], &256_u32.to_le_bytes(), &[0], then]);
        let at = FRAMES_AT + fde as u64;
        frames[fde + 4..fde + 8].copy_from_slice(&(fde as u32 + 4).to_le_bytes());
        let start = (CODE as i64 - at as i64 - 8) as i32;
        frames[fde + 8..fde + 12].copy_from_slice(&start.to_le_bytes());
        frames.extend([0; 4]);
        let mut index = vec![1, 0x1b, 0x03, 0x3b];
        let offsets = [FRAMES_AT - INDEX_AT - 4, 1, CODE - INDEX_AT, at - INDEX_AT];
        index.extend(
            offsets
                .into_iter()
                .flat_map(|offset| (offset as u32).to_le_bytes()),
        );
        Self { index, frames }
    }

    fn sections(&self) -> Sections<'_> {
        Sections {
            index: &self.index,
            index_at: INDEX_AT,
            frames: &self.frames,
            frames_at: FRAMES_AT,
        }
    }

    fn rules(&self, machine: Machine, address: u64) -> Option<Rules> {
        let mut context = UnwindContext::new();
        self.sections().rules(machine, address, &mut context)
    }

    /// From a frame in the function, on a stack of 512 bytes.
    fn step(&self, machine: Machine, exact: bool) -> Step {
        let at = Cursor {
            pc: CODE + 8,
            sp: SP,
            fp: FP,
            lr: LR,
            exact,
        };
        let mut read = |address: u64| (SP..SP + 0x200).contains(&address).then(|| word(address));
        let rules = self.rules(machine, CODE + 8).unwrap();
        rules.step(machine, &self.sections(), &at, &mut read)
    }
}

fn caller(pc: u64, sp: u64, fp: u64) -> Step {
    Step::Caller(Cursor {
        pc,
        sp,
        fp,
        lr: pc,
        exact: false,
    })
}

/// Rows of x86_64 after the usual start: the CFA is rsp+8, the return address is right below it.
fn x86_64(then: &[u8]) -> Image {
    Image::new(b"zR\0", 16, &[0x0c, 7, 8, 0x90, 1], then)
}

#[test]
fn x86_64_leaves_frames_by_stack_and_frame_pointer() {
    let check = |then: &[u8], expected: Step| {
        assert_eq!(
            x86_64(then).step(Machine::X86_64, true),
            expected,
            "{then:x?}"
        );
    };
    check(&[], caller(word(SP), SP + 8, FP));
    check(&[0x0e, 0x20], caller(word(SP + 0x18), SP + 0x20, FP));
    // push rbp: def_cfa_offset 16, rbp at CFA-16
    check(
        &[0x0e, 16, 0x86, 2],
        caller(word(SP + 8), SP + 16, word(SP)),
    );
    // mov rbp, rsp: def_cfa rbp+16
    let framed = caller(word(FP + 8), FP + 16, word(FP));
    check(&[0x0c, 6, 16, 0x86, 2], framed);
    // rbp was popped already, and the row still says that it lies at CFA-16.
    check(&[0x86, 2], caller(word(SP), SP + 8, FP));
    // The root: the return address is undefined.
    check(&[0x07, 16], Step::Root);
}

#[test]
fn rows_that_cannot_be_right_lead_nowhere() {
    let check = |then: &[u8], expected: Step| {
        assert_eq!(
            x86_64(then).step(Machine::X86_64, true),
            expected,
            "{then:x?}"
        );
    };
    // Behind the copy: def_cfa_offset 0x4000
    check(&[0x0e, 0x80, 0x80, 1], Step::Unreadable(SP + 0x3ff8));
    // Downwards: def_cfa_sf rsp-16; in place: def_cfa_offset 0; unaligned: def_cfa_offset 12
    check(&[0x12, 7, 2], Step::Wrong);
    check(&[0x0e, 0], Step::Wrong);
    check(&[0x0e, 12], Step::Wrong);
    // Beyond all addresses: def_cfa_sf rsp, by far
    check(
        &[
            0x12, 7, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f,
        ],
        Step::Wrong,
    );
    // The return address "kept", in a register that there is not.
    check(&[0x08, 16], Step::Wrong);
    // In a register that is not followed: def_cfa rbx+16
    assert_eq!(x86_64(&[0x0c, 3, 16]).rules(Machine::X86_64, CODE), None);
    // An operation that there is not.
    assert_eq!(x86_64(&[0x3e]).rules(Machine::X86_64, CODE), None);
}

#[test]
fn expressions_read_registers_and_memory_and_end() {
    let check = |then: &[u8], expected: Step| {
        assert_eq!(
            x86_64(then).step(Machine::X86_64, true),
            expected,
            "{then:x?}"
        );
    };
    // The linkage table: CFA = rsp + 8 + (rip & 15 >= 11) * 8
    let plt = [0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22];
    check(
        &[&[0x0f, 11], &plt[..]].concat(),
        caller(word(SP), SP + 8, FP),
    );
    // A realigned frame: CFA = *(rbp - 8)
    let cfa = word(FP - 8);
    check(&[0x0f, 3, 0x76, 0x78, 0x06], caller(word(cfa - 8), cfa, FP));
    // The return address is the value rsp + 0x42.
    check(&[0x16, 16, 3, 0x77, 0xc2, 0], caller(SP + 0x42, SP + 8, FP));
    // It is read at CFA + 8, and the CFA is what an expression begins with.
    check(&[0x10, 16, 2, 0x23, 8], caller(word(SP + 16), SP + 8, FP));
    // Memory that is not there, an empty stack, a register that is not followed, an endless loop.
    check(&[0x0f, 2, 0x30, 0x06], Step::Unreadable(0));
    check(&[0x0f, 1, 0x06], Step::Wrong);
    check(&[0x0f, 2, 0x73, 0], Step::Wrong);
    check(&[0x0f, 3, 0x2f, 0xfd, 0xff], Step::Wrong);
    check(&[0x0f, 0], Step::Wrong);
}

#[test]
fn what_a_signal_interrupted_did_not_call_and_may_be_on_another_stack() {
    // CFA = rsp - 64: where the interrupted stack pointer was.
    let rows = [0x0f, 2, 0x77, 0x40, 0x10, 16, 2, 0x77, 0x18];
    let image = Image::new(b"zRS\0", 16, &[0x0c, 7, 8, 0x90, 1], &rows);
    let expected = Step::Caller(Cursor {
        pc: word(SP + 0x18),
        sp: SP - 64,
        fp: FP,
        lr: word(SP + 0x18),
        exact: true,
    });
    assert_eq!(image.step(Machine::X86_64, false), expected);
    assert_eq!(x86_64(&rows).step(Machine::X86_64, false), Step::Wrong);
}

/// Rows of aarch64 after the usual start: the CFA is sp.
fn aarch64(then: &[u8]) -> Image {
    Image::new(b"zR\0", 30, &[0x0c, 31, 0], then)
}

#[test]
fn aarch64_has_the_return_address_in_a_register_at_first() {
    let check = |then: &[u8], exact: bool, expected: Step| {
        let step = aarch64(then).step(Machine::AARCH64, exact);
        assert_eq!(step, expected, "{then:x?} {exact}");
    };
    check(&[], true, caller(LR, SP, FP));
    check(&[0x0e, 16], true, caller(LR, SP + 16, FP));
    // A caller has overwritten it by calling.
    check(&[0x0e, 16], false, Step::Wrong);
    // stp x29, x30, [sp, #-32]!: CFA = sp + 32, x29 at CFA-32, x30 at CFA-24
    let framed = [0x0e, 32, 0x9d, 4, 0x9e, 3];
    let expected = caller(word(SP + 8), SP + 32, word(SP));
    check(&framed, true, expected);
    check(&framed, false, expected);
    // mov x29, sp: CFA = x29 + 32
    check(
        &[0x0c, 29, 32, 0x9d, 4, 0x9e, 3],
        false,
        caller(word(FP + 8), FP + 32, word(FP)),
    );
    // The same in a function that signs its return address.
    check(&[&[0x2d], &framed[..]].concat(), false, expected);
    check(&[0x07, 30], false, Step::Root);
}

#[test]
fn only_addresses_of_the_function_have_rules() {
    let image = x86_64(&[]);
    let has = |address: u64| image.rules(Machine::X86_64, address).is_some();
    assert!(has(CODE) && has(CODE + 255));
    assert!(!has(CODE - 1) && !has(CODE + 256) && !has(0) && !has(u64::MAX));
}

#[test]
fn a_broken_index_has_no_rules() {
    let check = |at: usize, byte: u8| {
        let mut image = x86_64(&[]);
        image.index[at] = byte;
        assert_eq!(
            image.rules(Machine::X86_64, CODE),
            None,
            "byte {at} is {byte}"
        );
    };
    check(0, 2); // another version
    check(1, 0xff); // no pointer to the section
    check(2, 0x0b); // a count of another kind
    check(3, 0x1b); // a table of another kind
    check(4, 0xfd); // a section that begins elsewhere
    check(8, 0); // no entries
    check(8, 2); // more entries than there are
    check(11, 0x80); // two thousand million
    check(19, 0x80); // an entry far away
    for length in 0..20 {
        let mut image = x86_64(&[]);
        image.index.truncate(length);
        assert_eq!(image.rules(Machine::X86_64, CODE), None);
    }
}

/// Every byte of both sections turned into others: there are rules or none, and every step ends.
#[test]
fn broken_sections_are_answered() {
    for part in [0, 1] {
        let length = |image: &Image| [&image.index, &image.frames][part].len();
        let rows = [0x0f, 3, 0x76, 0x78, 0x06, 0x10, 16, 2, 0x23, 8];
        for at in 0..length(&x86_64(&rows)) {
            for byte in [0, 1, 0x2f, 0x7f, 0x80, 0xff] {
                let mut image = x86_64(&rows);
                [&mut image.index, &mut image.frames][part][at] = byte;
                if image.rules(Machine::X86_64, CODE + 8).is_some() {
                    image.step(Machine::X86_64, false);
                }
            }
        }
    }
}
