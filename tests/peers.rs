//! The programs people really use to talk to a socket, run with a time-out.

use crate::wait;
use std::{
    ffi::{OsStr, OsString},
    io::{Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
};

/// Programs and the Debian packages that bring them.
const PACKAGES: [(&str, &str); 17] = [
    ("nc", "netcat-openbsd"),
    ("nc.openbsd", "netcat-openbsd"),
    ("ncat", "ncat"),
    ("socat", "socat"),
    ("curl", "curl"),
    ("python3", "python3"),
    ("go", "golang-go"),
    ("strace", "strace"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("setsid", "util-linux"),
    ("nsenter", "util-linux"),
    ("mount", "mount"),
    ("tar", "tar"),
    ("strip", "binutils"),
    ("nm", "binutils"),
    ("objdump", "binutils"),
];

/// Where a program is.
///
/// # Panics
/// When it is not installed, naming the package.
#[track_caller]
pub fn find(program: &str) -> PathBuf {
    // The system's own first: what a user has put before it in PATH may not be for other users.
    let system = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = system.into_iter().chain(std::env::split_paths(&path));
    let found = dirs
        .map(|dir| dir.join(program))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| {
        let package = PACKAGES.iter().find(|(name, _)| *name == program);
        let package = package.map_or("that brings it", |(_, package)| package);
        panic!("{program} is not installed; apt-get install {package}")
    })
}

/// What a program did.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub status: ExitStatus,
    /// Its output.
    pub stdout: Vec<u8>,
    /// Its complaints.
    pub stderr: String,
}

impl Outcome {
    /// The output as text.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("text")
    }

    /// The exit code; `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// A program that is to be run.
#[derive(Debug)]
pub struct Peer {
    words: Vec<OsString>,
    env: Vec<(String, OsString)>,
}

impl Peer {
    /// `words[0]` is looked up in PATH, the others are its arguments.
    #[track_caller]
    pub fn new<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        let mut words: Vec<OsString> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let program = words[0].to_str().expect("a program's name");
        if !program.contains('/') {
            words[0] = find(program).into();
        }
        Self {
            words,
            env: Vec::new(),
        }
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.words
            .extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The same, run by another program: `setpriv ...`, `unshare ...`.
    #[must_use]
    pub fn by(mut self, wrapper: &[String]) -> Self {
        let wrapper = Peer::new(wrapper).words;
        self.words.splice(0..0, wrapper);
        self
    }

    /// The command, for whoever wants to start it differently.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it with `input` on its standard input, which ends then.
    ///
    /// # Panics
    /// When it cannot be started, or does not end.
    #[track_caller]
    pub fn run(&self, input: impl AsRef<[u8]>) -> Outcome {
        let mut child = self.start();
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.as_ref().to_vec();
        // A program that does not read its input must not hang the test.
        let feeder = thread::spawn(move || drop(stdin.write_all(&input)));
        let outcome = self.finish(child);
        feeder.join().expect("the feeder ends");
        outcome
    }

    /// Runs it with its standard input left open and silent, as on a terminal that nobody types at.
    ///
    /// # Panics
    /// As [`Peer::run`].
    #[track_caller]
    pub fn run_open(&self, input: impl AsRef<[u8]>) -> Outcome {
        let mut child = self.start();
        let mut stdin = child.stdin.take().expect("a pipe");
        let _ = stdin.write_all(input.as_ref()); // whoever is gone has said why
        let outcome = self.finish(child);
        drop(stdin);
        outcome
    }

    #[track_caller]
    fn start(&self) -> Child {
        let mut command = self.command();
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {:?}: {error}", self.words))
    }

    #[track_caller]
    fn finish(&self, mut child: Child) -> Outcome {
        let stdout = collect(child.stdout.take().expect("a pipe"));
        let stderr = collect(child.stderr.take().expect("a pipe"));
        let deadline = std::time::Instant::now() + wait::PATIENCE;
        while child.try_wait().expect("our child").is_none() {
            if std::time::Instant::now() > deadline {
                let _ = child.kill(); // it may end at this very moment
                let said = String::from_utf8_lossy(&stdout.join().expect("a reader")).into_owned();
                let start: String = said.chars().take(400).collect();
                panic!("{:?} does not end; it printed {start:?}", self.words);
            }
            thread::sleep(std::time::Duration::from_millis(5));
        }
        Outcome {
            status: child.wait().expect("our child"),
            stdout: stdout.join().expect("a reader"),
            stderr: String::from_utf8_lossy(&stderr.join().expect("a reader")).into_owned(),
        }
    }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes); // what came before an error is what there is
        bytes
    })
}

/// The clients that PROTOCOL promises whole replies to, by name, each with its command line.
pub fn netcats(socket: &Path) -> Vec<(&'static str, Peer)> {
    let connect = || format!("UNIX-CONNECT:{}", socket.display());
    vec![
        ("nc -U", Peer::new(["nc.openbsd", "-U"]).arg(socket)),
        (
            "nc -N -U",
            Peer::new(["nc.openbsd", "-N", "-U"]).arg(socket),
        ),
        ("ncat -U", Peer::new(["ncat", "-U"]).arg(socket)),
        (
            "socat -t60",
            Peer::new(["socat", "-t60", "-"]).arg(connect()),
        ),
        (
            "socat ignoreeof",
            Peer::new(["socat", "STDIO,ignoreeof"]).arg(connect()),
        ),
        ("python3", Peer::new(["python3", "-c", PYTHON]).arg(socket)),
    ]
}

/// The shortest honest client: sends, reads to the end, never half-closes.
const PYTHON: &str = "
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
while True:
    data = s.recv(65536)
    if not data: break
    sys.stdout.buffer.write(data)
";

/// `curl` for a path of the console's.
pub fn curl(socket: &Path, path: &str) -> Peer {
    let socket: &OsStr = socket.as_ref();
    Peer::new(["curl", "--silent", "--show-error", "--unix-socket"])
        .arg(socket)
        .arg(format!("http://localhost{path}"))
}
