//! Printing what a console answers: as it is into pipes; for people sanitised, cut at the edge of the
//! screen, and coloured by what the answer's data says.

use std::{
    borrow::Cow,
    io::{self, Write},
};

use manhole::client::{End, Failure, Severity, escape};

use crate::{
    plain::{self, cut},
    terminal::{Paint, Terminal},
};

/// An answer's verdict arrives with its end, so text is held back until then; but not more of it
/// than this.
const HELD: usize = 256 << 10;

/// An answer of at most this many lines is no table: what it says is not cut.
const SHORT: usize = 2;

/// Prints one answer.
pub(crate) struct Screen<'a> {
    out: &'a mut dyn Write,
    terminal: Terminal,
    /// Text that came and was not printed: complete lines wait for the verdict's colour, the rest for
    /// its end.
    held: Vec<u8>,
    json: bool,
    /// Whether lines begin with a severity, as those of `triage` do.
    graded: bool,
    /// The media type of bytes that nobody wants to see on a screen.
    binary: Option<(String, u64)>,
}

impl<'a> Screen<'a> {
    /// Prints to `out`, which is `terminal`.
    pub(crate) fn new(out: &'a mut dyn Write, terminal: Terminal) -> Self {
        Self {
            out,
            terminal,
            held: Vec::new(),
            json: false,
            graded: false,
            binary: None,
        }
    }

    /// The same for an answer whose lines begin with their severity.
    #[must_use]
    pub(crate) fn graded(mut self, graded: bool) -> Self {
        self.graded = graded;
        self
    }

    /// Takes a piece of the answer; `stream` is shown as it comes.
    ///
    /// # Errors
    /// When the output is closed.
    pub(crate) fn data(&mut self, media: &str, bytes: &[u8], stream: bool) -> io::Result<()> {
        self.json = media.starts_with("application/json");
        let binary = !self.json && !media.is_empty() && !media.starts_with("text/");
        if self.terminal.is_verbatim() || (binary && !self.terminal.interactive) {
            self.out.write_all(bytes)?;
            return self.out.flush();
        }
        if binary {
            let (_, count) = self.binary.get_or_insert((media.to_owned(), 0));
            *count += bytes.len() as u64;
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        match stream || self.held.len() > HELD {
            true => self.release(None, true),
            false => Ok(()),
        }
    }

    /// Ends a good answer: its verdict gets its colour, what to run next is said.
    ///
    /// # Errors
    /// When the output is closed.
    pub(crate) fn end(&mut self, end: &End) -> io::Result<()> {
        let verdict = end.verdict.as_ref();
        self.release(
            verdict.map(|(severity, text)| (*severity, text.as_str())),
            false,
        )?;
        self.rest()?;
        if let Some((media, count)) = self.binary.take() {
            let media = plain::escape(&media);
            let text = format!("# {count} bytes of {media}: send them to a file with  > FILE");
            self.line(&text, Some(Paint::Dim), false)?;
        }
        if self.terminal.interactive && !self.json && !end.next.is_empty() {
            let next = format!("# next: {}", end.next.join("; "));
            self.line(&plain::escape(&next), Some(Paint::Dim), false)?;
        }
        self.out.flush()
    }

    /// Ends an answer that broke off.
    ///
    /// # Errors
    /// When the output is closed.
    pub(crate) fn abort(&mut self) -> io::Result<()> {
        self.release(None, false)?;
        self.rest()?;
        self.out.flush()
    }

    /// Prints the complete lines that are held.
    fn release(&mut self, verdict: Option<(Severity, &str)>, streamed: bool) -> io::Result<()> {
        let end = self.held.iter().rposition(|byte| *byte == b'\n');
        let Some(end) = end else { return Ok(()) };
        let rest = self.held.split_off(end + 1);
        let lines = std::mem::replace(&mut self.held, rest);
        let mut verdict = verdict;
        let count = lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.starts_with(b"#"))
            .count();
        let table = streamed || count > SHORT + 1;
        for line in lines
            .strip_suffix(b"\n")
            .unwrap_or(&lines)
            .split(|byte| *byte == b'\n')
        {
            let line = &*self.text(line);
            let said = verdict.filter(|(_, text)| plain::escape(text) == line);
            if said.is_some() {
                verdict = None;
            }
            let paint = match said {
                Some((Severity::Bad, _)) => Some(Paint::Red),
                Some((Severity::Warn, _)) => Some(Paint::Yellow),
                Some((Severity::Ok, _)) => None,
                None if line.starts_with('#') => Some(Paint::Dim),
                None if self.graded => grade(line),
                None => None,
            };
            let whole =
                !table || said.is_some() || self.json || self.graded || line.starts_with('#');
            self.line(line, paint, !whole)?;
        }
        self.out.flush()
    }

    /// Prints what is held without an end of line.
    fn rest(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.held);
        match rest.is_empty() {
            true => Ok(()),
            false => {
                let line = self.text(&rest);
                self.line(&line, None, false)
            }
        }
    }

    /// A line of the target as it may be shown.
    fn text<'b>(&self, line: &'b [u8]) -> Cow<'b, str> {
        match self.terminal.sanitise {
            false => String::from_utf8_lossy(line),
            true => Cow::Owned(escape::bytes(line)),
        }
    }

    /// Prints a line that is harmless, in a colour where there are colours, and cut at the edge of the
    /// screen if it may be.
    ///
    /// # Errors
    /// When the output is closed.
    pub(crate) fn line(
        &mut self,
        line: &str,
        paint: Option<Paint>,
        may_cut: bool,
    ) -> io::Result<()> {
        let shown = match self.terminal.width.filter(|_| may_cut) {
            Some(width) => cut(line, width),
            None => Cow::Borrowed(line),
        };
        match paint.filter(|_| self.terminal.colour) {
            Some(paint) => writeln!(self.out, "{}", paint.apply(&shown)),
            None => writeln!(self.out, "{shown}"),
        }
    }
}

/// The colour of a line of `triage`.
fn grade(line: &str) -> Option<Paint> {
    match line.split_ascii_whitespace().next()? {
        "BAD" => Some(Paint::Red),
        "warn" => Some(Paint::Yellow),
        _ => None,
    }
}

/// A failure as the console itself writes it: complete in its first line, hints behind `#`.
pub(crate) fn failure(failure: &Failure, terminal: &Terminal) -> String {
    let clean = |line: &str| match terminal.sanitise {
        true => plain::escape(line).into_owned(),
        false => line.to_owned(),
    };
    let mut text = clean(&failure.to_string());
    for hint in &failure.hints {
        let hint = format!("# {}", clean(hint));
        let hint = match terminal.colour {
            true => Paint::Dim.apply(&hint),
            false => hint,
        };
        text.push('\n');
        text.push_str(&hint);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use manhole::client::Code;

    const PERSON: Terminal = Terminal {
        interactive: true,
        colour: true,
        width: Some(20),
        sanitise: true,
    };

    fn end(severity: Severity) -> End {
        End {
            elapsed_ms: 1,
            verdict: Some((severity, "It is bad: a line longer than the screen.".into())),
            next: vec!["heap".into(), "gc run".into()],
        }
    }

    fn show(terminal: Terminal, chunks: &[&str], end: &End) -> String {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, terminal);
        for chunk in chunks {
            screen.data("text/plain", chunk.as_bytes(), false).unwrap();
        }
        screen.end(end).unwrap();
        String::from_utf8(out).unwrap()
    }

    const TEXT: &[&str] = &[
        "# heap x[1]: li",
        "ve\nIt is bad: a line longer than the screen.\n\n1 GiB  a::very::long::name\n",
    ];

    #[test]
    fn people_see_colours_from_the_data_and_cut_tables() {
        let shown = show(PERSON, TEXT, &end(Severity::Bad));
        assert_eq!(
            shown,
            "\x1b[2m# heap x[1]: live\x1b[0m\n\
             \x1b[31mIt is bad: a line longer than the screen.\x1b[0m\n\n\
             1 GiB  a::very::lon…\n\
             \x1b[2m# next: heap; gc run\x1b[0m\n"
        );
        assert!(show(PERSON, TEXT, &end(Severity::Warn)).contains("\x1b[33mIt is bad"));
        assert!(show(PERSON, TEXT, &end(Severity::Ok)).contains("\nIt is bad"));
    }

    #[test]
    fn what_a_short_answer_says_is_not_cut() {
        let text = "pricing.batch   32 -> 64     reverts by itself\n";
        assert_eq!(show(PERSON, &[text], &End::default()), text);
    }

    #[test]
    fn pipes_get_the_bytes_as_they_are() {
        let odd = "\x1b[31mred\x00 without an end";
        assert_eq!(show(Terminal::plain(), &[odd], &end(Severity::Bad)), odd);
        let paged = show(Terminal::pager(), &["a\x1b[31m\n"], &end(Severity::Bad));
        assert_eq!(paged, "a\\x1b[31m\n", "a pager shows it to a person");
    }

    #[test]
    fn what_the_target_says_cannot_reach_the_terminal_raw() {
        let check = |text: &str, expected: &str| {
            let terminal = Terminal {
                width: None,
                ..PERSON
            };
            assert_eq!(show(terminal, &[text], &End::default()), expected);
        };
        check("a\x1b]52;c;AAAA\x07\n", "a\\x1b]52;c;AAAA\\x07\n");
        check("no end\r", "no end\\x0d\n");
        let raw = Terminal {
            sanitise: false,
            ..PERSON
        };
        assert_eq!(show(raw, &["a\x1b[1m\n"], &End::default()), "a\x1b[1m\n");
    }

    #[test]
    fn a_verdict_cannot_be_forged_by_a_later_line() {
        let end = end(Severity::Bad);
        let line = &end.verdict.as_ref().unwrap().1;
        let shown = show(PERSON, &[&format!("{line}\n{line}\n")], &end);
        assert_eq!(shown.matches("\x1b[31m").count(), 1);
    }

    #[test]
    fn streams_come_line_by_line_and_files_never_reach_the_screen() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, PERSON);
        screen.data("text/plain", b"one\ntw", true).unwrap();
        screen
            .data("application/x-protobuf", b"\x00\x01", false)
            .unwrap();
        assert_eq!(screen.held, b"tw");
        screen.abort().unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "one\ntw\n");
    }

    #[test]
    fn the_lines_of_triage_have_the_colour_of_their_severity() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out, PERSON).graded(true);
        let text = b"BAD   fds  full\nwarn  heap\nok    cpu\n";
        screen.data("text/plain", text, true).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\x1b[31mBAD   fds  full\x1b[0m\n\x1b[33mwarn  heap\x1b[0m\nok    cpu\n"
        );
    }

    #[test]
    fn failures_read_as_over_the_socket() {
        let error = Failure::new(Code::Usage, "cpu: N is \x1b[1m").hint("usage: cpu [N]");
        let plain = Terminal {
            interactive: true,
            colour: false,
            ..PERSON
        };
        assert_eq!(
            failure(&error, &plain),
            "ERR usage cpu: N is \\x1b[1m\n# usage: cpu [N]"
        );
    }
}
