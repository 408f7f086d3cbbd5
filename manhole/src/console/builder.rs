//! What a service may say about its console.

use super::{Console, start};
#[cfg(doc)]
use crate::ErrorKind;
use crate::{
    Error,
    app::{
        messages,
        routes::{Request, Response, Routes},
    },
    command::Record,
    model::Level,
};
use std::{os::fd::OwnedFd, path::PathBuf, sync::Arc, time::Duration};

/// A signal, by name; our own type, so that no crate of ours shows in your code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGUSR1.
    USR1,
    /// SIGUSR2.
    USR2,
    /// SIGURG: ignored by default and used by hardly anybody.
    URG,
    /// SIGPROF.
    PROF,
    /// SIGWINCH.
    WINCH,
    /// SIGHUP.
    HUP,
    /// `SIGRTMIN + n`.
    RealTime(u8),
}

/// What a forked child does about the console of its parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AfterFork {
    /// The child has no console; the default.
    #[default]
    None,
    /// The child gets a console of its own, after [`Builder::fork_delay`]. It needs one thread in
    /// every forked child.
    Reinstall,
}

/// Where the console listens.
#[derive(Debug, Default)]
pub(super) enum Place {
    /// The first directory that passes every check.
    #[default]
    Default,
    /// `<dir>/<pid>.sock`.
    Dir(PathBuf),
    /// Exactly here.
    Path(PathBuf),
    /// An open, listening Unix socket.
    Listener(OwnedFd),
}

/// Where the console's own lines go.
pub(super) type Lines = Arc<dyn Fn(&str) + Send + Sync>;
/// Where audit records go.
pub(super) type Audit = Arc<dyn Fn(&Record) + Send + Sync>;

/// A console to be installed.
///
/// ```
/// let console = manhole::builder()
///     .name("checkout")
///     .max_level(manhole::Level::Inspect)
/// #   .socket_dir(std::env::temp_dir().join(format!("manhole-doc-{}", std::process::id())))
///     .install();
/// println!("{:?}", console.status());
/// ```
#[must_use = "a builder does nothing before install()"]
#[derive(Default)]
pub struct Builder {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) place: Place,
    pub(super) uids: Vec<(u32, Level)>,
    pub(super) gids: Vec<(u32, Level)>,
    pub(super) max_level: Option<Level>,
    /// In a forked child: its parent's cap and why, which holds whatever the child's environment says.
    pub(super) inherited: Option<(Level, &'static str)>,
    pub(super) activate_on: Option<Signal>,
    pub(super) signal: Option<Signal>,
    pub(super) after_fork: AfterFork,
    pub(super) fork_delay: Option<Duration>,
    pub(super) app_crates: Vec<String>,
    pub(super) routes: Routes,
    pub(super) log_to: Option<Lines>,
    pub(super) audit: Option<Audit>,
    pub(super) start_timeout: Option<Duration>,
}

impl Builder {
    /// The service's name in the prompt and in every answer. Default: the executable's file name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The service's version, shown by `version`, `info` and `manhole-cli list`; usually
    /// `env!("CARGO_PKG_VERSION")`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = Some(version.into());
        self
    }

    /// The directory for the socket `<pid>.sock`. It is made if missing, used as it is otherwise,
    /// and refused if it belongs to somebody else or others may write to it.
    pub fn socket_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.place = Place::Dir(dir.into());
        self
    }

    /// One exact path for the socket, 107 bytes at most. No other place is tried.
    pub fn socket_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.place = Place::Path(path.into());
        self
    }

    /// An open, listening Unix stream socket, as from systemd. It moves into the console's private
    /// descriptor table and is closed in the process's own.
    pub fn listener(mut self, listener: impl Into<OwnedFd>) -> Self {
        self.place = Place::Listener(listener.into());
        self
    }

    /// Lets a user besides the owner and root in. The socket gets mode 0666 and its directory 0711
    /// then; credentials alone decide.
    pub fn allow_uid(mut self, uid: u32, level: Level) -> Self {
        self.uids.push((uid, level));
        self
    }

    /// Lets members of a group in, primary or supplementary. Numeric: the console never asks NSS.
    pub fn allow_gid(mut self, gid: u32, level: Level) -> Self {
        self.gids.push((gid, level));
        self
    }

    /// Caps what anybody may do, owner and root included.
    pub fn max_level(mut self, level: Level) -> Self {
        self.max_level = Some(level);
        self
    }

    /// No socket until the signal arrives or `MANHOLE=on` is in the environment. A handler that the
    /// process has for the signal goes on being called.
    pub fn activate_on(mut self, signal: Signal) -> Self {
        self.activate_on = Some(signal);
        self
    }

    /// The signal that asks threads for their stacks and carries timers. Default: [`Signal::URG`],
    /// which is ignored by default and told apart from the process's own use of it.
    pub fn signal(mut self, signal: Signal) -> Self {
        self.signal = Some(signal);
        self
    }

    /// What a forked child does.
    pub fn after_fork(mut self, after: AfterFork) -> Self {
        self.after_fork = after;
        self
    }

    /// How long a forked child waits before it gets its own console, so that one that execs at once
    /// never makes a socket. Default: 0.5 s.
    pub fn fork_delay(mut self, delay: Duration) -> Self {
        self.fork_delay = Some(delay);
        self
    }

    /// Further crates that count as the application's own where stacks are folded.
    pub fn app_crates<S: Into<String>>(mut self, crates: impl IntoIterator<Item = S>) -> Self {
        self.app_crates.extend(crates.into_iter().map(Into::into));
        self
    }

    /// Serves `path` over HTTP with the application's own function, as long as the console lives; it
    /// runs on a thread of the application's side and may take 30 s. A path that is taken or does not begin with `/` is
    /// reported and left out. One of level control takes requests with the header `X-Manhole: 1`
    /// only, which no web page can make a browser send.
    pub fn http_route(
        mut self,
        path: &str,
        level: Level,
        serve: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        if let Err(error) = self.routes.add(path, level, serve) {
            messages::warn(format!("http_route {path:?}: {error:#}"));
        }
        self
    }

    /// Gets the console's own lines instead of stderr: where it listens, why it does not, that it
    /// moved. Called on the installing thread first, later on a thread of the application's side.
    pub fn log_to(mut self, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.log_to = Some(Arc::new(sink));
        self
    }

    /// Gets every audit record, on a thread of the application's side. Records that come faster than
    /// the callback takes them are dropped and counted.
    pub fn audit(mut self, sink: impl Fn(&Record) + Send + Sync + 'static) -> Self {
        self.audit = Some(Arc::new(sink));
        self
    }

    /// How long `install` waits for the socket, 100 ms by default (`try_install`: 500 ms).
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = Some(timeout);
        self
    }

    /// Installs the console. Never fails and never panics: what went wrong is one log line, and
    /// [`Console::status`] says it.
    ///
    /// A second call returns the console that is there, with one log line.
    pub fn install(self) -> Console {
        start::install(self)
    }

    /// Installs the console, or says why there is none.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyInstalled`], [`ErrorKind::Disabled`] by `MANHOLE=off` or the feature
    /// `stub`, [`ErrorKind::Bind`] with every place that was tried, [`ErrorKind::Resources`],
    /// [`ErrorKind::Timeout`] when the socket is not ready in time (it may still become so).
    pub fn try_install(self) -> Result<Console, Error> {
        start::try_install(self)
    }
}

impl Signal {
    /// Makes the signal one that activates; from now on it does nothing else.
    pub(super) fn prepare(self) -> Result<(), String> {
        let number = self.number();
        crate::sys::activation::prepare(number)
            .map_err(|errno| format!("failed to wait for signal {number}: {}", errno.desc()))
    }

    /// The number on this system.
    pub(super) fn number(self) -> i32 {
        use nix::libc;
        match self {
            Signal::USR1 => libc::SIGUSR1,
            Signal::USR2 => libc::SIGUSR2,
            Signal::URG => libc::SIGURG,
            Signal::PROF => libc::SIGPROF,
            Signal::WINCH => libc::SIGWINCH,
            Signal::HUP => libc::SIGHUP,
            Signal::RealTime(n) => libc::SIGRTMIN() + i32::from(n),
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("name", &self.name)
            .field("place", &self.place)
            .field("max_level", &self.max_level)
            .finish_non_exhaustive()
    }
}
