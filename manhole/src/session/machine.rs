//! The machine dialect: JSON lines with counted payloads, several calls at a time.

use super::{
    clock::LineClock,
    outlet::Gone,
    peer::{Peer, Read},
    race::{First, race},
    running::{self, Events, Sender},
    text::{LOOK, StopOnDrop},
};
use crate::{
    command::{self, Event, Style},
    model::{Code, Dialect, Failure, Verdict},
    protocol::machine::{self, Request, Requests},
    rt,
};
use std::{collections::HashMap, time::Instant};

/// Calls under way at a time on one connection.
const MOST: usize = 8;

/// A call under way.
struct Running {
    stop: StopOnDrop,
    started: Instant,
    media: &'static str,
    verdict: Option<Verdict>,
    next: Vec<String>,
    // Declared last: the connection counts as busy until the rest is gone.
    _busy: super::connection::Running,
}

struct Machine<'a> {
    peer: &'a mut Peer,
    lines: Requests,
    running: HashMap<u64, Running>,
    events: Events,
    sender: Sender,
    eof: bool,
}

/// Talks the machine dialect until the client ends it.
pub(super) async fn converse(peer: &mut Peer, bytes: &[u8]) {
    let (sender, events) = running::channel();
    let mut machine = Machine {
        peer,
        lines: Requests::default(),
        running: HashMap::new(),
        events,
        sender,
        eof: false,
    };
    if machine.serve(bytes).await.is_ok() {
        machine.peer.close().await;
    }
}

impl Machine<'_> {
    async fn serve(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.lines.feed(bytes);
        self.requests().await?;
        let mut buffer = [0; 4096];
        let mut look = rt::interval(LOOK);
        let limits = self.peer.limits;
        let mut clock = LineClock::new(&limits);
        while !(self.eof && self.running.is_empty()) {
            if self.running.is_empty() {
                let patience = clock.patience(self.lines.has_partial(), limits.idle);
                let failure = match self.peer.read(&mut buffer, patience).await {
                    Read::Data(chunk) => {
                        self.lines.feed(chunk);
                        if self.requests().await? {
                            clock.reset();
                        }
                        continue;
                    }
                    Read::Eof => {
                        self.eof = true;
                        continue;
                    }
                    Read::Gone => return Err(Gone),
                    Read::Quiet => self.peer.silent(),
                    Read::Evicted => self.peer.evicted(),
                };
                return self.end(0, Err(failure), None).await;
            }
            let readable = async {
                match self.eof {
                    true => std::future::pending().await,
                    false => self.peer.stream.readable().await,
                }
            };
            // The client first: a cancel must be heard while a reply pours out.
            match race(race(readable, look.tick()), self.events.recv()).await {
                First::B(Some((id, event))) => {
                    self.event(id, event).await?;
                    rt::yield_now().await;
                }
                First::B(None) => return Err(Gone),
                First::A(First::A(readable)) => {
                    readable.map_err(|_| Gone)?;
                    match self.peer.stream.try_read(&mut buffer) {
                        Ok(0) => self.eof = true,
                        Ok(count) => self.lines.feed(buffer.get(..count).unwrap_or_default()),
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                        Err(_) => return Err(Gone),
                    }
                    self.requests().await?;
                }
                First::A(First::B(_)) if self.peer.hung_up() => return Err(Gone),
                First::A(First::B(_)) => {}
            }
        }
        Ok(())
    }

    /// Handles every complete line; whether there was one.
    async fn requests(&mut self) -> Result<bool, Gone> {
        let mut any = false;
        while let Some(request) = self.lines.next() {
            any = true;
            match request {
                Ok(Request::Cancel { id }) => {
                    if let Some(running) = self.running.get(&id) {
                        running.stop.0.cancel();
                    }
                }
                Ok(Request::Command { id, words, client }) => {
                    if client.is_some() {
                        self.peer.client = client;
                    }
                    self.command(id, &words).await?;
                }
                Err(refused) => self.end(refused.id, Err(refused.failure), None).await?,
            }
        }
        Ok(any)
    }

    async fn command(&mut self, id: u64, words: &[String]) -> Result<(), Gone> {
        let ctx = self.peer.context();
        let admitted = self
            .admissible(id)
            .and_then(|()| command::admit(words, &ctx));
        let call = match admitted {
            Ok(call) => call,
            Err(failure) => {
                let line = command::masked(words);
                self.peer.note(Dialect::Machine, line, failure.code);
                return self.end(id, Err(failure), None).await;
            }
        };
        let entry = self.peer.entry_of(Dialect::Machine, &call);
        self.running.insert(
            id,
            Running {
                stop: StopOnDrop(ctx.cancel.clone()),
                started: Instant::now(),
                media: match call.args.json {
                    true => "application/json",
                    false => "text/plain; charset=utf-8",
                },
                verdict: None,
                next: Vec::new(),
                _busy: self.peer.connection.running(),
            },
        );
        running::start(call, ctx, Style::default(), entry, id, self.sender.clone());
        Ok(())
    }

    fn admissible(&self, id: u64) -> Result<(), Failure> {
        if self.running.contains_key(&id) {
            return Err(Failure::new(
                Code::Protocol,
                format!("id {id} is still under way; use another"),
            ));
        }
        if self.running.len() >= MOST {
            let text =
                format!("{MOST} commands are under way on this connection; wait for one to end");
            return Err(Failure::new(Code::Busy, text));
        }
        Ok(())
    }

    async fn event(&mut self, id: u64, event: Event) -> Result<(), Gone> {
        let bytes = match event {
            Event::Progress { done, total, unit } => {
                machine::encode_progress(id, done, Some(total), unit).into_bytes()
            }
            Event::Text { chunk, stream } => {
                let media = self
                    .running
                    .get(&id)
                    .map_or("text/plain", |running| running.media);
                payload(id, media, None, stream, &chunk)
            }
            Event::Bytes { media, name, chunk } => payload(id, media, Some(name), false, &chunk),
            Event::Outcome { verdict, next } => {
                if let Some(running) = self.running.get_mut(&id) {
                    running.verdict = verdict;
                    running.next = next;
                }
                return Ok(());
            }
            Event::End(result) => {
                let running = self.running.remove(&id);
                return self.end(id, result, running).await;
            }
        };
        self.peer.write(&bytes).await
    }

    async fn end(
        &mut self,
        id: u64,
        result: Result<(), Failure>,
        running: Option<Running>,
    ) -> Result<(), Gone> {
        let result = result.map(|()| running.as_ref().map_or_else(machine::End::default, end_of));
        self.peer
            .write(machine::encode_end(id, &result).as_bytes())
            .await
    }
}

fn end_of(running: &Running) -> machine::End {
    machine::End {
        elapsed_ms: u64::try_from(running.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        verdict: running
            .verdict
            .as_ref()
            .map(|verdict| (verdict.severity, verdict.text.clone())),
        next: running.next.clone(),
    }
}

fn payload(id: u64, media: &str, name: Option<&str>, stream: bool, chunk: &[u8]) -> Vec<u8> {
    let mut bytes = machine::encode_data_header(id, chunk.len(), media, name, stream).into_bytes();
    bytes.extend_from_slice(chunk);
    bytes
}
