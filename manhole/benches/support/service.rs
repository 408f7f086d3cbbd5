//! Another process: this program in a role, or a peer. It ends with its handle.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A running process and the directory it may put its socket in.
pub struct Service {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    dir: PathBuf,
}

impl Service {
    /// This program in `role`.
    pub fn start(role: &str) -> Self {
        Self::start_in(role, fresh_dir())
    }

    /// The same, of a copy of this program without debug information; `None` without binutils' strip.
    #[allow(dead_code, reason = "one benchmark asks for it")]
    pub fn start_stripped(role: &str) -> Option<Self> {
        let dir = fresh_dir();
        let copy = dir.join("stripped");
        let mut strip = Command::new("strip");
        strip.arg("--strip-debug").arg("-o").arg(&copy);
        let stripped = strip.arg(std::env::current_exe().unwrap()).status();
        stripped.ok().filter(|status| status.success())?;
        let mut command = Command::new(copy);
        command.args(["--role", role]);
        Some(Self::run(command, dir))
    }

    /// The same with a given directory.
    pub fn start_in(role: &str, dir: PathBuf) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--role", role]);
        Self::run(command, dir)
    }

    /// A peer: gets the socket's path as its only argument.
    pub fn peer(program: &Path) -> Self {
        let dir = fresh_dir();
        let mut command = Command::new(program);
        command.arg(dir.join("peer.sock"));
        Self::run(command, dir)
    }

    fn run(mut command: Command, dir: PathBuf) -> Self {
        let mut child = command
            .env("MANHOLE_DIR", &dir)
            .env_remove("MANHOLE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
            dir,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "the process ended early");
        line.trim_end().to_owned()
    }

    /// The next line, as a number.
    pub fn number(&mut self) -> u64 {
        let line = self.line();
        line.parse()
            .unwrap_or_else(|_| panic!("not a number: {line}"))
    }

    /// Lets it go on with the next step.
    pub fn go(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A directory of our own for one socket.
pub fn fresh_dir() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("manhole-bench-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    std::fs::create_dir(&dir).unwrap();
    dir
}

/// In a role: waits until the benchmark says `go`, or ends the process with it.
pub fn wait() {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line).unwrap_or(0) == 0 {
        std::process::exit(0);
    }
}

/// In a role: tells the benchmark something.
pub fn say(what: impl std::fmt::Display) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").and_then(|()| out.flush()).unwrap();
}
