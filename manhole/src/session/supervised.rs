//! Calls that the kernel may not answer: their callers are told, whatever becomes of them.
//!
//! The worker stays where it is, nobody can get it out; the conversation goes on without it.

use super::{
    race::{First, race},
    running::{self, Sender},
};
use crate::{
    command::{Context, Entry, Event, Sink},
    model::{Code, Failure},
    rt,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::oneshot;

/// How long such a call may say nothing: the largest processes take some seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Has `work` run; if it says nothing for `patience`, `events` gets its end without it.
pub(super) fn spawn(
    ctx: &Context,
    entry: Entry,
    id: u64,
    events: Sender,
    patience: Duration,
    work: impl FnOnce(&mut dyn Sink) + Send + 'static,
) {
    let Some(place) = ctx.state.kernel.enter(ctx.caller.uid) else {
        let text = format!(
            "{}: other calls wait for the memory map of this process already; try again when it is free",
            entry.line
        );
        return give_up(
            ctx.clone(),
            entry,
            id,
            events,
            Failure::new(Code::Busy, text),
        );
    };
    let turn = Turn::default();
    let (over, ended) = oneshot::channel::<()>();
    watch(
        ctx.clone(),
        entry,
        id,
        events.clone(),
        patience,
        turn.clone(),
        ended,
    );
    let work = move |sink: &mut dyn Sink| {
        work(&mut Watched {
            sink,
            turn: Some(turn),
        });
        drop((place, over));
    };
    running::spawn(&ctx.state.workers, ctx.caller.uid, id, events, work);
}

/// Whoever takes it first speaks: the worker, or we in its place.
#[derive(Clone, Default)]
struct Turn(Arc<AtomicBool>);

impl Turn {
    fn take(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }
}

/// The worker's sink, as long as nobody has answered in its place.
struct Watched<'a> {
    sink: &'a mut dyn Sink,
    /// Until it has spoken.
    turn: Option<Turn>,
}

impl Sink for Watched<'_> {
    fn send(&mut self, event: Event) -> Result<(), Failure> {
        match &self.turn {
            Some(turn) if !turn.take() => return Err(Failure::cancelled()),
            _ => self.turn = None,
        }
        self.sink.send(event)
    }
}

fn watch(
    ctx: Context,
    entry: Entry,
    id: u64,
    events: Sender,
    patience: Duration,
    turn: Turn,
    ended: oneshot::Receiver<()>,
) {
    rt::spawn(async move {
        if let First::B(()) = race(ended, rt::sleep(patience)).await
            && turn.take()
        {
            let text = format!(
                "{}: no answer from the kernel for {} s: a thread of the service seems stuck with the lock of \
                 its memory map; threads does not need it",
                entry.line,
                patience.as_secs()
            );
            give_up(ctx, entry, id, events, Failure::new(Code::Timeout, text));
        }
    });
}

/// Ends the call in the place of its worker.
fn give_up(ctx: Context, entry: Entry, id: u64, events: Sender, failure: Failure) {
    ctx.state.audit.add(&entry, failure.code.name(), 0, 0);
    rt::spawn(async move {
        let _ = events.send((id, Event::End(Err(failure)))).await; // whoever is gone needs no end
    });
}
