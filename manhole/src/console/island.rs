//! The console's own thread: its descriptor table, its socket, its runtime.

use super::{Status, builder::Place, environment::Environment, handle::Inner};
use crate::{
    app::messages,
    command::State,
    model::Level,
    sys::{self, table::TableKind},
    transport,
};
use std::{
    os::fd::{AsRawFd, OwnedFd, RawFd},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, Sender, channel},
    },
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
pub(super) fn hand_over(place: Place) -> (Site, Handover) {
    let site = match place {
        Place::Default => Site::Default,
        Place::Dir(dir) => Site::Dir(dir),
        Place::Path(path) => Site::Path(path),
        Place::Listener(listener) => {
            let (sender, receiver) = channel();
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
        match receiver.recv_timeout(patience) {
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
    /// The signal to wait for first.
    pub dormant: Option<i32>,
    /// Whether others than the owner and root are let in.
    pub open_to_others: bool,
}

/// The thread's whole life. Nothing that goes wrong here reaches the process.
pub(super) fn run(inner: Arc<Inner>, plan: Plan) {
    sys::signals::block_all();
    let theirs = inner.clone();
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || live(&theirs, plan)));
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
    let cap = match state.access.cap {
        Some(level) if level < Level::Control => format!(", level {level} at most"),
        _ => String::new(),
    };
    format!("echo triage | nc -U {}   ({who}{cap})", path.display())
}

/// Provisional until the transport layer lands.
fn live(inner: &Arc<Inner>, plan: Plan) -> Result<(), String> {
    let Some(state) = inner.state.clone() else {
        return Ok(());
    };
    if let TableKind::Shared { reason } = sys::table::enter(None) {
        state.note_island(|island| island.shared_table = Some(reason));
    }
    let dir = match plan.place {
        Site::Dir(dir) => dir,
        _ => plan
            .environment
            .dir
            .unwrap_or_else(|| PathBuf::from(format!("/tmp/manhole-{}", sys::euid()))),
    };
    let _ = std::fs::create_dir_all(&dir);
    let path = dir.join(format!("{}.sock", state.pid));
    let _ = std::fs::remove_file(&path);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async move {
        let listener = tokio::net::UnixListener::bind(&path).map_err(|error| error.to_string())?;
        state.set_path(Some(path));
        inner.set(Status::Listening);
        let mut number = 0;
        while !state.closing.load(Ordering::SeqCst) {
            let Ok((stream, _)) = listener.accept().await else {
                continue;
            };
            number += 1;
            let peer = sys::peer::credentials(&stream).map_err(|error| error.to_string())?;
            let caller = crate::model::Caller {
                uid: peer.uid,
                gid: peer.gid,
                pid: peer.pid,
                level: Level::Control,
                connection: number,
            };
            tokio::spawn(crate::session::converse(
                stream,
                caller,
                crate::session::Connection::new(),
                state.clone(),
            ));
        }
        Ok(())
    })
}
