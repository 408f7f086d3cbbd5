//! Stacks as people read them: equal ones merged, foreign frames folded, waits named. Made by `fold`,
//! shown by `render`.

use super::super::{Cell, Verdict};

/// All stacks, folded and in the order of interest.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Folded {
    /// Threads that were asked for: all, or those that the filter let through.
    pub threads: usize,
    /// Ids of those that the filter left out, ascending: looked at, since others may wait for them.
    pub left_out: Vec<u32>,
    /// How many of them copied their stacks.
    pub answered: usize,
    /// Bad, busy, waiting, no answer, idle. Empty when unfolded.
    pub sections: Vec<Section>,
    /// Unfolded, one by one, in the same order. Empty unless that was asked for.
    pub full: Vec<Full>,
    /// What it all comes to.
    pub verdict: Option<Verdict>,
    /// Commands for this very state.
    pub next: Vec<String>,
}

/// Groups under one heading.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Section {
    /// What these threads have in common.
    pub kind: SectionKind,
    /// In words: `WAIT FOR A LOCK`.
    pub title: String,
    /// Behind the title: `lock A (std Mutex at 0x7f9b5686d9fa)`.
    pub remark: String,
    /// Threads in it.
    pub threads: usize,
    /// Most interesting first. Empty with [`SectionKind::Idle`] unless unfolded.
    pub groups: Vec<Group>,
    /// Threads that need no line of their own: `37 blocking, 2 worker (one drives epoll), main`.
    pub summary: String,
}

/// What the threads of a section are doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SectionKind {
    /// Waiting for a lock.
    Lock,
    /// On a core, or ready for one.
    Run,
    /// Waiting for something else than a lock, in code of the application.
    Wait,
    /// Could not answer.
    NoAnswer,
    /// Waiting for work.
    #[default]
    Idle,
}

impl SectionKind {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            SectionKind::Lock => "lock",
            SectionKind::Run => "run",
            SectionKind::Wait => "wait",
            SectionKind::NoAnswer => "no-answer",
            SectionKind::Idle => "idle",
        }
    }
}

/// Threads whose folded stacks are equal.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Group {
    /// Their ids, ascending.
    pub tids: Vec<u32>,
    /// Their role or names: `worker`, `image-worker-0, -2, -3`.
    pub names: String,
    /// What they do, wait for, or why they did not answer.
    pub doing: String,
    /// Facts about the group for programs: `("wait", ...)`, `("lock", ...)`, `("unchanged_since", ...)`.
    pub facts: Vec<(&'static str, Cell)>,
    /// Leaf first.
    pub lines: Vec<Line>,
}

/// A line of a folded stack.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A function worth reading.
    Frame {
        /// As it is to be printed.
        name: String,
        /// `src/cache.rs:41`; empty when unknown.
        place: String,
        /// What to say where the place would stand: `(inlined here: probably one of your handlers)`.
        /// Empty but where it helps, and then `place` is empty.
        remark: String,
        /// Whether it is of the application.
        app: bool,
        /// Found by searching the stack: it may not be a caller at all.
        uncertain: bool,
    },
    /// A run of frames that are not: `… 27 of axum, tower, hyper`.
    Folded {
        /// How many.
        count: usize,
        /// Of which crates and libraries, in order of first appearance from the leaf; where there are
        /// many the last is `and others`.
        of: Vec<String>,
        /// The role, if it is the root part: `worker`.
        role: Option<String>,
        /// Top frames of a folded leaf run, to stand on the right.
        top: Vec<String>,
    },
    /// A remark in place of frames.
    Remark(String),
}

/// A thread with its whole stack.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Full {
    /// Thread id.
    pub tid: u32,
    /// Name.
    pub name: String,
    /// `worker 3`; empty when it is a thread like others.
    pub role: String,
    /// The kernel's letter for its state.
    pub state: char,
    /// What it does or waits for: `waits for lock A (std Mutex at 0x7f9b5686d9fa)`.
    pub doing: String,
    /// CPU time since its start, in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes of stack in use, where known.
    pub stack_bytes: Option<u64>,
    /// Since when stack and CPU time are the same, in nanoseconds since the epoch.
    pub unchanged_since_unix_ns: Option<u64>,
    /// Leaf first; inlined functions have lines of their own.
    pub frames: Vec<FullFrame>,
    /// Why there are no further frames; empty when the last one is the thread's root.
    pub end: String,
}

/// A line of an unfolded stack.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FullFrame {
    /// From 0 at the leaf, counting every line.
    pub number: usize,
    /// As it is to be printed; `checkout+0x1a2b3c` when there is no name.
    pub name: String,
    /// `src/cache.rs:41`; empty when unknown.
    pub place: String,
    /// The file that the code is in: `libc.so.6`; empty for the program itself.
    pub module: String,
    /// The address that was looked up.
    pub address: u64,
    /// The compiler merged it into the function of a following line.
    pub inlined: bool,
    /// Whether it is of the application.
    pub app: bool,
    /// Found by searching the stack: it may not be a caller at all.
    pub uncertain: bool,
}
