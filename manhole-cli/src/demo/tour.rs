//! The tour: six questions, the command for each, and what the live process answers to it.

use std::{
    env,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use manhole::client::{CallError, Kind, LONGEST, Patience, Trouble, words};

use super::{Stop, child::Service, say};
use crate::{
    args::Options,
    display,
    plain::escape,
    target::{self, Opened},
    terminal::Terminal,
};

/// How long the service runs before the first question: rates need some time to be rates.
const WARM_UP: Duration = Duration::from_millis(2700);

/// How long a report has been written when somebody looks who waits for its lock: they have waited
/// for long enough to be noticed, and there is time left to look.
const UNDER_WAY: Duration = Duration::from_millis(1200);

/// A service in which no report is written for so long is shown as it is.
const NO_REPORT: Duration = Duration::from_secs(8);

/// An answer is some hundred bytes.
const CAP: usize = 1 << 20;

/// Where the command stands in the line of the question.
const COLUMN: usize = 58;

/// One question.
#[derive(Clone, Copy)]
struct Step {
    question: &'static str,
    /// What answers it, as one types it at the prompt.
    line: &'static str,
    /// How it is asked from a shell.
    way: Way,
    /// Lines of the answer that are shown.
    rows: usize,
    /// Whether it is about those who wait for the lock while a report is written.
    report: bool,
    /// Milliseconds to read them, before the next question.
    pause: u64,
}

/// A way to ask.
#[derive(Clone, Copy)]
enum Way {
    /// `manhole-cli exec PID LINE`
    Exec,
    /// `echo LINE | nc -U SOCKET`
    Netcat,
}

const STEPS: [Step; 6] = [
    Step {
        question: "What is wrong?",
        line: "triage",
        way: Way::Exec,
        rows: 5,
        report: true,
        pause: 600,
    },
    Step {
        question: "Who waits for whom? Works while the runtime is stuck.",
        line: "stacks",
        way: Way::Netcat,
        rows: 6,
        report: true,
        pause: 0,
    },
    Step {
        question: "Who is busy, and who waits?",
        line: "threads",
        way: Way::Exec,
        rows: 6,
        report: false,
        pause: 1_200,
    },
    Step {
        question: "Who holds the memory, and what grows?",
        line: "heap leaks --min-age 2s",
        way: Way::Exec,
        rows: 4,
        report: false,
        pause: 1_200,
    },
    Step {
        question: "Have it give some back.",
        line: "gc run",
        way: Way::Exec,
        rows: 6,
        report: false,
        pause: 1_200,
    },
    Step {
        question: "Change a setting while it runs.",
        line: "vars set pricing.batch 64 for 10m",
        way: Way::Exec,
        rows: 1,
        report: false,
        pause: 0,
    },
];

/// Takes the tour; `Some(kind)` when a question was not answered.
pub(super) fn run(service: &Service, options: &Options) -> Result<Option<Kind>, Stop> {
    let mut opened = target::open_one(&service.socket.to_string_lossy())?;
    let program = program();
    let mut outcome = None;
    thread::sleep(WARM_UP);
    for (number, step) in (1..).zip(&STEPS) {
        let command = step.paste(&program, service.pid, &service.socket);
        let question = format!("{number}. {}", step.question);
        say(&format!("{question:<COLUMN$}  $ {command}\n"))?;
        if step.report {
            await_report(&mut opened)?;
        }
        outcome = outcome.or(show(step, &mut opened, options)?);
        thread::sleep(Duration::from_millis(step.pause));
    }
    say(&format!(
        "Try it yourself:  {program} demo      (in a terminal: the same service, and a prompt)\n\
         In your service:  cargo add manhole     then manhole::install(); first in main          README.md has the rest\n",
    ))?;
    Ok(outcome)
}

/// Waits until a report has just been begun, and a little longer.
fn await_report(opened: &mut Opened) -> Result<(), Trouble> {
    let words = ["vars", "get", "report.writing"].map(str::to_owned);
    let until = Instant::now() + NO_REPORT;
    for awaited in ["0", "1"] {
        let mut seen = String::new();
        while seen.trim_end() != awaited && Instant::now() < until {
            thread::sleep(Duration::from_millis(20));
            let (answer, _) = opened
                .client
                .collect(&words, Patience::of(NO_REPORT), CAP)?;
            seen = String::from_utf8_lossy(&answer).into_owned();
        }
    }
    thread::sleep(UNDER_WAY);
    Ok(())
}

/// Asks, and shows the answer or why there is none.
fn show(step: &Step, opened: &mut Opened, options: &Options) -> Result<Option<Kind>, Stop> {
    let commands = words::parse_line(step.line).unwrap_or_default();
    let words = commands.into_iter().next().unwrap_or_default();
    let patience = Patience::of(options.timeout.unwrap_or(LONGEST));
    let (text, outcome) = match opened.client.collect(&words, patience, CAP) {
        Ok((answer, _)) if step.line == "stacks" => (stacks(&answer, step.rows), None),
        Ok((answer, _)) => (excerpt(&answer, 0, step.rows), None),
        Err(CallError::Failed(failure)) => {
            let text = display::failure(&failure, &Terminal::stdout(options));
            (format!("{text}\n"), Some(Kind::Failed))
        }
        Err(CallError::Lost(trouble)) => return Err(trouble.into()),
    };
    say(&format!("{text}\n"))?;
    Ok(outcome)
}

impl Step {
    /// What one pastes into a shell.
    fn paste(&self, program: &str, pid: u32, socket: &Path) -> String {
        let line = quoted(self.line);
        match self.way {
            Way::Exec => format!("{program} exec {pid} {line}"),
            Way::Netcat => format!("echo {line} | nc -U {}", socket.display()),
        }
    }
}

/// A line of ours as a shell takes it.
fn quoted(line: &str) -> String {
    match line.contains(['*', '?', ';', '|']) {
        true => format!("'{line}'"),
        false => line.to_owned(),
    }
}

/// The first group of stacks, whose verdict stood in `triage`, and what the look at them took.
fn stacks(answer: &[u8], rows: usize) -> String {
    let text = String::from_utf8_lossy(answer);
    let provenance = text.lines().next().unwrap_or_default();
    let about = provenance.split_once("Z: ").map_or("", |(_, about)| about);
    let took = about.split(';').next().unwrap_or_default();
    let took = format!("   (of {took}; nobody was stopped)\n");
    excerpt(answer, 1, rows) + &escape(took.trim_end()) + "\n"
}

/// The lines that say something, as a person reads them: `rows` of them, without the first `skip`.
fn excerpt(answer: &[u8], skip: usize, rows: usize) -> String {
    let text = String::from_utf8_lossy(answer);
    let telling = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    telling
        .skip(skip)
        .take(rows)
        .map(|line| format!("{}\n", escape(line)))
        .collect()
}

/// How one starts this program here: by its name where the shell finds it, else as it was started.
fn program() -> String {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|directory| directory.join(NAME).is_file());
    let started = env::args().next().unwrap_or_default();
    name_of(found, &started)
}

const NAME: &str = "manhole-cli";

fn name_of(found: bool, started: &str) -> String {
    match found || !Path::new(started).ends_with(NAME) {
        true => NAME.to_owned(),
        false => words::quote(started),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_has_what_a_person_reads_first() {
        let answer = b"# threads x[1]: 3\nAll is well.\n\n  tid  name\n    1  a\x1b[1m\n    2  b\n# next: x\n";
        assert_eq!(
            excerpt(answer, 0, 3),
            "All is well.\n  tid  name\n    1  a\\x1b[1m\n"
        );
        assert_eq!(excerpt(answer, 2, 1), "    1  a\\x1b[1m\n");
        assert_eq!(excerpt(b"", 0, 3), "");
        let answer =
            b"# stacks x[1] h 2026-11-21T03:12:44Z: 8 threads in 2 ms, all answered; names, 3 ms\n\
            Two wait.\n\nWAIT\n   2  w\n";
        assert_eq!(
            stacks(answer, 1),
            "WAIT\n   (of 8 threads in 2 ms, all answered; nobody was stopped)\n"
        );
    }

    #[test]
    fn every_step_can_be_pasted_and_means_one_command() {
        let paste = |step: &Step| step.paste("manhole-cli", 7, Path::new("/tmp/7.sock"));
        assert_eq!(STEPS.len(), 6);
        for step in &STEPS {
            assert_eq!(words::parse_line(step.line).unwrap().len(), 1);
        }
        assert_eq!(paste(&STEPS[0]), "manhole-cli exec 7 triage");
        assert_eq!(paste(&STEPS[1]), "echo stacks | nc -U /tmp/7.sock");
        let quoted = Step {
            line: "vars http.*",
            ..STEPS[1]
        };
        assert_eq!(paste(&quoted), "echo 'vars http.*' | nc -U /tmp/7.sock");
    }

    #[test]
    fn the_program_is_called_as_the_shell_finds_it() {
        let check = |found, started, expected: &str| assert_eq!(name_of(found, started), expected);
        check(true, "target/release/manhole-cli", "manhole-cli");
        check(
            false,
            "target/release/manhole-cli",
            "target/release/manhole-cli",
        );
        check(false, "/my dir/manhole-cli", "'/my dir/manhole-cli'");
        check(false, "/target/debug/cli", "manhole-cli");
        check(false, "", "manhole-cli");
    }
}
