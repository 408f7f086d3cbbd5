//! The accept loop: who connects is judged, given a place, and handed to a conversation.
//!
//! It runs on the island's one thread and sleeps in `poll`; its only timer is the tick of 30 s. No
//! error of `accept` ends it or makes it spin. What a conversation is, where messages go and when
//! to stop is behind [`Hooks`].

#[cfg(test)]
mod tests;

use super::{
    bind::{Bound, Options},
    credentials::{Anybody, Here, Peer, Policy},
    limits::Connections,
    upkeep::{Found, Upkeep},
};
use crate::{
    model::{Caller, Failure, Level},
    rt::{self, Interval, Listener, Sleep, Stream, interval_at, sleep},
    session::Connection,
    sys::own,
};
use std::{
    future::{Future, poll_fn},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// What the loop needs from the layers around it. Every call is made on the island's thread and
/// must not block.
pub(crate) trait Hooks: Send + Sync + 'static {
    /// Serves one connection to its end.
    fn converse(
        self: Arc<Self>,
        stream: Stream,
        caller: Caller,
        connection: Connection,
    ) -> impl Future<Output = ()>;

    /// Notes that somebody was not let in; the level of `caller` means nothing here.
    fn refused(&self, caller: &Caller, failure: &Failure);

    /// Tells somebody who is not let in, and closes; takes a few seconds at most.
    fn refuse(self: Arc<Self>, stream: Stream, failure: Failure) -> impl Future<Output = ()>;

    /// Called before the first accept, and whenever the socket or our ids changed.
    fn listens(&self, bound: &Bound);

    /// A line about the console itself; `bad` when something stays wrong.
    fn message(&self, text: String, bad: bool);

    /// Called every 30 s.
    fn tick(&self);

    /// Asked after each event: whether to stop.
    fn closing(&self) -> bool;
}

/// What the loop works with.
pub(crate) struct Setup<H> {
    /// The socket, bound in this thread's table.
    pub bound: Bound,
    /// How to bind it again.
    pub options: Options,
    /// Who may come in.
    pub policy: Policy,
    /// The layers around.
    pub hooks: Arc<H>,
    /// The time between two looks at the socket.
    pub tick: Duration,
}

/// The usual time between two looks.
pub(crate) const TICK: Duration = Duration::from_secs(30);
/// Refusals under way at once; whoever comes beyond that is closed without a word.
const REFUSALS: usize = 16;
/// The first pause after a failed accept; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Accepts until the hooks say to stop; the socket file goes then. Conversations under way go on
/// as tasks of the runtime.
///
/// # Errors
/// When the socket cannot be watched, or is ours no longer ([`own::Lost`]).
pub(crate) async fn run<H: Hooks>(setup: Setup<H>) -> io::Result<()> {
    let mut server = Server {
        watched: watch(&setup.bound)?,
        upkeep: Upkeep::new(setup.bound, setup.options),
        unwatched: false,
        policy: setup.policy,
        anybody: Anybody::of_our_namespace(),
        connections: Connections::default(),
        hooks: setup.hooks,
        accepted: 0,
        refusing: Arc::new(()),
        pause: None,
        failures: 0,
        complained: false,
    };
    let mut ticks = interval_at(Instant::now() + setup.tick, setup.tick);
    server.hooks.listens(&server.upkeep.bound);
    while !server.hooks.closing() {
        match poll_fn(|cx| server.poll_event(&mut ticks, cx)).await {
            Event::Tick => {
                server.upkeep.bound.listener()?; // of a socket that is lost nothing is heard
                server.on_tick();
            }
            Event::Rested => server.pause = None,
            Event::Accepted(Ok(stream)) => {
                server.on_connection(stream);
                // Whoever connects without end keeps nobody else waiting.
                rt::yield_now().await;
            }
            Event::Accepted(Err(error)) if own::is_lost(&error) => return Err(error),
            Event::Accepted(Err(error)) => server.on_failure(&error),
        }
    }
    Ok(())
}

/// A duplicate of the socket, registered with the loop.
fn watch(bound: &Bound) -> io::Result<Listener> {
    Listener::new(bound.listener()?.try_clone()?)
}

enum Event {
    Tick,
    Rested,
    Accepted(io::Result<Stream>),
}

struct Server<H> {
    watched: Listener,
    upkeep: Upkeep,
    /// Whether `watched` is not yet the socket that `upkeep` bound.
    unwatched: bool,
    policy: Policy,
    anybody: Option<Anybody>,
    connections: Connections,
    hooks: Arc<H>,
    accepted: u64,
    /// One more reference for each refusal under way.
    refusing: Arc<()>,
    pause: Option<Pin<Box<Sleep>>>,
    /// Failed accepts in a row.
    failures: u32,
    complained: bool,
}

impl<H: Hooks> Server<H> {
    /// The next event; while a pause lasts nothing is accepted.
    fn poll_event(&mut self, ticks: &mut Interval, cx: &mut Context<'_>) -> Poll<Event> {
        if ticks.poll_tick(cx).is_ready() {
            return Poll::Ready(Event::Tick);
        }
        match &mut self.pause {
            Some(pause) => pause.as_mut().poll(cx).map(|()| Event::Rested),
            None => {
                let accepted = self.watched.poll_accept(cx);
                accepted.map(Event::Accepted)
            }
        }
    }

    fn on_tick(&mut self) {
        self.complained = false;
        self.look_after_socket(true);
        self.hooks.tick();
    }

    fn look_after_socket(&mut self, thorough: bool) {
        match self.upkeep.look(thorough) {
            Found::Settled => {}
            Found::Stuck(text) => self.hooks.message(text, true),
            Found::Changed(text) => {
                self.hooks.message(text, false);
                self.hooks.listens(&self.upkeep.bound);
                self.unwatched = true;
            }
        }
        if self.unwatched {
            self.watch_anew();
        }
    }

    fn watch_anew(&mut self) {
        match watch(&self.upkeep.bound) {
            Ok(watched) => {
                self.watched = watched;
                self.unwatched = false;
            }
            Err(error) => {
                let text = format!("failed to watch {}: {error}", self.upkeep.bound.place());
                self.hooks.message(text, true);
            }
        }
    }

    fn on_connection(&mut self, stream: Stream) {
        self.failures = 0;
        self.look_after_socket(false);
        self.accepted = self.accepted.saturating_add(1);
        // A peer whose credentials cannot be read is nobody, and there is no way to tell it why
        // that would not need them.
        if let Ok(peer) = Peer::of(&stream, self.policy.looks_at_groups()) {
            self.judge(stream, &peer);
        }
    }

    fn judge(&mut self, stream: Stream, peer: &Peer) {
        let mut caller = Caller {
            uid: peer.credentials.uid,
            gid: peer.credentials.gid,
            pid: peer.credentials.pid,
            level: Level::View,
            connection: self.accepted,
        };
        let level = self.policy.admit(peer, &Here::now(self.anybody));
        let seat = level.map_err(Failure::from).and_then(|level| {
            caller.level = level;
            self.connections.admit(caller.connection, caller.uid)
        });
        let seat = match seat {
            Ok(seat) => seat,
            Err(failure) => {
                self.hooks.refused(&caller, &failure);
                return self.refuse(stream, failure);
            }
        };
        let served = self
            .hooks
            .clone()
            .converse(stream, caller, seat.connection());
        rt::spawn(async move {
            served.await;
            drop(seat);
        });
    }

    fn refuse(&self, stream: Stream, failure: Failure) {
        if Arc::strong_count(&self.refusing) > REFUSALS {
            return;
        }
        let under_way = self.refusing.clone();
        let refused = self.hooks.clone().refuse(stream, failure);
        rt::spawn(async move {
            refused.await;
            drop(under_way);
        });
    }

    /// Whatever it was (no descriptor or memory to be had, a peer that is gone already), the next
    /// attempt comes after a pause: a connection that cannot be accepted stays readable, and
    /// asking again at once would keep a core busy.
    fn on_failure(&mut self, error: &io::Error) {
        let doublings = self.failures.min(16);
        self.failures = self.failures.saturating_add(1);
        let pause = PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        self.pause = Some(Box::pin(sleep(pause)));
        // A peer that hangs up in the queue is no news; what lasts is.
        if self.failures > 4 && !self.complained {
            self.complained = true;
            let text = format!("failed to accept a connection: {error}; trying on");
            self.hooks.message(text, true);
        }
    }
}
