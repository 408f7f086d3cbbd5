//! A program on a pseudo-terminal, as a person has it before them.

use crate::{peers, wait};
use nix::pty::{Winsize, openpty};
use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

/// A program that believes in its terminal.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    master: File,
    /// Everything that was written to the terminal.
    screen: Arc<Mutex<Vec<u8>>>,
    /// Reads until nobody has the terminal open.
    reader: thread::JoinHandle<()>,
    /// How much of the plain text `expect` has gone past.
    seen: usize,
}

impl Terminal {
    /// Starts `program` on a terminal of 100 columns, which becomes its controlling one.
    ///
    /// # Panics
    /// When that fails.
    #[track_caller]
    pub fn start(program: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let size = Winsize {
            ws_row: 40,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a pseudo-terminal");
        let slave = || pty.slave.try_clone().expect("a descriptor");
        let mut command = Command::new(peers::find("setsid"));
        command.arg("--ctty").arg(program).args(args);
        command
            .env("TERM", "xterm-256color")
            .env_remove("NO_COLOR")
            .envs(env.iter().copied());
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let master = File::from(pty.master);
        let screen = Arc::default();
        let reader = watch(
            master.try_clone().expect("a descriptor"),
            Arc::clone(&screen),
        );
        Self {
            child,
            master,
            screen,
            reader,
            seen: 0,
        }
    }

    /// Types `keys`; `\r` is Enter, `\t` TAB, `\x03` Ctrl-C, `\x04` Ctrl-D.
    ///
    /// # Panics
    /// When the terminal is gone.
    #[track_caller]
    pub fn type_keys(&mut self, keys: &str) {
        self.master
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Types `keys` at a terminal that may be gone.
    pub fn try_type_keys(&mut self, keys: &str) {
        let _ = self.master.write_all(keys.as_bytes()); // nobody reads them then
    }

    /// Types a line and Enter.
    #[track_caller]
    pub fn enter(&mut self, line: &str) {
        self.type_keys(&format!("{line}\r"));
    }

    /// Waits until `text` is shown, beyond what was expected before, and returns what came up to it,
    /// without the terminal's control sequences.
    ///
    /// # Panics
    /// When it is not shown.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let (before, end) = wait::until(
            &format!("{text:?} on the terminal\n{}", self.plain()),
            || {
                let plain = self.plain();
                let from = plain.get(self.seen..)?;
                let at = from.find(text)?;
                Some((from[..at].to_owned(), self.seen + at + text.len()))
            },
        );
        self.seen = end;
        before
    }

    /// Everything that was written, control sequences and all.
    pub fn raw(&self) -> Vec<u8> {
        self.screen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The same without the terminal's control sequences.
    pub fn plain(&self) -> String {
        plain(&String::from_utf8_lossy(&self.raw()))
    }

    /// Waits for the program's end.
    ///
    /// # Panics
    /// When it lives on.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait::until("the program on the terminal ends", || self.ended())
    }

    /// How the program ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our child")
    }

    /// Waits until everything that was written has been read, after the program's end.
    ///
    /// # Panics
    /// When somebody else keeps the terminal open.
    #[track_caller]
    pub fn drain(&mut self) {
        wait::until_true("the end of the output", || self.reader.is_finished());
    }

    /// The process id of the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the terminal showed:\n{}", self.plain());
        }
    }
}

fn watch(mut master: File, screen: Arc<Mutex<Vec<u8>>>) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The end of the last program on it is an error of the terminal's.
        while let Ok(count @ 1..) = master.read(&mut buffer) {
            screen
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(&buffer[..count]);
        }
    })
}

/// `text` without escape sequences and carriage returns.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {}
            '\x1b' => match chars.next() {
                Some('[') => drop(chars.by_ref().find(|c| ('@'..='~').contains(c))),
                Some(']') => drop(chars.by_ref().find(|c| *c == '\x07')),
                _ => {}
            },
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_dropped_and_text_stays() {
        assert_eq!(
            plain("\x1b[1;31mBAD\x1b[0m x\r\n\x1b]0;title\x07y\x1b=z"),
            "BAD x\nyz"
        );
    }
}
