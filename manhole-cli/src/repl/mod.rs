//! `attach`: the prompt.

mod banner;
mod helper;
mod history;
mod output;
mod redirect;
mod revive;
mod suggest;
mod values;

use std::io::{self, BufRead, IsTerminal};

use manhole::client::{Kind, Patience, Trouble, uptime};
use nix::unistd::geteuid;
use rustyline::{
    CompletionType, Config, Editor, config::Configurer, error::ReadlineError, history::FileHistory,
};

use crate::{
    args::Options,
    exec::{self, Words, manner},
    interrupt,
    plain::escape,
    refusal,
    report::{Outcome, describe},
    run::Manner,
    table,
    target::{self, Opened, SILENT},
    terminal::Paint,
};
use helper::Assistant;
use redirect::{Job, To};
use values::Values;

type Lines = Editor<Assistant, FileHistory>;

/// Opens the prompt of the console that `target` means, and runs `first` before anything is typed.
/// Without a terminal, lines come from standard input, and nothing but answers is written.
pub(crate) fn attach(target: &str, first: &[Words], options: &Options) -> Outcome {
    let opened = target::open_one(target)?;
    let mut prompt = Prompt {
        opened,
        manner: manner(options),
    };
    let hello = prompt.opened.hello().map(|_| ());
    if let Err(error) = hello {
        return Err(refusal::explain_door(&prompt.opened, error));
    }
    if !io::stdin().is_terminal() {
        return prompt.script(first);
    }
    let _ignored = interrupt::ignored();
    prompt.greet();
    for words in first {
        prompt.execute(&Job {
            commands: vec![words.clone()],
            to: To::Screen,
        })?;
    }
    prompt.converse()
}

/// An open prompt.
struct Prompt {
    opened: Opened,
    manner: Manner,
}

impl Prompt {
    /// Runs what stands on standard input, line by line.
    fn script(&mut self, first: &[Words]) -> Outcome {
        let mut outcome = exec::run_all(&mut self.opened, first, &self.manner, true)?;
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|error| {
                Trouble::io(Kind::Failed, "failed to read standard input", &error)
            })?;
            match redirect::parse(&line) {
                Ok(job) if leaves(&job) => break,
                Ok(job) => outcome = outcome.or(self.execute(&job)?),
                Err(trouble) => {
                    eprintln!("{}", describe(&trouble, &self.manner.err));
                    outcome = outcome.or(Some(trouble.kind));
                }
            }
        }
        Ok(outcome)
    }

    fn greet(&mut self) {
        let pid = self.opened.client.pid();
        let mut facts = banner::Facts {
            up: uptime(pid),
            ..banner::Facts::default()
        };
        if let Ok(status) = std::fs::read(format!("/proc/{pid}/status")) {
            banner::from_status(&status, &mut facts);
        }
        for question in ["memory", "info"] {
            let words = [question, "--json"].map(str::to_owned);
            let answer = self
                .opened
                .client
                .collect(&words, Patience::of(SILENT), 1 << 20);
            if let Ok((answer, _)) = answer {
                banner::from_answer(&answer, &mut facts);
            }
        }
        let user = format!("uid {}", geteuid());
        if let Ok(hello) = self.opened.hello() {
            for line in banner::lines(hello, pid, &facts, &user) {
                println!("{}", escape(&line));
            }
        }
    }

    /// Reads and runs lines until the user leaves.
    fn converse(&mut self) -> Outcome {
        let mut editor = self.editor()?;
        let history = history::file();
        if let Some(path) = &history {
            // A history that cannot be read is no reason not to attach.
            let _ = editor.load_history(path);
        }
        loop {
            let line = match editor.readline(&format!("{}> ", self.opened.label())) {
                Ok(line) => line,
                Err(ReadlineError::Eof) => return Ok(None),
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => continue,
                Err(ReadlineError::Errno(nix::errno::Errno::EINTR)) => continue,
                Err(error) => {
                    return Err(Trouble::new(
                        Kind::Failed,
                        format!("failed to read a line: {error}"),
                    ));
                }
            };
            let kept = editor.add_history_entry(&line).unwrap_or(false);
            if let Some(path) = history.as_ref().filter(|_| kept) {
                let _ = editor.append_history(path);
            }
            match redirect::parse(&line) {
                Ok(job) if leaves(&job) => return Ok(None),
                Ok(job) => {
                    let pid = self.opened.client.pid();
                    self.execute(&job)?;
                    if self.opened.client.pid() != pid {
                        editor.set_helper(Some(self.assistant()));
                    }
                }
                Err(trouble) => eprintln!("ERR usage {}", escape(&trouble.text)),
            }
        }
    }

    fn editor(&mut self) -> Result<Lines, Trouble> {
        let failed = |error: ReadlineError| {
            Trouble::new(
                Kind::Failed,
                format!("failed to set up the prompt: {error}"),
            )
        };
        let config = Config::builder()
            .max_history_size(history::KEPT)
            .map_err(failed)?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        // A line at a time needs no synchronisation, and scripts that drive us need not see it.
        editor.enable_synchronized_output(false);
        editor.set_helper(Some(self.assistant()));
        Ok(editor)
    }

    fn assistant(&mut self) -> Assistant {
        let table = table::fetch(&mut self.opened.client, SILENT * 2).unwrap_or_default();
        let values = Values::new(self.opened.way.clone());
        Assistant::new(table, values, self.manner.out.colour)
    }

    /// Runs a line. A connection that was lost is made again, once; what was under way is not
    /// repeated, and nothing is run in a process that it was not typed for.
    fn execute(&mut self, job: &Job) -> Outcome {
        if job.commands.is_empty() {
            return Ok(None);
        }
        if !self.opened.client.is_usable() && !self.revive()? {
            self.note("# the line was not run there: repeat it if it is meant for this process");
            return Ok(Some(Kind::Failed));
        }
        match self.perform(job) {
            Err(trouble) if !self.opened.client.is_usable() && trouble.kind != Kind::Refused => {
                eprintln!("{}", describe(&trouble, &self.manner.err));
                self.revive()?;
                Ok(Some(trouble.kind))
            }
            Err(trouble) => {
                eprintln!("{}", describe(&trouble, &self.manner.err));
                Ok(Some(trouble.kind))
            }
            Ok(kind) => Ok(kind),
        }
    }

    fn note(&self, line: &str) {
        let line = escape(line);
        match self.manner.err.colour {
            true => eprintln!("{}", Paint::Dim.apply(&line)),
            false => eprintln!("{line}"),
        }
    }
}

/// Whether a line asks to leave.
fn leaves(job: &Job) -> bool {
    let word = match job.commands.as_slice() {
        [words] => words.as_slice(),
        _ => return false,
    };
    matches!(word, [word] if ["quit", "exit", "q"].contains(&word.as_str()))
}
