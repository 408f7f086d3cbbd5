//! Where a command writes: data in, events out, and never more than the reply's bound.
//!
//! Rendering happens here, on the thread that runs the command, in pieces of 32 KiB: one large
//! buffer would stay in the host's RSS for good (measured: +1 MB for a reply of 1 MB in one piece,
//! +0.2 MB in pieces of 32 KiB), and the I/O thread has other clients.

use crate::{
    model::{Answer, Code, Failure, Verdict},
    render::{self, Provenance, text::TextStyle},
};
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
        self.text(line.into_bytes(), true)
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
    /// `cancelled`, `truncated`.
    pub(crate) fn answer(&mut self, answer: Answer) -> Result<(), Failure> {
        self.provenance.elapsed_ns =
            u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let text = if self.style.json {
            render::json::render(&answer, &self.provenance)
        } else {
            let mut text = String::new();
            if let (Some(about), false) = (&answer.about, self.begun) {
                text = render::text::provenance_line(&self.provenance, about, true);
            }
            self.begun = true;
            let style = TextStyle {
                next: self.style.next,
            };
            text.push_str(&render::text::body(&answer, style));
            text
        };
        self.pieces(text.as_bytes())?;
        self.sink.send(Event::Outcome {
            verdict: answer.verdict,
            next: answer.next,
        })
    }

    fn pieces(&mut self, text: &[u8]) -> Result<(), Failure> {
        text.chunks(PIECE)
            .try_for_each(|piece| self.text(piece.to_vec(), false))
    }

    /// Writes one line of a stream (`vars watch`, a tail); the line end is added.
    ///
    /// # Errors
    /// `cancelled`, `truncated`.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        let mut chunk = line.as_bytes().to_vec();
        chunk.push(b'\n');
        self.text(chunk, true)
    }

    fn text(&mut self, chunk: Vec<u8>, stream: bool) -> Result<(), Failure> {
        self.count(chunk.len(), TEXT_MAX)?;
        self.sink.send(Event::Text { chunk, stream })
    }

    /// Writes a file, whole or in parts.
    ///
    /// # Errors
    /// `unsupported` where a person would see raw bytes; `cancelled`, `truncated`.
    pub(crate) fn bytes(
        &mut self,
        media: &'static str,
        name: &'static str,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        if self.style.no_bytes {
            let command = &self.provenance.command;
            return Err(Failure::new(
                Code::Unsupported,
                format!("{command}: the answer is a file; a prompt cannot show it"),
            )
            .hint(format!("try: echo '{command}' | nc -U SOCKET > {name}")));
        }
        for piece in bytes.chunks(PIECE) {
            self.count(piece.len(), BYTES_MAX)?;
            self.sink.send(Event::Bytes {
                media,
                name,
                chunk: piece.to_vec(),
            })?;
        }
        Ok(())
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
