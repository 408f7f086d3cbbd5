//! `manhole::client()`: a service's own binary as its client, for images that hold nothing else.

use std::{
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    process,
    time::Duration,
};

use super::{
    CallError, Client, HELPER_WORD, Kind, LONGEST, Patience, Piece, Target, Trouble, ask_all,
    by_name, by_pid, connect_path, open, run_helper, survey,
};
use crate::render::escape;

/// The first argument that turns a service into a client.
const WORD: &str = "manhole";

/// How this program starts itself as a helper.
const OURSELVES: &[&str] = &[WORD];

/// What the audit calls us.
const CLIENT: &str = concat!("manhole::client ", env!("CARGO_PKG_VERSION"));

/// What is held back until a line ends, in bytes.
const LONGEST_LINE: usize = 1 << 20;

/// A console that does not say who it is within this time is silent.
const SILENT: Duration = Duration::from_secs(1);

const USAGE: [&str; 3] = [
    "manhole list                 every console on this host",
    "manhole TARGET COMMAND...    one command, as in: manhole 1 triage",
    "TARGET is a PID, a name, the start of a container id, or a socket path",
];

/// Makes a service's binary its own client: call it first in `main`, and return if it says `true`.
///
/// When the first argument is `manhole`, as in `checkout manhole 1 triage` or
/// `checkout manhole list`, it does what a small `manhole-cli` would do and returns `true`. If
/// that fails it ends the process with the exit code of `manhole-cli`: 1 the command failed,
/// 2 usage, 3 refused, 4 no such target, 5 timed out. In all other cases it does nothing and returns
/// `false`, at the cost of looking at one argument.
///
/// ```no_run
/// if manhole::client() {
///     return;
/// }
/// manhole::install();
/// // the service
/// ```
pub fn client() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != WORD) {
        return false;
    }
    let words: Vec<String> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let code = match words.first() {
        Some(first) if first == HELPER_WORD => run_helper(),
        _ => finish(run(&words)),
    };
    match code {
        0 => true,
        code => process::exit(code.into()),
    }
}

/// Tells what went wrong; the exit code.
fn finish(outcome: Result<(), Trouble>) -> u8 {
    let Err(trouble) = outcome else {
        return 0;
    };
    let lines = std::iter::once(format!("manhole: {}", trouble.text))
        .chain(trouble.details.iter().map(|detail| format!("  {detail}")));
    for line in lines {
        // Nobody to tell is no more trouble.
        let _ = writeln!(io::stderr(), "{}", escape::one_line(&line));
    }
    trouble.kind.exit_code()
}

fn run(words: &[String]) -> Result<(), Trouble> {
    match words {
        [list] if list == "list" => show_all(),
        [help] if help == "--help" || help == "-h" || help == "help" => {
            USAGE.iter().for_each(|line| print(line));
            Ok(())
        }
        [target, command @ ..] if !command.is_empty() => execute(target, command),
        _ => {
            let trouble = Trouble::new(Kind::Usage, "a target and a command are wanted");
            Err(USAGE
                .iter()
                .fold(trouble, |trouble, line| trouble.detail(*line)))
        }
    }
}

fn show_all() -> Result<(), Trouble> {
    let known = ask_all(survey(), CLIENT, OURSELVES, SILENT);
    for one in &known {
        let level = match &one.hello {
            Ok(hello) => hello.level.as_str(),
            Err(trouble) => trouble.text.as_str(),
        };
        print(&format!("{:>7}  {}  {level}", one.found.pid, one.name()));
    }
    match known.is_empty() {
        true => Err(Trouble::new(Kind::NoTarget, "no consoles found")),
        false => Ok(()),
    }
}

fn execute(target: &str, command: &[String]) -> Result<(), Trouble> {
    let mut client = connect_to(target)?;
    let mut output = Output::new();
    let result = client.call(command, Patience::of(LONGEST), &mut |piece| match piece {
        Piece::Data { bytes, media, .. } => output.write(media, bytes),
        Piece::Progress { .. } => ControlFlow::Continue(()),
    });
    output.finish();
    match result {
        Err(_) if output.closed => Ok(()),
        Err(CallError::Failed(failure)) => {
            let mut trouble = Trouble::new(Kind::of_code(failure.code), failure.to_string());
            trouble.details = failure.hints;
            Err(trouble)
        }
        Err(CallError::Lost(trouble)) => Err(trouble),
        Ok(_) => Ok(()),
    }
}

fn connect_to(target: &str) -> Result<Client, Trouble> {
    match Target::parse(target) {
        Target::Pid(pid) => open(&by_pid(pid)?, CLIENT, OURSELVES),
        Target::Path(path) => Ok(Client::new(connect_path(&path)?, CLIENT)),
        Target::Name(name) => {
            let known = ask_all(survey(), CLIENT, OURSELVES, SILENT);
            open(&by_name(&known, &name)?.found, CLIENT, OURSELVES)
        }
    }
}

fn print(line: &str) {
    // A reader that has seen enough is no trouble.
    let _ = writeln!(io::stdout(), "{}", escape::line(line));
}

/// How much of `held` to show: whole lines. One that never ends must not fill our memory.
fn showable(held: &[u8]) -> usize {
    match held.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if held.len() > LONGEST_LINE => held.len(),
        None => 0,
    }
}

/// Standard output: bytes as they are into pipes, line by line and harmless on a terminal.
struct Output {
    terminal: bool,
    /// The line that is not complete yet.
    held: Vec<u8>,
    /// Whether the reader has gone.
    closed: bool,
}

impl Output {
    fn new() -> Self {
        Self {
            terminal: io::stdout().is_terminal(),
            held: Vec::new(),
            closed: false,
        }
    }

    fn write(&mut self, media: &str, bytes: &[u8]) -> ControlFlow<()> {
        let text = media.is_empty() || media.starts_with("text/") || media.ends_with("json");
        match (self.terminal, text) {
            (false, _) => self.put(bytes),
            (true, true) => {
                self.held.extend_from_slice(bytes);
                let rest = self.held.split_off(showable(&self.held));
                let lines = std::mem::replace(&mut self.held, rest);
                self.put(escape::bytes(&lines).as_bytes());
            }
            // A file is no sight for a terminal.
            (true, false) => {}
        }
        match self.closed {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let mut out = io::stdout();
        let written = out.write_all(bytes).and_then(|()| out.flush());
        self.closed |= written.is_err();
    }

    fn finish(&mut self) {
        let rest = std::mem::take(&mut self.held);
        self.put(escape::bytes(&rest).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[&str], expected: Kind) {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(run(&words).unwrap_err().kind, expected, "{words:?}");
    }

    #[test]
    fn a_service_that_is_started_as_usual_is_no_client() {
        // The test binary's first argument is a filter or nothing, never `manhole`.
        assert!(!client());
    }

    #[test]
    fn whole_lines_are_shown_and_endless_ones_in_pieces() {
        assert_eq!(showable(b"a\nb\nc"), 4);
        assert_eq!(showable(b"abc"), 0);
        assert_eq!(showable(&vec![b'x'; LONGEST_LINE + 1]), LONGEST_LINE + 1);
    }

    #[test]
    fn what_cannot_be_done_has_its_exit_code() {
        check(&[], Kind::Usage);
        check(&["4711"], Kind::Usage);
        check(&["2147483647", "triage"], Kind::NoTarget);
        check(&["/nonexistent.sock", "triage"], Kind::NoTarget);
    }
}
