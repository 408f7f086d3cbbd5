//! `demo`: a small service that is really there, with faults to be found in it.
//!
//! `checkout-demo` is this program started once more: it prices goods over HTTP from a cache, writes
//! a report, makes thumbnails and loads exchange rates (`service` puts these together, each is a
//! file). Three mistakes that real services make are built in and can be switched (`faults`). The
//! customers are threads of this process (`load`). On a terminal the prompt follows; elsewhere the
//! `tour` asks the questions and shows what the live process answers.

mod cache;
mod child;
mod faults;
mod handler;
mod load;
mod rates;
mod report;
mod resize;
mod service;
mod tour;

use std::{
    fs,
    io::{self, IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

use manhole::client::{Kind, Trouble};

use crate::{args::Options, repl, report::Outcome};
use child::Service;
use load::Load;

/// The first argument that makes this program the service; the second is who started it.
pub(crate) const SERVICE_WORD: &str = "demo-service";

/// How long the service runs before somebody at a terminal sees what is wrong with it: the first
/// report has kept the requests waiting for more than a second then.
const WARM_UP: Duration = Duration::from_millis(1700);

/// Runs the service itself, until the process that started it ends.
pub(crate) fn serve() -> ExitCode {
    let parent = std::env::args().nth(2).and_then(|pid| pid.parse().ok());
    match parent {
        Some(parent) => service::main(parent),
        None => {
            eprintln!("manhole-cli: {SERVICE_WORD} is a part of: manhole-cli demo");
            ExitCode::from(Kind::Usage.exit_code())
        }
    }
}

/// Runs `demo`.
pub(crate) fn run(options: &Options) -> Outcome {
    let service = Service::start()?;
    reach(&service)?;
    let load = Load::start(service.port)
        .map_err(|error| Trouble::io(Kind::Failed, "failed to start the load", &error))?;
    let interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    let outcome = say(&introduction(&service, interactive)).and_then(|()| match interactive {
        true => Ok(prompt(&service, options)?),
        false => tour::run(&service, options),
    });
    drop(load);
    match outcome {
        Ok(kind) => Ok(kind),
        Err(Stop::Closed) => Ok(None),
        Err(Stop::Trouble(trouble)) => Err(trouble),
    }
}

/// A port that nobody can connect to would make a demo of a service at rest.
fn reach(service: &Service) -> Result<(), Trouble> {
    let address = load::address(service.port);
    let asked = load::ask(&mut None, address, "/report");
    let what = || format!("failed to reach the demo service at {address}");
    asked.map_err(|error| Trouble::io(Kind::Failed, what(), &error))?;
    Ok(())
}

/// Why the demo ends before its end.
enum Stop {
    /// A reader that has seen enough, as `head`.
    Closed,
    Trouble(Trouble),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Trouble::io(Kind::Failed, "failed to write", &error).into(),
        }
    }
}

/// The prompt, in which triage has been run already.
fn prompt(service: &Service, options: &Options) -> Outcome {
    thread::sleep(WARM_UP);
    let triage = vec!["triage".to_owned()];
    repl::attach(&service.socket.to_string_lossy(), &[triage], options)?;
    // The exit code speaks of the demo, not of the last command that somebody tried in it.
    Ok(None)
}

/// What runs, and where.
fn introduction(service: &Service, interactive: bool) -> String {
    let Service { pid, port, .. } = service;
    let name = service::NAME;
    let socket = service.socket.display();
    let mode = mode(&service.socket).unwrap_or_default();
    let mut text = format!(
        "manhole demo: a small HTTP service \"{name}\" runs as pid {pid}, with a load generator and three faults.\n\
         One line made it debuggable:  manhole::install();            Socket: {socket}{mode}\n"
    );
    if interactive {
        text.push_str(&format!(
            "All faults are on; \"fault\" lists them, \"fault lock off\" mends one. It serves http://127.0.0.1:{port}/price/7\n"
        ));
    }
    text + "\n"
}

/// ` (mode 0600)`, as it is.
fn mode(socket: &Path) -> Option<String> {
    let mode = fs::symlink_metadata(socket).ok()?.permissions().mode();
    Some(format!(" (mode {:04o})", mode & 0o7777))
}

/// Writes to standard output.
fn say(text: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
