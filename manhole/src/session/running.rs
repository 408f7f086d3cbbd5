//! Having a call run: on a worker, with its events coming back through a bounded channel.

use super::supervised::{self, PATIENCE};
use crate::{
    command::{self, Call, Context, Entry, Event, Sink, Style},
    model::{Code, Failure},
    rt,
};
use tokio::sync::mpsc;

/// Events under way between a worker and a conversation: with pieces of 32 KiB, 256 KiB at most.
const UNDER_WAY: usize = 8;
/// What a reply may hold when there is no worker and it is collected before it is sent.
const COLLECTED: usize = 1 << 20;

/// Events of calls, each with the id of its call.
pub(super) type Events = mpsc::Receiver<(u64, Event)>;
/// The other end.
pub(super) type Sender = mpsc::Sender<(u64, Event)>;

/// A new channel.
pub(super) fn channel() -> (Sender, Events) {
    mpsc::channel(UNDER_WAY)
}

/// Has `call` run; its events arrive at `events` with `id`, `Event::End` last.
pub(super) fn start(call: Call, ctx: Context, style: Style, entry: Entry, id: u64, events: Sender) {
    let asked = (ctx.clone(), entry.clone());
    let sticks = call.may_stick();
    let work = move |sink: &mut dyn Sink| command::execute(&call, &ctx, style, &entry, sink);
    match (asked, sticks) {
        ((ctx, entry), true) => supervised::spawn(&ctx, entry, id, events, PATIENCE, work),
        ((ctx, _), false) => spawn(&ctx.state.workers, ctx.caller.uid, id, events, work),
    }
}

/// Has any work of user `uid` run that writes events.
pub(super) fn spawn(
    workers: &command::Workers,
    uid: u32,
    id: u64,
    events: Sender,
    work: impl FnOnce(&mut dyn Sink) + Send + 'static,
) {
    let collector = events.clone();
    let job = Box::new(move || {
        // Decided where the job runs: a worker may block on the channel, the I/O thread would
        // wait for itself.
        if !rt::is_here() {
            return work(&mut Blocking { id, events });
        }
        let mut collect = Collecting::default();
        work(&mut collect);
        rt::spawn(async move {
            for event in collect.events {
                if collector.send((id, event)).await.is_err() {
                    return;
                }
            }
        });
    });
    if let Err(job) = workers.run(uid, job) {
        job();
    }
}

/// The sink of a worker: waits while the conversation is behind.
struct Blocking {
    id: u64,
    events: Sender,
}

impl Sink for Blocking {
    fn send(&mut self, event: Event) -> Result<(), Failure> {
        let sent = self.events.blocking_send((self.id, event));
        sent.map_err(|_| Failure::cancelled())
    }
}

/// The sink of the I/O thread, when no worker can be had.
#[derive(Default)]
struct Collecting {
    events: Vec<Event>,
    bytes: usize,
}

impl Sink for Collecting {
    fn send(&mut self, event: Event) -> Result<(), Failure> {
        if let Event::Text { chunk, .. } | Event::Bytes { chunk, .. } = &event {
            self.bytes = self.bytes.saturating_add(chunk.len());
            if self.bytes > COLLECTED {
                let text =
                    "the reply is over 1 MiB and the process has no thread left to send it from";
                return Err(Failure::new(Code::Truncated, text));
            }
        }
        self.events.push(event);
        Ok(())
    }
}
