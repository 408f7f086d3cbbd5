//! Stacks as text and on a screen, where the application's functions stand out and folded ones step
//! back.

use std::io;

use manhole::client::{
    End, Severity, heap, samples,
    stacks::{self, Answer, Block, TextStyle, Tone},
};

use super::{Found, parse::What};
use crate::{display::Screen, terminal::Paint};

/// The text as the console would have sent it.
pub(crate) fn text(found: Found) -> String {
    shown(found).text
}

/// Prints it.
///
/// # Errors
/// When the output is closed.
pub(crate) fn print(found: Found, screen: &mut Screen<'_>) -> io::Result<()> {
    let shown = shown(found);
    for (at, line) in shown.text.lines().enumerate() {
        let (paint, may_cut) = shown.manner(at, line);
        screen.line(line, paint, may_cut)?;
    }
    screen.end(&End {
        next: shown.next,
        ..End::default()
    })
}

/// A text, and what its lines are.
struct Shown {
    text: String,
    verdict: Option<Severity>,
    /// What the lines behind the verdict are, in their order.
    rows: Vec<Tone>,
    next: Vec<String>,
}

fn shown(found: Found) -> Shown {
    let answer = match found.what {
        What::Stacks(dump, asked) => stacks::answer(dump, asked, found.source),
        What::Samples(samples, wish) => samples::answer(*samples, wish, found.source),
        What::Heap(found_heap, wish) => heap::answer(*found_heap, wish, found.source),
    };
    let about = answer.about.as_deref().unwrap_or_default();
    let mut text = stacks::provenance_line(&found.provenance, about, true);
    let _ = stacks::body(&answer, TextStyle::default(), &mut text); // a text takes everything
    Shown {
        text,
        verdict: answer.verdict.as_ref().map(|verdict| verdict.severity),
        rows: tones(&answer),
        next: answer.next,
    }
}

fn tones(answer: &Answer) -> Vec<Tone> {
    let mut tones = Vec::new();
    for block in &answer.blocks {
        if let Block::Stacks(found) = block {
            let _ = stacks::each_row(&found.folded, &mut |row| {
                tones.push(row.tone);
                Ok(())
            });
        }
    }
    tones
}

impl Shown {
    /// How line `at` is to be printed, and whether it may be cut at the edge of the screen.
    fn manner(&self, at: usize, line: &str) -> (Option<Paint>, bool) {
        // The provenance, the verdict, an empty line, the rows, and what closes it.
        let verdict = usize::from(self.verdict.is_some());
        let row = at.checked_sub(2 + verdict);
        match (at, row.and_then(|row| self.rows.get(row))) {
            (0, _) => (Some(Paint::Dim), false),
            (1, None) if verdict == 1 => (self.verdict.and_then(graded), false),
            (_, Some(Tone::App)) => (Some(Paint::Bold), true),
            (_, Some(Tone::Folded)) => (Some(Paint::Dim), true),
            (_, Some(_)) => (None, true),
            (_, None) if row.is_none() => (None, false),
            (_, None) if line.starts_with('#') => (Some(Paint::Dim), false),
            (_, None) => (None, true),
        }
    }
}

fn graded(severity: Severity) -> Option<Paint> {
    match severity {
        Severity::Bad => Some(Paint::Red),
        Severity::Warn => Some(Paint::Yellow),
        Severity::Ok => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{stacks::tests::found, terminal::Terminal};

    fn printed(terminal: Terminal) -> String {
        let mut out = Vec::new();
        print(found(), &mut Screen::new(&mut out, terminal)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_pipe_gets_the_text_of_the_console() {
        assert_eq!(printed(Terminal::plain()), text(found()));
        let text = text(found());
        assert!(
            text.starts_with("# stacks shop[7] web 2026-11-21T14:20:31Z: 2 threads in 3 ms, "),
            "{text}"
        );
        assert!(text.ends_with("IDLE   1 thread: main\n"), "{text}");
    }

    #[test]
    fn a_person_sees_the_applications_functions_first() {
        let person = Terminal {
            interactive: true,
            colour: true,
            width: Some(60),
            sanitise: true,
        };
        let shown = printed(person);
        let line = |text: &str| shown.lines().find(|line| line.contains(text)).unwrap();
        assert!(line("# stacks").starts_with("\x1b[2m"), "{shown:?}");
        assert!(line("# stacks").len() > 100, "the provenance is not cut");
        assert_eq!(
            line("shop::price"),
            "\x1b[1m        shop::price                                        …\x1b[0m"
        );
        assert!(line("IDLE").starts_with("IDLE"), "{shown:?}");
        assert!(shown.contains("\n\n"), "an empty line is empty");
    }
}
