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
    /// Whether control characters are shown instead of sent.
    pub(crate) sanitise: bool,
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
            sanitise: interactive && !options.raw,
        }
    }

    /// Standard error: never cut.
    pub(crate) fn stderr(options: &Options) -> Self {
        let interactive = std::io::stderr().is_terminal();
        Self {
            interactive,
            colour: wants_colour(options.color, interactive),
            width: None,
            sanitise: !options.raw,
        }
    }

    /// A pipe or a file: bytes as they are.
    pub(crate) const fn plain() -> Self {
        Self {
            interactive: false,
            colour: false,
            width: None,
            sanitise: false,
        }
    }

    /// A program that shows text to the person at this terminal: `less`.
    pub(crate) const fn pager() -> Self {
        Self {
            sanitise: true,
            ..Self::plain()
        }
    }

    /// Whether bytes go out as they came.
    pub(crate) const fn is_verbatim(&self) -> bool {
        !self.interactive && !self.colour && !self.sanitise
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
    /// What one looks for among much else.
    Bold,
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
            Paint::Bold => "1",
            Paint::Dim => "2",
            Paint::Yellow => "33",
            Paint::Red => "31",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}
