//! Children and daemons: what becomes of the console in them.

use super::{Answer, console::Consoles, raw};
use nix::unistd::ForkResult;
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
};

pub(crate) fn perform(name: &str, words: &[&str], consoles: &mut Consoles) -> Option<Answer> {
    Some(match name {
        "fork" => fork(consoles),
        "fork_exit" => fork_exit(),
        "fork_install" => fork_install(words),
        "fork_exec" => {
            let child = raw::fork_exec(c"/bin/sleep", &[c"sleep", c"600"]);
            child
                .map(|child| child.to_string())
                .map_err(|errno| errno.to_string())
        }
        "daemonise" => daemonise(),
        _ => return None,
    })
}

/// Forks a child that says what its console is and stays until this process ends.
///
/// The answer is its pid and its word.
fn fork(consoles: &Consoles) -> Answer {
    with_child(|mut report| {
        let _ = write!(report, "{} {}", consoles.status(), consoles.path());
    })
}

/// Forks a child that ends in the ordinary way, with everything that runs at the end of a program,
/// and waits for it.
fn fork_exit() -> Answer {
    match raw::fork().map_err(|errno| errno.to_string())? {
        ForkResult::Parent { child } => {
            let ended = nix::sys::wait::waitpid(child, None);
            ended
                .map(|status| format!("{status:?}"))
                .map_err(|errno| errno.to_string())
        }
        ForkResult::Child => std::process::exit(0),
    }
}

/// Forks a child that installs a console of its own.
fn fork_install(words: &[&str]) -> Answer {
    with_child(|mut report| {
        let mut consoles = Consoles::default();
        let installed = consoles
            .perform("install", words)
            .unwrap_or(Ok(String::new()));
        let _ = write!(
            report,
            "{} {}",
            installed.unwrap_or_else(|error| error),
            consoles.path()
        );
    })
}

/// Forks; the child reports and stays until this process ends. The answer: its pid, its report.
fn with_child(report: impl FnOnce(File)) -> Answer {
    let pipe =
        || nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).map_err(|errno| errno.to_string());
    let (said, say) = pipe()?;
    let (over, alive) = pipe()?;
    match raw::fork().map_err(|errno| errno.to_string())? {
        ForkResult::Parent { child } => {
            drop((say, over));
            // Held until we end; its end is what the child waits for.
            std::mem::forget::<OwnedFd>(alive);
            let mut text = String::new();
            File::from(said)
                .read_to_string(&mut text)
                .map_err(|error| error.to_string())?;
            Ok(format!("{child} {text}"))
        }
        ForkResult::Child => {
            drop((said, alive));
            report(File::from(say));
            let _ = File::from(over).read(&mut [0]);
            raw::exit_now(0)
        }
    }
}

/// Becomes a daemon the old way, twice forked, and installs its console there; standard input and
/// output stay, so that it can still be told what to do.
fn daemonise() -> Answer {
    for round in 0..2 {
        match raw::fork().map_err(|errno| errno.to_string())? {
            ForkResult::Parent { .. } => raw::exit_now(0),
            ForkResult::Child if round == 0 => drop(nix::unistd::setsid()),
            ForkResult::Child => {}
        }
    }
    Ok(std::process::id().to_string())
}
