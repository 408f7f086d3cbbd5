//! What a command found out, as data: typed cells from which text, JSON, `triage` and the HTTP
//! index are made.
//!
//! A command builds one [`Answer`]; `render::text` lays it out for people in human units and
//! `render::json` writes the same cells in base units. So the two cannot drift apart, and a command
//! never formats a number itself.

use super::{
    heap::{self, Heap},
    samples::Samples,
    stack::Stacks,
    wish::Wish,
};
use serde_json::Value;

/// How bad a verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing to do.
    Ok,
    /// Worth a look.
    Warn,
    /// Worth waking somebody up for.
    Bad,
}

impl Severity {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Warn => "warn",
            Severity::Bad => "bad",
        }
    }
}

/// The one sentence that matters, with how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How bad it is.
    pub severity: Severity,
    /// Number, place, consequence; plain English, ends with a full stop.
    pub text: String,
}

/// One value, with its unit in its type. The comment says how text and JSON show it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Nothing to say here: empty in text, absent in JSON.
    Empty,
    /// Could not be known: `-` in text, `null` in JSON. Never write 0 for it.
    Unknown,
    /// Text from us or from the application; escaped for people by the renderer.
    Text(String),
    /// A number that names something (a pid, a port): no thousands separators.
    Id(u64),
    /// How many: `1,204`.
    Count(u64),
    /// A change in a count: `+3`, `0`, `-12`.
    CountChange(i64),
    /// Bytes: `2.91 GiB`; JSON in bytes.
    Bytes(u64),
    /// A change in bytes: `+1.02 GiB`.
    BytesChange(i64),
    /// Bytes per second: `292 KiB/s`.
    BytesRate(f64),
    /// Events per second: `+412/s` is written `412/s`.
    Rate(f64),
    /// Nanoseconds: `0.4 ms`, `2.1 s`, `3d 4h`; JSON in nanoseconds.
    Nanos(u64),
    /// A share, 0 to 100: `73 %`, one decimal below 10. Where the header says `%`, the sign is left off.
    Percent(f64),
    /// A plain number with a fraction.
    Float(f64),
    /// A number with two decimals, so that points align: `3.96`.
    Hundredths(f64),
    /// Nanoseconds as seconds with two decimals, so that points align: `4.76 s`.
    Seconds(u64),
    /// Yes or no.
    Bool(bool),
    /// A moment of wall-clock time, in nanoseconds since the epoch: `2026-11-21T03:12:44Z`.
    Time(u64),
    /// Any JSON; compact in text.
    Json(Value),
}

impl Cell {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Cell::Text(text.into())
    }

    /// `make(value)`, or [`Cell::Unknown`].
    pub fn or_unknown<T>(value: Option<T>, make: impl FnOnce(T) -> Cell) -> Self {
        value.map_or(Cell::Unknown, make)
    }
}

/// Who is shown a column, a row or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Show {
    /// People and programs.
    #[default]
    Both,
    /// People only: what is merged or repeated for reading.
    Text,
    /// Programs only: what would crowd the text.
    Json,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Field name in JSON, with the unit: `rss_bytes`, `wait_ns_per_s`.
    pub key: &'static str,
    /// Heading in text, lower case; empty for the last column of names.
    pub header: &'static str,
    /// Who sees it.
    pub show: Show,
}

impl Column {
    /// A column for people and programs.
    pub const fn new(key: &'static str, header: &'static str) -> Self {
        Self {
            key,
            header,
            show: Show::Both,
        }
    }

    /// A column that only JSON has.
    pub const fn json(key: &'static str) -> Self {
        Self {
            key,
            header: "",
            show: Show::Json,
        }
    }

    /// A column that only the text has.
    pub const fn only_text(key: &'static str, header: &'static str) -> Self {
        Self {
            key,
            header,
            show: Show::Text,
        }
    }
}

/// Rows under headings: a JSON array of objects.
///
/// In text numbers stand right-aligned, the last column is never padded or cut, and a column whose
/// cells are all empty is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Field name of the array in JSON.
    pub key: &'static str,
    /// Who sees it.
    pub show: Show,
    /// What stands above the headings, for people: `BY FUNCTION   flat = in itself`. Empty: nothing.
    pub title: String,
    /// What stands below the rows, for people: `... 88 more: --rows all`. Empty: nothing.
    pub more: String,
    /// Whether the heading line is written (`vars` has none).
    pub headed: bool,
    /// The columns, in the order of the text.
    pub columns: Vec<Column>,
    /// The rows, most interesting first; each has one cell per column.
    pub rows: Vec<Vec<Cell>>,
    /// Whether rows are missing, since memory for them could not be had.
    pub incomplete: bool,
}

impl Table {
    /// An empty table with headings.
    pub fn new(key: &'static str, columns: impl Into<Vec<Column>>) -> Self {
        Self {
            key,
            show: Show::Both,
            title: String::new(),
            more: String::new(),
            headed: true,
            columns: columns.into(),
            rows: Vec::new(),
            incomplete: false,
        }
    }

    /// The same without its heading line.
    #[must_use]
    pub fn unheaded(mut self) -> Self {
        self.headed = false;
        self
    }

    /// The same for people or programs only.
    #[must_use]
    pub fn show(mut self, show: Show) -> Self {
        self.show = show;
        self
    }

    /// The same with a line above its headings.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds a row; `cells` must have one cell for each column. A table that memory cannot be had for is
    /// [`Table::incomplete`] from then on.
    pub fn row(&mut self, cells: impl Into<Vec<Cell>>) {
        let cells = cells.into();
        debug_assert_eq!(cells.len(), self.columns.len(), "table {}", self.key);
        match self.rows.try_reserve(1) {
            Ok(()) => self.rows.push(cells),
            Err(_) => self.incomplete = true,
        }
    }
}

/// Labelled values, one a line: fields of a JSON object.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Fields {
    /// Field name of the object in JSON; `None` puts the fields into `data` itself.
    pub key: Option<&'static str>,
    /// Who sees it.
    pub show: Show,
    /// `(key, label, value, remark)`; an empty label is for JSON only, an empty remark is left out.
    pub rows: Vec<(&'static str, &'static str, Cell, String)>,
}

impl Fields {
    /// No fields yet; they go into `data` itself.
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields yet; they go into the object `key`.
    pub fn under(key: &'static str) -> Self {
        Self {
            key: Some(key),
            ..Self::default()
        }
    }

    /// Adds a field without a remark.
    pub fn field(&mut self, key: &'static str, label: &'static str, value: Cell) {
        self.rows.push((key, label, value, String::new()));
    }

    /// Adds a field with a remark behind its value (text only).
    pub fn remarked(
        &mut self,
        key: &'static str,
        label: &'static str,
        value: Cell,
        remark: impl Into<String>,
    ) {
        self.rows.push((key, label, value, remark.into()));
    }
}

/// A part of an answer's body; an empty line stands between two blocks in text.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Rows under headings.
    Table(Table),
    /// Labelled values.
    Fields(Fields),
    /// Lines for people only, each complete; may hold what the application wrote.
    Lines(Vec<String>),
    /// A text of the application's, of any size: its lines in text, `value` in JSON.
    Text(String),
    /// One bare value (`vars get`): the line itself in text, `value` in JSON.
    Value(Cell),
    /// Data for programs only, under a name.
    Data(&'static str, Value),
    /// Threads with their stacks: their groups for people, everything for programs.
    Stacks(Box<Stacks>),
    /// What a profile was made of, for programs.
    Samples(Box<(Samples, Wish)>),
    /// What the allocator counted, for programs.
    Heap(Box<(Heap, heap::Wish)>),
}

/// What a command found out.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Answer {
    /// What is looked at ("60 threads, cpu over 0.5 s"). `None`: a short answer without `#` lines.
    pub about: Option<String>,
    /// The one sentence that matters.
    pub verdict: Option<Verdict>,
    /// The body.
    pub blocks: Vec<Block>,
    /// Closing remarks: `# ` lines in text. At most one or two.
    pub notes: Vec<String>,
    /// One to three commands for this very state, complete to paste.
    pub next: Vec<String>,
}

impl Answer {
    /// An answer that states what it looked at: it opens with a provenance line.
    pub fn about(about: impl Into<String>) -> Self {
        Self {
            about: Some(about.into()),
            ..Self::default()
        }
    }

    /// A short answer without `#` lines.
    pub fn short() -> Self {
        Self::default()
    }

    /// Sets the verdict.
    pub fn verdict(&mut self, severity: Severity, text: impl Into<String>) {
        self.verdict = Some(Verdict {
            severity,
            text: text.into(),
        });
    }

    /// Adds a block.
    pub fn push(&mut self, block: Block) {
        self.blocks.push(block);
    }

    /// Whether anything is missing, since memory for it could not be had.
    pub fn is_incomplete(&self) -> bool {
        let incomplete = |block: &Block| matches!(block, Block::Table(table) if table.incomplete);
        self.blocks.iter().any(incomplete)
    }

    /// Adds a closing remark.
    pub fn note(&mut self, line: impl Into<String>) {
        self.notes.push(line.into());
    }

    /// Adds a command to run next.
    pub fn next(&mut self, command: impl Into<String>) {
        self.next.push(command.into());
    }
}
