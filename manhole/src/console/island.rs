//! The console's own thread: its descriptor table, its socket, its runtime.

use super::{Status, builder, environment::Environment, exit, handle::Inner, hooks::Console, tick};
use crate::{
    app::{
        channel::{self, Receiver, Sender},
        messages,
    },
    command::State,
    model::Level,
    rt,
    sys::{
        self, own,
        table::{self, TableKind},
    },
    transport::{
        bind::{self, Options, Place},
        credentials::Policy,
        serve::{self, Setup},
    },
};
use std::{
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

/// Where to listen, with a listener reduced to its number: the descriptor that counts is the copy
/// in the island's own table.
pub(super) enum Site {
    /// The first directory that passes every check.
    Default,
    /// A directory.
    Dir(PathBuf),
    /// Exactly here.
    Path(PathBuf),
    /// A listener with this number, and whom to tell that it has been copied.
    Listener(RawFd, Sender<TableKind>),
}

/// The host's copy of a listener, until the island has its own.
pub(super) struct Handover(Option<(OwnedFd, Receiver<TableKind>)>);

/// Splits a place into what the island needs and what stays with the installing thread.
pub(super) fn hand_over(place: builder::Place) -> (Site, Handover) {
    let site = match place {
        builder::Place::Default => Site::Default,
        builder::Place::Dir(dir) => Site::Dir(dir),
        builder::Place::Path(path) => Site::Path(path),
        builder::Place::Listener(listener) => {
            let (sender, receiver) = channel::bounded(1);
            let site = Site::Listener(listener.as_raw_fd(), sender);
            return (site, Handover(Some((listener, receiver))));
        }
    };
    (site, Handover(None))
}

impl Handover {
    /// Closes the host's copy once the island has one. With a shared table, or if the island is not
    /// heard of, there is only one copy and it stays open.
    pub(super) fn finish(self, patience: Duration) {
        let Some((listener, receiver)) = self.0 else {
            return;
        };
        match receiver.receive(patience) {
            Ok(TableKind::Private { .. }) => drop(listener),
            _ => std::mem::forget(listener),
        }
    }
}

/// What the thread is to do.
pub(super) struct Plan {
    /// Where to listen.
    pub place: Site,
    /// What the environment said.
    pub environment: Environment,
    /// Whether to wait for the signal first.
    pub dormant: bool,
    /// Whether others than the owner and root are let in.
    pub open_to_others: bool,
    /// Whether the builder chose the cap, also for an undumpable process.
    pub cap_is_chosen: bool,
}

/// The thread's whole life. Nothing that goes wrong here reaches the process.
pub(super) fn run(inner: Arc<Inner>, plan: Plan) {
    sys::signals::block_all();
    sys::sched::be_ordinary();
    crate::app::threads::enter_console();
    let theirs = inner.clone();
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || live(&theirs, plan)));
    exit::forget();
    match lived {
        Ok(Ok(())) => inner.set(Status::Closed),
        Ok(Err(why)) => inner.set(Status::Failed(why)),
        Err(_) => inner.set(Status::Failed(
            "the console's thread panicked: a defect of manhole".to_owned(),
        )),
    }
}

/// The line to paste, and who may.
pub(super) fn invitation(path: &Path, state: &State) -> String {
    let owner = state.euid.load(Ordering::Relaxed);
    let who = match owner {
        0 => "as root".to_owned(),
        _ => format!("as uid {owner} or root"),
    };
    let cap = match state.access_now().cap {
        Some(level) if level < Level::Control => format!(", level {level} at most"),
        _ => String::new(),
    };
    format!("echo triage | nc -U {}   ({who}{cap})", path.display())
}

fn live(inner: &Arc<Inner>, plan: Plan) -> Result<(), String> {
    let Some(state) = inner.state.clone() else {
        return Ok(());
    };
    let place = enter_table(&state, plan.place, &plan.environment)?;
    if plan.dormant {
        sys::activation::wait();
        if state.closing.load(Ordering::SeqCst) {
            return Ok(());
        }
    }
    let options = Options {
        place,
        runtime_directory: plan.environment.runtime_directory,
        open_to_others: plan.open_to_others,
        ..Options::default()
    };
    let bound = bind::bind(&options).map_err(|error| format!("{error:#}"))?;
    let policy = Policy {
        access: state.access.clone(),
        cap_is_chosen: plan.cap_is_chosen,
    };
    let hooks = Arc::new(Console {
        inner: inner.clone(),
        state,
    });
    let setup = Setup {
        bound,
        options,
        policy,
        hooks,
        tick: serve::TICK,
    };
    // Conversations end with the loop; nobody waits for a worker that is slow to notice.
    let served = rt::block_on(serve::run(setup)).and_then(|served| served);
    served.map_err(|error| {
        let why = match own::is_lost(&error) {
            true => error.to_string(),
            false => format!("failed to watch the console's socket: {error}"),
        };
        // Before it listened `install` says what went wrong.
        if inner.status() == Status::Listening {
            messages::warn(format!("the console has ended: {why}"));
            tick::late_messages();
        }
        why
    })
}

/// Leaves the host's descriptor table, taking the listener along if there is one.
fn enter_table(state: &State, site: Site, environment: &Environment) -> Result<Place, String> {
    let keep = match &site {
        Site::Listener(number, _) => Some(*number),
        _ => None,
    };
    let entered = table::enter(keep);
    state.note_island(|island| match &entered {
        TableKind::Private { flaw: None } => {}
        TableKind::Private { flaw: Some(flaw) } => island.missing.push(flaw.clone()),
        TableKind::Shared { reason } => island.shared_table = Some(reason.clone()),
    });
    Ok(match site {
        Site::Default => Place::Search {
            dir: environment.dir.clone(),
        },
        Site::Dir(dir) => Place::Search { dir: Some(dir) },
        Site::Path(path) => Place::Path(path),
        Site::Listener(number, told) => {
            let listener = table::adopt(number);
            let _ = told.send(entered);
            let listener =
                listener.map_err(|error| format!("failed to take over the listener: {error}"))?;
            Place::Listener(listener)
        }
    })
}
