//! Where a command writes: data in, events out, and never more than the reply's bound.
//!
//! Rendering happens here, on the thread that runs the command, into pieces of 32 KiB that are handed
//! on as they are full: one large buffer would stay in the host's RSS for good (measured: +1 MB for a
//! reply of 1 MB in one piece, +0.2 MB in pieces of 32 KiB), it may not be had at all in a process at
//! its limit, and the I/O thread has other clients.

use crate::{
    model::{Answer, Code, Failure, Verdict},
    render::{self, Provenance, escape, out::Out, text::TextStyle},
};
use serde::Serialize;
use std::time::Instant;

/// The bound of a text or JSON reply, in bytes.
const TEXT_MAX: u64 = 64 << 20;
/// The bound of a binary reply, in bytes.
const BYTES_MAX: u64 = 256 << 20;
/// The size of a piece.
const PIECE: usize = 32 << 10;

/// What a conversation gets to pass on, in this order, any number of times.
#[derive(Debug)]
pub(crate) enum Event {
    /// How far a long command is.
    Progress {
        /// Done so far.
        done: f64,
        /// All there is to do.
        total: f64,
        /// The unit of both.
        unit: &'static str,
    },
    /// Text for people, or JSON if it was asked for; whole lines.
    Text {
        /// The piece.
        chunk: Vec<u8>,
        /// Whether more is to come at the source's own pace, so that nobody should wait for the end.
        stream: bool,
    },
    /// A piece of a file.
    Bytes {
        /// Its media type.
        media: &'static str,
        /// A file name for it.
        name: &'static str,
        /// The piece.
        chunk: Vec<u8>,
    },
    /// What the answer came to, as data.
    Outcome {
        /// The verdict.
        verdict: Option<Verdict>,
        /// What to run next.
        next: Vec<String>,
    },
    /// The end; nothing follows.
    End(Result<(), Failure>),
}

/// Takes events; blocks while the reader is behind.
pub(crate) trait Sink {
    /// # Errors
    /// `cancelled` when nobody reads any more.
    fn send(&mut self, event: Event) -> Result<(), Failure>;
}

/// In which form an answer is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// One line of JSON instead of text.
    pub json: bool,
    /// With the line `# next: ...`.
    pub next: bool,
    /// Refuse binary output: a person is looking.
    pub no_bytes: bool,
}

/// A command's way out.
pub(crate) struct Reply<'a> {
    sink: &'a mut dyn Sink,
    style: Style,
    provenance: Provenance,
    started: Instant,
    begun: bool,
    sent: u64,
}

impl<'a> Reply<'a> {
    /// A reply that nothing was written to.
    pub(crate) fn new(sink: &'a mut dyn Sink, style: Style, provenance: Provenance) -> Self {
        Self {
            sink,
            style,
            provenance,
            started: Instant::now(),
            begun: false,
            sent: 0,
        }
    }

    /// Bytes written so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Whether JSON is wanted.
    pub(crate) fn json(&self) -> bool {
        self.style.json
    }

    /// Has the answer be JSON, as an argument asks.
    pub(crate) fn want_json(&mut self) {
        self.style.json = true;
    }

    /// Says what is looked at before the work starts: it shows people, and clients that give up
    /// after half a second of silence, that something is happening.
    ///
    /// # Errors
    /// `cancelled`, `truncated`.
    pub(crate) fn begin(&mut self, about: &str) -> Result<(), Failure> {
        if self.style.json || self.begun {
            return Ok(());
        }
        self.begun = true;
        let line = render::text::provenance_line(&self.provenance, about, false);
        self.send(Kind::Text { stream: true }, line.into_bytes())
    }

    /// Says how far the work is.
    ///
    /// # Errors
    /// `cancelled`.
    pub(crate) fn progress(
        &mut self,
        done: f64,
        total: f64,
        unit: &'static str,
    ) -> Result<(), Failure> {
        self.sink.send(Event::Progress { done, total, unit })
    }

    /// Writes an answer in the form that was asked for.
    ///
    /// # Errors
    /// `no-memory` for one that is incomplete; `cancelled`, `truncated`.
    pub(crate) fn answer(&mut self, answer: Answer) -> Result<(), Failure> {
        if answer.is_incomplete() {
            return Err(Failure::no_memory(&self.provenance.command));
        }
        self.provenance.elapsed_ns =
            u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let style = TextStyle {
            next: self.style.next,
        };
        let provenance = self.provenance.clone();
        let json = self.style.json;
        let begun = std::mem::replace(&mut self.begun, true);
        self.pieces(Kind::Text { stream: false }, |out| {
            if json {
                return render::json::render(&answer, &provenance, out);
            }
            if let (Some(about), false) = (&answer.about, begun) {
                out.put(&render::text::provenance_line(&provenance, about, true))?;
            }
            render::text::body(&answer, style, out)
        })?;
        self.sink.send(Event::Outcome {
            verdict: answer.verdict,
            next: answer.next,
        })
    }

    /// Writes one line of a stream (`vars watch`, a tail); the line end is added, and what a terminal
    /// would obey is escaped.
    ///
    /// # Errors
    /// `cancelled`, `truncated`.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.pieces(Kind::Text { stream: true }, |out| {
            escape::put(line, escape::line, out)?;
            out.put("\n")
        })
    }

    /// Writes one line of a stream for programs.
    ///
    /// # Errors
    /// `cancelled`, `truncated`.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        let stream = Kind::Text { stream: true };
        self.pieces(stream, |out| render::json::line(object, out))
    }

    /// Writes a file that `write` makes.
    ///
    /// # Errors
    /// `unsupported` where a person would see raw bytes; `cancelled`, `truncated`.
    pub(crate) fn file(
        &mut self,
        media: &'static str,
        name: &'static str,
        write: impl FnOnce(&mut dyn Out) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.takes_files(name)?;
        self.pieces(Kind::File { media, name }, write)
    }

    /// Writes a file of bytes that `write` hands to its argument, piece by piece.
    ///
    /// # Errors
    /// As [`Reply::file`].
    pub(crate) fn bytes(
        &mut self,
        media: &'static str,
        name: &'static str,
        write: impl FnOnce(&mut dyn FnMut(&[u8])),
    ) -> Result<(), Failure> {
        self.takes_files(name)?;
        let mut pieces = Pieces {
            reply: self,
            kind: Kind::File { media, name },
            piece: Vec::new(),
        };
        let mut result = Ok(());
        write(&mut |bytes| {
            // Nobody reads what is made after that; it is little.
            if result.is_ok() {
                result = pieces.add(bytes);
            }
        });
        result.and_then(|()| pieces.hand_on())
    }

    /// Whether a file can be sent: better asked before it is made.
    ///
    /// # Errors
    /// `unsupported` where a person would see raw bytes.
    pub(crate) fn takes_files(&self, name: &str) -> Result<(), Failure> {
        if !self.style.no_bytes {
            return Ok(());
        }
        let command = &self.provenance.command;
        let text = format!("{command}: the answer is a file; a prompt cannot show it");
        let remedy = format!("try: echo '{command}' | nc -U SOCKET > {name}");
        Err(Failure::new(Code::Unsupported, text).hint(remedy))
    }

    /// Writes text for people and scripts alike, made piece by piece; whole lines.
    ///
    /// # Errors
    /// `cancelled`, `truncated`.
    pub(crate) fn text(
        &mut self,
        write: impl FnOnce(&mut dyn Out) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        self.pieces(Kind::Text { stream: false }, write)
    }

    fn pieces(
        &mut self,
        kind: Kind,
        write: impl FnOnce(&mut dyn Out) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut pieces = Pieces {
            reply: self,
            kind,
            piece: Vec::new(),
        };
        write(&mut pieces)?;
        pieces.hand_on()
    }

    fn send(&mut self, kind: Kind, chunk: Vec<u8>) -> Result<(), Failure> {
        let max = match kind {
            Kind::Text { .. } => TEXT_MAX,
            Kind::File { .. } => BYTES_MAX,
        };
        self.count(chunk.len(), max)?;
        self.sink.send(match kind {
            Kind::Text { stream } => Event::Text { chunk, stream },
            Kind::File { media, name } => Event::Bytes { media, name, chunk },
        })
    }

    fn count(&mut self, bytes: usize, max: u64) -> Result<(), Failure> {
        self.sent = self.sent.saturating_add(bytes as u64);
        if self.sent > max {
            let text = format!(
                "{}: the reply was cut at {} MiB",
                self.provenance.command,
                max >> 20
            );
            return Err(Failure::new(Code::Truncated, text));
        }
        Ok(())
    }
}

/// What a piece is part of.
#[derive(Clone, Copy)]
enum Kind {
    Text {
        stream: bool,
    },
    File {
        media: &'static str,
        name: &'static str,
    },
}

/// Gathers what is rendered into pieces.
struct Pieces<'r, 'a> {
    reply: &'r mut Reply<'a>,
    kind: Kind,
    piece: Vec<u8>,
}

impl Pieces<'_, '_> {
    fn hand_on(&mut self) -> Result<(), Failure> {
        match std::mem::take(&mut self.piece) {
            piece if piece.is_empty() => Ok(()),
            piece => self.reply.send(self.kind, piece),
        }
    }
}

impl Out for Pieces<'_, '_> {
    fn put(&mut self, text: &str) -> Result<(), Failure> {
        self.add(text.as_bytes())
    }
}

impl Pieces<'_, '_> {
    fn add(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        while !bytes.is_empty() {
            let room = PIECE.saturating_sub(self.piece.len()).min(bytes.len());
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() >= PIECE {
                self.hand_on()?;
            }
        }
        Ok(())
    }
}
