//! Stacks of threads as plain data: what was read from the process, before and after it has names.
//!
//! A [`Dump`] is made by the probe, gets its names from `names`, and is folded for people by `fold`.
//! All three run in the process, and the latter two also in the client, which reads the binary on
//! disk: so a dump travels as JSON and loses nothing on the way.

mod folded;
mod json;

pub use folded::{Folded, Full, FullFrame, Group, Line, Section, SectionKind};
pub use json::{asked_from_json, asked_to_json, from_json, to_json};

use std::sync::Arc;

/// What an answer about stacks consists of.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Stacks {
    /// How it is to be shown.
    pub asked: Asked,
    /// What was read.
    pub dump: Dump,
    /// The same for people.
    pub folded: Folded,
}

/// How stacks are to be shown: what the caller asked for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Asked {
    /// Only these threads: ids, patterns for names, roles, with commas between them.
    pub thread: Option<String>,
    /// One by one, unfolded.
    pub full: bool,
    /// Of all threads only those that wait for work, with their stacks.
    pub idle: bool,
    /// Names with everything that belongs to them.
    pub full_names: bool,
}

/// What every thread was doing at one moment.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Dump {
    /// When it was taken, in nanoseconds since the epoch.
    pub taken_unix_ns: u64,
    /// From the first signal to the last answer, in nanoseconds; nobody was stopped that long.
    pub took_ns: u64,
    /// By tid; the console's own threads are left out.
    pub threads: Vec<ThreadStack>,
    /// How many threads of the console were left out.
    pub own_threads: usize,
    /// What is mapped; frames refer to it by index.
    pub modules: Vec<Module>,
    /// How good the names are.
    pub names: Names,
    /// Crates that count as the application's: its binary's own, those that the builder added.
    pub app_crates: Vec<String>,
}

/// An object file in the address space: the binary, a library, the vDSO.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Module {
    /// Its path as the kernel tells it, without " (deleted)"; `[vdso]`.
    pub path: String,
    /// The file behind it was replaced or removed since it was mapped.
    pub deleted: bool,
    /// Whether it is the program itself.
    pub binary: bool,
    /// First address of its image.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// What to add to an address of its file's headers to get an address in memory.
    pub bias: u64,
    /// The note that identifies the build, in lower-case hex; `None` when it has none.
    pub build_id: Option<String>,
    /// Its code, by address; empty when nobody looked.
    pub code: Vec<Code>,
}

/// A part of an object file that may be executed, as it is mapped.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Code {
    /// First address.
    pub start: u64,
    /// First address behind it.
    pub end: u64,
    /// Where in the file it begins, in bytes.
    pub offset: u64,
}

/// A thread, and what could be learnt about it.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ThreadStack {
    /// Thread id.
    pub tid: u32,
    /// Name; the kernel keeps 15 bytes of it.
    pub name: String,
    /// Whether it is the one that `main` runs on.
    pub main: bool,
    /// The kernel's letter for its state: R, S, D, T, ...
    pub state: char,
    /// CPU time since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// Whether it answered.
    pub answer: Answered,
    /// Its frames, leaf first; empty when it did not answer. Shared by threads with the same stack.
    pub frames: Arc<[Frame]>,
    /// Where the walk ended.
    pub end: End,
    /// The system call that it is blocked in.
    pub call: Option<Call>,
    /// The kernel's function that it sleeps in; only of a thread without a stack.
    pub waits_in: Option<String>,
    /// Bytes of stack in use between its stack pointer and its thread's root, where known.
    pub stack_bytes: Option<u64>,
    /// Its stack and CPU time are those of an earlier look; the earliest such, in nanoseconds since
    /// the epoch. `None` when it moved or was not looked at before.
    pub unchanged_since_unix_ns: Option<u64>,
}

/// Whether a thread answered, and why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Answered {
    /// It copied its stack.
    Stack,
    /// It was not asked (`--no-signal`).
    #[default]
    NotAsked,
    /// It blocks our signal or takes it for itself (sigwait), so it was not sent.
    Blocks,
    /// In uninterruptible sleep, where no signal is taken.
    Uninterruptible,
    /// Stopped, by a debugger or a signal.
    Stopped,
    /// It was asked and did not answer in time.
    Silent,
    /// It answered with its registers only: its stack could not be read.
    Registers,
    /// The signal could not be sent.
    Refused,
}

/// Where the walk over a stack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum End {
    /// At the thread's root: the stack is complete.
    Root,
    /// At the end of what was copied (64 KiB), or at the most frames that are kept.
    Cut,
    /// At code without unwind information, or at rows that led nowhere.
    #[default]
    Lost,
}

/// One frame: an address, and once named the functions that the compiler merged there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Frame {
    /// The address to look up: of the leaf, where it is; of a caller, the return address minus 1.
    pub address: u64,
    /// Index into [`Dump::modules`]; `None` for code that no file stands behind.
    pub module: Option<u32>,
    /// Found by searching the stack for a plausible return address, not by unwind information.
    pub uncertain: bool,
    /// Innermost first: functions inlined here, then the one whose code it is. Empty: no name.
    ///
    /// Shared by all frames of the same address: a thousand threads that wait in the same place
    /// have their names once.
    pub functions: Arc<[Function]>,
    /// Whether the inlined functions of this frame are known, so that none is missing from `functions`.
    pub inlines_known: bool,
}

/// A function as the compiler knows it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Function {
    /// Demangled, in full but for hash and disambiguators: `<T as Trait>::call::{closure#0}`.
    pub name: String,
    /// As the symbol is in the file, where it differs from `name`.
    pub mangled: Option<String>,
    /// Source file as the debug information has it, unshortened.
    pub file: Option<String>,
    /// Line in it.
    pub line: Option<u32>,
}

/// A system call that a thread is blocked in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Call {
    /// Its number on this machine; `None` when the kernel did not keep it (calls that end with EINTR).
    pub number: Option<i64>,
    /// Its first six arguments, as they are in the registers.
    pub arguments: [u64; 6],
    /// What the descriptor in its first argument is, if that is one: `10.2.0.9:5432`.
    pub on: Option<String>,
}

/// How good the names of a dump are.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Names {
    /// Frames whose function is known.
    pub named: usize,
    /// Frames without a name.
    pub unnamed: usize,
    /// Why frames of the binary have no names, if so.
    pub symbols: Symbols,
    /// Whether lines and inlined functions were added.
    pub lines: Lines,
    /// Whether functions of the binary have symbols in Rust's older mangling, which leaves types out.
    pub legacy: bool,
}

/// Whether the binary has a symbol table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Symbols {
    /// It has.
    Known,
    /// It was stripped.
    Stripped,
    /// The file cannot be read any more, or is another build by now.
    Gone,
    /// Nobody looked.
    #[default]
    NotRead,
}

/// Whether lines and inlined functions of the binary are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Lines {
    /// They are.
    Known,
    /// Some are: time ran out.
    Some,
    /// The binary has no debug information.
    Absent,
    /// It has, but in files of its own (`.dwo`) or compressed with zstd, which nobody here reads.
    Unreadable,
    /// Reading them would take more than may be spent without being asked.
    TooDear {
        /// Estimated time, in nanoseconds.
        ns: u64,
        /// Estimated memory, in bytes, for as long as it takes.
        bytes: u64,
    },
    /// Nobody asked for them.
    #[default]
    NotRead,
}
