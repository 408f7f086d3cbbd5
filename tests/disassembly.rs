//! What the compiler made of a function, and where it leads: by nm and objdump of binutils.

use crate::peers;
use std::{collections::BTreeSet, path::Path, process::Command};

/// A function as it stands in a binary of x86_64.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its instructions in AT&T syntax, one space between words.
    pub instructions: Vec<String>,
}

impl Function {
    /// Finds the only function whose demangled name contains `name`.
    ///
    /// # Panics
    /// When the program has none, or more than one, or was stripped.
    #[track_caller]
    pub fn find(program: &Path, name: &str) -> Self {
        let symbols = run("nm", &["--no-sort", "--demangle=rust"], program);
        let plain = run("nm", &["--no-sort"], program);
        let found: Vec<&str> = symbols
            .lines()
            .zip(plain.lines())
            .filter(|(symbol, _)| is_code(symbol) && symbol.contains(name))
            .filter_map(|(_, plain)| plain.split(' ').nth(2))
            .collect();
        let [symbol] = found[..] else {
            panic!("{name} in {program:?}: {found:?}");
        };
        let only = format!("--disassemble={symbol}");
        let text = run("objdump", &[&only, "--no-show-raw-insn"], program);
        Self::parse(&text)
    }

    /// Reads what objdump says of one function.
    pub fn parse(text: &str) -> Self {
        let instructions = text.lines().filter_map(|line| {
            let (address, instruction) = line.trim_start().split_once(":\t")?;
            let is_address = address.bytes().all(|byte| byte.is_ascii_hexdigit());
            let words: Vec<&str> = instruction.split_whitespace().collect();
            is_address.then(|| words.join(" "))
        });
        Self {
            instructions: instructions.collect(),
        }
    }

    /// The functions that it calls or jumps to, itself left out; `*` for one whose address it has in
    /// a register or in memory.
    pub fn leads_to(&self, itself: &str) -> BTreeSet<String> {
        let leaving = self.instructions.iter().filter_map(|instruction| {
            let (word, operand) = instruction.split_once(' ')?;
            if word != "call" && !word.starts_with('j') {
                return None;
            }
            if operand.starts_with('*') {
                return Some("*".to_owned());
            }
            let target = operand.split_once('<')?.1;
            let name = target.split(['+', '>']).next()?;
            (!name.contains(itself)).then(|| name.to_owned())
        });
        leaving.collect()
    }

    /// How many of its instructions contain `what`.
    pub fn count(&self, what: &str) -> usize {
        let has = |instruction: &&String| instruction.contains(what);
        self.instructions.iter().filter(has).count()
    }

    /// Bytes of stack that it takes for itself: return address, saved registers and the rest.
    pub fn stack(&self) -> u64 {
        let taken = self.instructions.iter().map(|instruction| {
            if instruction.starts_with("push ") {
                return 8;
            }
            let amount = instruction
                .strip_prefix("sub $0x")
                .and_then(|rest| rest.strip_suffix(",%rsp"));
            amount.map_or(0, |hex| u64::from_str_radix(hex, 16).unwrap_or(u64::MAX))
        });
        taken.fold(8, u64::saturating_add)
    }
}

fn is_code(symbol: &str) -> bool {
    let kind = symbol.split(' ').nth(1);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("t"))
}

#[track_caller]
fn run(tool: &str, arguments: &[&str], program: &Path) -> String {
    let output = Command::new(peers::find(tool))
        .args(arguments)
        .arg(program)
        .output();
    let output = output.unwrap_or_else(|error| panic!("{tool}: {error}"));
    assert!(output.status.success(), "{tool} {program:?} failed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_function_is_read_from_what_objdump_says() {
    let text = "\nx:     file format elf64-x86-64\n\n0000000000035260 <_RNv_on>:\n   35260:\tpush   %rbp\n   \
                35261:\tsub    $0x168,%rsp\n   35268:\tcall   *%rax\n   3526a:\tjne    35270 <_RNv_on+0x10>\n   \
                3526c:\tcall   40000 <_RNv_panic>\n   35270:\tjmp    41000 <memcpy@plt>\n   35276:\tmov    %fs:0x0,%rcx\n";
    let function = Function::parse(text);
    assert_eq!(function.instructions.len(), 7);
    let expected = ["*", "_RNv_panic", "memcpy@plt"].map(str::to_owned);
    assert_eq!(function.leads_to("_RNv_on"), expected.into());
    assert_eq!(function.stack(), 8 + 8 + 0x168);
    assert_eq!(function.count("%fs:"), 1);
}
