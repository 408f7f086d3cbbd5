//! Where the output of a line goes: the screen, a file, a command of the shell.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use manhole::client::{Kind, Trouble, units};

use super::{
    Prompt,
    redirect::{Job, To},
};
use crate::{
    display::Screen,
    exec::{self, Words},
    report::Outcome,
    run::{Manner, run},
    save::NewFile,
    terminal::Terminal,
};

impl Prompt {
    /// Runs a line on the connection there is.
    pub(super) fn perform(&mut self, job: &Job) -> Outcome {
        match &job.to {
            To::Screen => self.all(&job.commands, &self.manner.clone(), &mut io::stdout()),
            To::File(path) => {
                let mut file = NewFile::create(path)?;
                let manner = self.manner_of(Terminal::plain());
                let mut counted = Counted {
                    out: &mut file,
                    bytes: 0,
                };
                let outcome = self.all(&job.commands, &manner, &mut counted)?;
                let bytes = counted.bytes;
                if outcome.is_none() {
                    file.keep()?;
                    self.note(&format!("# {} in {}", units::bytes(bytes), path.display()));
                }
                Ok(outcome)
            }
            To::Pipe(command) => self.pipe(job, command),
        }
    }

    fn pipe(&mut self, job: &Job, command: &str) -> Outcome {
        let failed = |error: &io::Error| Trouble::io(Kind::Failed, "failed to start sh", error);
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(command)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| failed(&error))?;
        let manner = self.manner_of(Terminal::pager());
        let outcome = match child.stdin.take() {
            Some(mut stdin) => self.all(&job.commands, &manner, &mut stdin),
            None => Ok(None),
        };
        // A pager ends when its reader has seen enough.
        child.wait().map_err(|error| failed(&error))?;
        outcome
    }

    fn manner_of(&self, out: Terminal) -> Manner {
        Manner { out, ..self.manner }
    }

    fn all(&mut self, commands: &[Words], manner: &Manner, out: &mut dyn Write) -> Outcome {
        let mut first = None;
        for words in commands {
            if commands.len() > 1 {
                let heading = format!("== {}\n", exec::line(words));
                let _ = Screen::new(out, manner.out).data("text/plain", heading.as_bytes(), true);
            }
            let kind = run(&mut self.opened, words, manner, out)?;
            first = first.or(kind);
            if kind == Some(Kind::TimedOut) {
                break;
            }
        }
        Ok(first)
    }
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
