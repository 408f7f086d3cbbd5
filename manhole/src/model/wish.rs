//! What the caller of a profile asked for. It travels with the samples, so that the client shows them
//! as the console would.

/// Which of the times that a sampler sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Kind {
    /// Time of the processor.
    #[default]
    Cpu,
    /// Time of the clock, of all threads.
    Wall,
    /// Of that, what threads spend waiting, but not for work.
    Block,
    /// Of that, what they spend waiting for locks.
    Mutex,
}

impl Kind {
    /// Every kind, with its word: that of its command.
    pub const ALL: [(Kind, &str); 4] = [
        (Kind::Cpu, "cpu"),
        (Kind::Wall, "wall"),
        (Kind::Block, "block"),
        (Kind::Mutex, "mutex"),
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(kind, _)| *kind == self);
        found.map_or("", |(_, name)| name)
    }
}

/// A profile as it is to be shown.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Wish {
    /// Which time.
    pub kind: Kind,
    /// Who calls whom, in place of who takes how much.
    pub tree: bool,
    /// Only these threads: ids, patterns for names, roles, with commas between them.
    pub thread: Option<String>,
    /// The ids of those that were there when it began.
    pub tids: Vec<u32>,
    /// Lines of a table; `None`: all.
    pub rows: Option<usize>,
    /// Names with everything that belongs to them.
    pub full_names: bool,
    /// Cores that the process may use.
    pub cores: Option<f64>,
}
