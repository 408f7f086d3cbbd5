//! What the accept loop asks of the layers above it.

use super::{Status, exit, handle::Inner, island, tick};
use crate::{
    app::messages,
    command::{Entry, State},
    model::{Caller, Dialect, Failure},
    probe::{heap::PROCESS, vitals::Extra},
    rt::Stream,
    session::{self, Connection},
    sys,
    transport::{bind::Bound, serve::Hooks},
};
use std::sync::{Arc, atomic::Ordering};

/// The console as the accept loop sees it.
pub(super) struct Console {
    pub inner: Arc<Inner>,
    pub state: Arc<State>,
}

impl Hooks for Console {
    async fn converse(self: Arc<Self>, stream: Stream, caller: Caller, connection: Connection) {
        self.state.connections.fetch_add(1, Ordering::Relaxed);
        session::converse(stream, caller, connection, self.state.clone()).await;
    }

    fn refused(&self, caller: &Caller, failure: &Failure) {
        let entry = Entry {
            caller: caller.clone(),
            admitted: false,
            changes: false,
            client: None,
            dialect: Dialect::Text,
            line: "(connect)".to_owned(),
        };
        self.state.audit.add(&entry, failure.code.name(), 0, 0);
    }

    async fn refuse(self: Arc<Self>, stream: Stream, failure: Failure) {
        session::refuse(stream, failure).await;
    }

    fn listens(&self, bound: &Bound) {
        self.state.euid.store(sys::euid(), Ordering::Relaxed);
        self.state.set_path(bound.path().map(Into::into));
        self.state
            .note_island(|island| island.passed_over = bound.refusals().to_vec());
        exit::remember(bound.mark());
        let before = self.inner.status();
        let late = before == Status::Dormant;
        self.inner.set(Status::Listening);
        // The installing thread goes on from here; the first command finds a first look all the same.
        if before != Status::Listening {
            tick::walk_allocations();
            self.state.vitals.tick(Extra::default());
            let _ = self.state.heap.tick(&PROCESS);
        }
        if late && let Some(path) = bound.path() {
            messages::note(island::invitation(path, &self.state));
            tick::late_messages();
        }
    }

    fn message(&self, text: String, bad: bool) {
        match bad {
            true => messages::warn(text),
            false => messages::note(text),
        }
        tick::late_messages();
    }

    fn tick(&self) {
        tick::tick(&self.state);
    }

    fn closing(&self) -> bool {
        self.state.closing.load(Ordering::SeqCst)
    }
}
