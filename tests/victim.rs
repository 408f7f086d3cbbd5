//! A service under test: a process with a console that does to itself what a test asks.

use crate::{
    conn::Conn,
    peers, procfs,
    scratch::{self, Scratch},
    users, wait,
};
use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead, BufReader, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

/// How a victim is to be started.
#[derive(Debug)]
pub struct Setup {
    program: PathBuf,
    wrapper: Vec<String>,
    env: Vec<(String, OsString)>,
    scratch: Scratch,
    wedged: bool,
}

/// A running victim; it is killed when it is dropped.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    stdin: Option<ChildStdin>,
    answers: Receiver<String>,
    scratch: Scratch,
    /// Further processes that end with this one: its forked children, its daemon.
    wards: Vec<u32>,
    /// The end of its standard error that nobody reads, if it has such a one.
    _unread: Option<OwnedFd>,
}

impl Setup {
    /// A victim in a directory of its own, with nothing of the tests' environment that concerns
    /// consoles.
    pub fn new(program: impl AsRef<Path>) -> Self {
        Self {
            program: scratch::program(program.as_ref()),
            wrapper: Vec::new(),
            env: Vec::new(),
            scratch: Scratch::new(),
            wedged: false,
        }
    }

    /// With a pipe for its standard error that is full and that nobody reads.
    #[must_use]
    pub fn wedged_stderr(mut self) -> Self {
        self.wedged = true;
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Run by another program, as `unshare`; a later wrapper runs inside an earlier one.
    #[must_use]
    pub fn by<S: AsRef<str>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
        self.wrapper
            .extend(words.into_iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Run as `uid`, to whom its directory belongs. Takes root.
    #[must_use]
    pub fn as_user(mut self, uid: u32) -> Self {
        self.scratch = Scratch::of(uid);
        self.by(users::become_user(uid, &[]))
    }

    /// Run with its own, empty /tmp, /run and /dev/shm, after `script` was run there by the shell.
    /// What it puts there is seen from outside by [`Victim::outside`]. Takes root.
    #[must_use]
    pub fn jailed(self, script: &str) -> Self {
        let mounts = "mount -t tmpfs -o mode=1777 tmp /tmp && mount -t tmpfs -o mode=755 run /run && \
                      mount -t tmpfs -o mode=1777 shm /dev/shm";
        self.unshared(&["--mount"], &format!("{mounts} && {script}"))
    }

    /// Run in namespaces of its own, after `script` was run there by the shell.
    #[must_use]
    pub fn unshared(self, namespaces: &[&str], script: &str) -> Self {
        let unshare = ["unshare", "--propagation", "private"];
        let words: &[&str] = if namespaces.contains(&"--mount") {
            &unshare
        } else {
            &unshare[..1]
        };
        let script = format!("{script} && exec \"$@\"");
        self.by(words)
            .by(namespaces)
            .by(["sh", "-ec", &script, "sh"])
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Starts it; nothing is installed yet.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(self) -> Victim {
        let mut words: Vec<OsString> = self.wrapper.iter().map(OsString::from).collect();
        if let Some(first) = words.first_mut() {
            *first = peers::find(&self.wrapper[0]).into();
        }
        words.push(self.program.into());
        let log = fs::File::create(self.scratch.join("stderr")).expect("a file in our directory");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).current_dir("/");
        for name in [
            "MANHOLE",
            "MANHOLE_DIR",
            "MANHOLE_MAX_LEVEL",
            "RUNTIME_DIRECTORY",
            "RUST_BACKTRACE",
        ] {
            command.env_remove(name);
        }
        command.envs(self.env);
        let (unread, full) = full_pipe();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        match self.wedged {
            true => command.stderr(full),
            false => command.stderr(log),
        };
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {words:?}: {error}"));
        let answers = lines(child.stdout.take().expect("a pipe"));
        Victim {
            stdin: child.stdin.take(),
            child,
            answers,
            scratch: self.scratch,
            wards: Vec::new(),
            _unread: self.wedged.then_some(unread),
        }
    }

    /// Starts it and installs a console in its directory.
    ///
    /// # Panics
    /// When it does not come to listen.
    #[track_caller]
    pub fn install(self) -> Victim {
        self.install_with("")
    }

    /// The same with more options, as `max_level=view allow_uid=7:inspect`.
    ///
    /// # Panics
    /// As [`Setup::install`].
    #[track_caller]
    pub fn install_with(self, options: &str) -> Victim {
        let mut victim = self.start();
        victim.install(options);
        victim
    }
}

impl Victim {
    /// Has it do something and returns what it says.
    ///
    /// # Panics
    /// When it cannot.
    #[track_caller]
    pub fn tell(&mut self, deed: &str) -> String {
        match self.ask(deed) {
            Ok(answer) => answer,
            Err(error) => panic!("{deed}: {error}\n{}", self.stderr()),
        }
    }

    /// Has it do something that it may fail at.
    ///
    /// # Errors
    /// What it says about its failure.
    #[track_caller]
    pub fn ask(&mut self, deed: &str) -> Result<String, String> {
        self.order(deed);
        let answer = self.answers.recv_timeout(wait::PATIENCE);
        let answer = answer.unwrap_or_else(|_| panic!("{deed}: no answer\n{}", self.stderr()));
        match answer.split_once(' ').unwrap_or((&answer, "")) {
            ("ok", rest) => Ok(rest.to_owned()),
            ("err", rest) => Err(rest.to_owned()),
            _ => panic!("{deed}: {answer:?} is no answer"),
        }
    }

    /// Has it do something that it cannot answer: to end, to hang.
    #[track_caller]
    pub fn order(&mut self, deed: &str) {
        let stdin = self.stdin.as_mut().expect("its standard input is open");
        writeln!(stdin, "{deed}")
            .unwrap_or_else(|error| panic!("{deed}: {error}\n{}", self.stderr()));
    }

    /// Installs a console in its directory, with `options`, and waits until it listens.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn install(&mut self, options: &str) {
        let dir = self.scratch.join("console");
        self.tell(&format!("install dir={} {options}", dir.display()));
        self.socket();
    }

    /// Waits until it listens and returns the socket's path, as it says it.
    ///
    /// # Panics
    /// When it does not come to listen.
    #[track_caller]
    pub fn socket(&mut self) -> PathBuf {
        wait::until("the console listens", || self.path())
    }

    /// The socket's path, as it says it, if it listens.
    #[track_caller]
    pub fn path(&mut self) -> Option<PathBuf> {
        let answer = self.tell("path");
        (!answer.is_empty()).then(|| PathBuf::from(answer))
    }

    /// What became of its console, in its own words.
    #[track_caller]
    pub fn status(&mut self) -> String {
        self.tell("status")
    }

    /// A connection to its console.
    #[track_caller]
    pub fn connect(&mut self) -> Conn {
        Conn::open(&self.socket())
    }

    /// The path by which we reach what the victim calls `path`.
    pub fn outside(&self, path: &Path) -> PathBuf {
        let path = path.strip_prefix("/").unwrap_or(path);
        PathBuf::from(format!("/proc/{}/root", self.pid())).join(path)
    }

    /// Its process id as we see it: of the process that was started, which a wrapper may have
    /// replaced by itself or not.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Everything it wrote to its standard error.
    pub fn stderr(&self) -> String {
        let bytes = fs::read(self.scratch.join("stderr")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Puts a further process under our care: it ends with this one.
    pub fn ward(&mut self, pid: u32) {
        self.wards.push(pid);
    }

    /// Closes its standard input; it ends by itself then, unless it was told to stay.
    pub fn release(&mut self) {
        self.stdin = None;
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it lives on.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait::until("the victim ends", || {
            self.child.try_wait().expect("our child")
        })
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid() as i32);
        let _ = nix::sys::signal::kill(pid, signal); // it may be gone
    }

    /// Kills it and waits.
    #[track_caller]
    pub fn kill(&mut self) {
        let _ = self.child.kill(); // it may be gone
        self.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        for ward in &self.wards {
            let pid = nix::unistd::Pid::from_raw(*ward as i32);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL);
        }
        self.stdin = None;
        let _ = self.child.kill(); // it may be gone
        let _ = self.child.wait();
        if thread::panicking() {
            let said = self.stderr();
            if !said.is_empty() {
                eprintln!("the victim had said:\n{said}");
            }
        }
    }
}

/// Both ends of a pipe that takes no byte more.
fn full_pipe() -> (OwnedFd, OwnedFd) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
    let block = |flags| fcntl(&write, FcntlArg::F_SETFL(flags)).expect("its flags");
    block(OFlag::O_NONBLOCK);
    while nix::unistd::write(&write, &[b'x'; 4096]).is_ok() {}
    while nix::unistd::write(&write, b"x").is_ok() {}
    block(OFlag::empty());
    (read, write)
}

fn lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Whether something accepts connections at `path`.
pub fn accepts(path: &Path) -> bool {
    UnixStream::connect(path).is_ok()
}

/// The process that listens at `path`, as we number it.
///
/// # Panics
/// When nobody does.
#[track_caller]
pub fn pid_behind(path: &Path) -> u32 {
    use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
    let stream =
        UnixStream::connect(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let peer = getsockopt(&stream, PeerCredentials).expect("its credentials");
    u32::try_from(peer.pid()).expect("a pid")
}

/// Waits until the process has gone.
///
/// # Panics
/// When it lives on.
#[track_caller]
pub fn wait_gone(pid: u32) {
    wait::until_true("the process has gone", || !procfs::lives(pid));
}
