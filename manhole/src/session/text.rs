//! The text dialect: lines for people and scripts, in three modes that the first line fixes.

mod frame;

use super::{
    clock::LineClock,
    outlet::Gone,
    peer::{Peer, Read},
    race::{First, race},
    running,
};
use crate::{
    command::{self, Call, Event, Style},
    model::{Code, Dialect, Failure},
    protocol::{
        text::{LineEvent, Lines, Mode},
        words,
    },
    render::units,
    rt,
};
use frame::Frame;
use std::time::{Duration, Instant};

/// How often a running command's client is looked after.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// Lines that are answered before other clients have their turn: errors need no worker, so a client
/// that sends nonsense without end would never make us wait.
const TURNS: u64 = 16;

/// How long a command may say nothing before a script is told that it still works.
const SILENCE: Duration = Duration::from_secs(1);

/// What a line leads to.
enum Flow {
    Continue,
    /// Close in an orderly way.
    End,
}

struct Text<'a> {
    peer: &'a mut Peer,
    lines: Lines,
    clock: LineClock,
    /// Fixed by the first line.
    mode: Option<Mode>,
    /// Whether replies are headed with their command: known once a second command is.
    headed: bool,
    /// Whether a command was answered already.
    answered: bool,
    /// The client sends no more.
    eof: bool,
}

/// Talks text until the client or the mode ends it. `bytes` is what the sniffer has seen.
pub(super) async fn converse(peer: &mut Peer, bytes: &[u8], eof: bool) {
    let clock = LineClock::new(&peer.limits);
    let mut text = Text {
        peer,
        lines: Lines::default(),
        clock,
        mode: None,
        headed: false,
        answered: false,
        eof,
    };
    text.lines.feed(bytes);
    if text.serve().await.is_ok() {
        text.peer.close().await;
    }
}

impl Text<'_> {
    async fn serve(&mut self) -> Result<(), Gone> {
        for turn in 1_u64.. {
            if turn.is_multiple_of(TURNS) {
                rt::yield_now().await;
            }
            let event = self.lines.next();
            if event.is_some() {
                self.clock.reset();
            }
            let flow = match event {
                Some(LineEvent::Line(line)) => self.line(&line).await?,
                Some(event) => self.refuse(&event).await?,
                None => self.more().await?,
            };
            if let Flow::End = flow {
                break;
            }
        }
        Ok(())
    }

    /// A line that is none.
    async fn refuse(&mut self, event: &LineEvent) -> Result<Flow, Gone> {
        // As a first line it asks for no mode: a batch, which ends when nothing more has come.
        self.mode.get_or_insert_default();
        if let Some(failure) = event.failure() {
            self.fail(&failure).await?;
        }
        if *event != LineEvent::Smuggled {
            return Ok(Flow::Continue);
        }
        let line = "(HTTP)".to_owned();
        self.peer.note(Dialect::Text, line, Code::Protocol);
        Ok(Flow::End)
    }

    /// Gets more bytes, or finds out that the conversation is over.
    async fn more(&mut self) -> Result<Flow, Gone> {
        if self.eof {
            return self.unfinished().await;
        }
        let mut buffer = [0; 4096];
        let batch = matches!(self.mode, Some(Mode::Batch));
        let began = self.lines.has_partial();
        let patience = self.clock.patience(began, self.peer.limits.idle);
        let read = match batch && !began {
            // All that was sent is answered: whoever wanted to say more would have said it.
            true => self.peer.read_now(&mut buffer),
            false => self.peer.read(&mut buffer, patience).await,
        };
        match read {
            Read::Data(chunk) => self.lines.feed(chunk),
            Read::Eof => self.eof = true,
            Read::Gone => return Err(Gone),
            Read::Quiet if batch && !self.lines.has_partial() => return Ok(Flow::End),
            Read::Quiet => {
                let failure = self.peer.silent();
                self.fail(&failure).await?;
                return Ok(Flow::End);
            }
            Read::Evicted => {
                let failure = self.peer.evicted();
                self.fail(&failure).await?;
                return Ok(Flow::End);
            }
        }
        Ok(Flow::Continue)
    }

    /// The client ended its side in the middle of a line.
    async fn unfinished(&mut self) -> Result<Flow, Gone> {
        if self.lines.has_partial() {
            let text = "the last line has no line end, so it was not run; send it with one (echo, not printf)";
            self.fail(&Failure::new(Code::Syntax, text)).await?;
        }
        Ok(Flow::End)
    }

    async fn line(&mut self, line: &str) -> Result<Flow, Gone> {
        if self.mode.is_none() {
            let mode = Mode::of_first_line(line);
            self.mode = Some(mode);
            match mode {
                Mode::Batch => {}
                Mode::Keep => return Ok(Flow::Continue),
                Mode::Prompt => {
                    self.peer.write(banner(self.peer).as_bytes()).await?;
                    return self.prompt(true).await;
                }
            }
        }
        let commands = match words::parse_line(line) {
            Ok(commands) => commands,
            Err(failure) => return self.fail(&failure).await,
        };
        let several = commands.len() > 1 || self.answered || self.lines.has_request();
        self.headed |= self.mode == Some(Mode::Batch) && several && !commands.is_empty();
        self.answered |= !commands.is_empty();
        for words in &commands {
            if let Flow::End = self.command(words).await? {
                return Ok(Flow::End);
            }
        }
        // Where nothing was answered there is nothing to stand apart from.
        self.prompt(!commands.is_empty()).await
    }

    /// An error that belongs to no command.
    async fn fail(&mut self, failure: &Failure) -> Result<Flow, Gone> {
        let frame = self.frame();
        self.peer.write(&frame.failure(failure)).await?;
        self.prompt(true).await
    }

    /// Asks for the next line, if somebody sits there; `apart` puts an empty line before that.
    async fn prompt(&mut self, apart: bool) -> Result<Flow, Gone> {
        if self.mode == Some(Mode::Prompt) {
            let above = if apart { "\n" } else { "" };
            let prompt = format!("{above}{}[{}]> ", self.peer.state.name, self.peer.state.pid);
            self.peer.write(prompt.as_bytes()).await?;
        }
        Ok(Flow::Continue)
    }

    fn frame(&self) -> Frame {
        Frame::new(self.mode.unwrap_or(Mode::Batch))
    }

    async fn command(&mut self, words: &[String]) -> Result<Flow, Gone> {
        let frame = self.frame();
        if self.headed {
            let head = format!(
                "== {}\n",
                words
                    .iter()
                    .map(|word| words::quote(word))
                    .collect::<Vec<_>>()
                    .join(" ")
            );
            self.peer.write(head.as_bytes()).await?;
        }
        let ctx = self.peer.context();
        let call = match command::admit(words, &ctx) {
            Ok(call) => call,
            Err(failure) => {
                let line = command::masked(words);
                self.peer.note(Dialect::Text, line, failure.code);
                self.peer.write(&frame.failure(&failure)).await?;
                return Ok(Flow::Continue);
            }
        };
        if call.spec().name == command::QUIT {
            let entry = self.peer.entry_of(Dialect::Text, &call);
            self.peer.state.audit.add(&entry, "ok", 0, 0);
            self.peer.write(&frame.end(&Ok(()))).await?;
            return Ok(Flow::End);
        }
        self.run(call, ctx, frame).await
    }

    /// Has the call run and frames what comes back. While it runs, only a closed connection stops
    /// it: half-close is what `nc -N` and `socat` do at once.
    async fn run(&mut self, call: Call, ctx: command::Context, frame: Frame) -> Result<Flow, Gone> {
        let entry = self.peer.entry_of(Dialect::Text, &call);
        let cancel = ctx.cancel.clone();
        let style = Style {
            json: false,
            next: self.mode == Some(Mode::Prompt),
            no_bytes: self.mode == Some(Mode::Prompt),
        };
        let _busy = self.peer.connection.running();
        let (sender, mut events) = running::channel();
        running::start(call, ctx, style, entry, 0, sender);
        let _stop = StopOnDrop(cancel);
        let mut look = rt::interval(LOOK);
        let mut binary = false;
        let (started, mut spoken) = (Instant::now(), Instant::now());
        loop {
            let event = match race(events.recv(), look.tick()).await {
                First::A(event) => event.map(|(_, event)| event),
                First::B(_) if self.peer.hung_up() => return Err(Gone),
                First::B(_) if spoken.elapsed() < SILENCE => continue,
                First::B(_) => {
                    self.peer.write(&frame.working(started.elapsed())).await?;
                    spoken = Instant::now();
                    continue;
                }
            };
            spoken = Instant::now();
            match event.unwrap_or_else(|| Event::End(Err(lost()))) {
                Event::End(result) => {
                    self.peer.write(&frame.end(&result)).await?;
                    let done = binary && self.mode == Some(Mode::Batch);
                    return Ok(if done { Flow::End } else { Flow::Continue });
                }
                event => {
                    binary |= matches!(event, Event::Bytes { .. });
                    self.peer.write(&frame.event(event)).await?;
                    // A reply that pours out leaves others their turn.
                    rt::yield_now().await;
                }
            }
        }
    }
}

/// A worker ended without an end: a defect of ours, said rather than hung on.
pub(super) fn lost() -> Failure {
    Failure::new(
        Code::Internal,
        "the command ended without an answer: a defect of manhole, please report it",
    )
}

/// Cancels a command when its conversation is dropped, however that came about.
pub(super) struct StopOnDrop(pub command::Cancel);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn banner(peer: &Peer) -> String {
    let state = &peer.state;
    let version = state
        .version
        .as_deref()
        .map(|version| format!(" {version}"))
        .unwrap_or_default();
    let up = u64::try_from(state.uptime().as_nanos()).unwrap_or(u64::MAX);
    format!(
        "manhole {}: {}{version} [{}] on {}, up {}. You: uid {}, level {}.\n\
         Type triage to start, help for the commands, quit to leave.\n",
        env!("CARGO_PKG_VERSION"),
        state.name,
        state.pid,
        state.host,
        units::nanos(up),
        peer.caller.uid,
        peer.caller.level,
    )
}
