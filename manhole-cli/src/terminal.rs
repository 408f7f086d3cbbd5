//! What the output goes to: a terminal and how wide it is, or a pipe.

use std::io::IsTerminal;

use crate::args::{Options, When};

/// How to print to one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Whether a person looks at it.
    pub(crate) interactive: bool,
    /// Whether to use colours.
    pub(crate) colour: bool,
    /// Columns, where lines are to be cut.
    pub(crate) width: Option<usize>,
    /// Whether control characters pass.
    pub(crate) raw: bool,
}

impl Terminal {
    /// Standard output.
    pub(crate) fn stdout(options: &Options) -> Self {
        let stream = std::io::stdout();
        let interactive = stream.is_terminal();
        let size = terminal_size::terminal_size_of(&stream);
        let width = size.map(|(width, _)| usize::from(width.0));
        Self {
            interactive,
            colour: wants_colour(options.color, interactive),
            width: width.filter(|width| interactive && *width >= 20),
            raw: options.raw,
        }
    }

    /// Standard error: never cut.
    pub(crate) fn stderr(options: &Options) -> Self {
        let interactive = std::io::stderr().is_terminal();
        Self {
            interactive,
            colour: wants_colour(options.color, interactive),
            width: None,
            raw: options.raw,
        }
    }

    /// A pipe or a file: bytes as they are.
    pub(crate) const fn plain() -> Self {
        Self {
            interactive: false,
            colour: false,
            width: None,
            raw: true,
        }
    }
}

fn wants_colour(when: When, interactive: bool) -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            interactive && !set("NO_COLOR") && std::env::var_os("TERM").is_some_and(|t| t != "dumb")
        }
    }
}

/// The colours there are; they stand for what the data says, never for decoration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Not to be dwelt on: `#` lines.
    Dim,
    /// A verdict worth a look.
    Yellow,
    /// A verdict worth waking up for.
    Red,
}

impl Paint {
    /// `text` in this colour.
    pub(crate) fn apply(self, text: &str) -> String {
        let code = match self {
            Paint::Dim => "2",
            Paint::Yellow => "33",
            Paint::Red => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
