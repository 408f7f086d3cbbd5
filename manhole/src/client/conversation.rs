//! One connection to a console: commands out, pieces of replies in, with patience and a way to stop.
//!
//! A server can neither hang its caller nor outlive its deadline; the caller's sink bounds the whole of
//! a reply, as the decoder does its parts.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use super::{
    call::{CallError, Patience, Piece},
    connect::Connected,
    trouble::Kind,
    wire::{Wire, lost},
};
use crate::{
    model::{Code, Failure},
    protocol::machine::{End, Event, Request},
    render::units,
};

/// A server that has never said anything is asked for a sign of life after this time ...
const DOUBT: Duration = Duration::from_secs(2);
/// ... and given up after this one: it is stopped or wedged.
const SILENCE: Duration = Duration::from_secs(8);
/// The longest command takes 300 s; it may wait for two others before.
pub const LONGEST: Duration = Duration::from_secs(960);
/// How long a cancelled command may take to say so.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection to a console.
pub struct Client {
    wire: Wire,
    name: String,
    last_id: u64,
    usable: bool,
}

impl Client {
    /// Speaks over a checked connection; `name` is what the audit calls us.
    pub fn new(connected: Connected, name: impl Into<String>) -> Self {
        Self {
            wire: Wire::new(connected),
            name: name.into(),
            last_id: 0,
            usable: true,
        }
    }

    /// The process on the other end, as we number it; 0 when it lies outside of our namespaces.
    pub fn pid(&self) -> i32 {
        self.wire.connected.pid
    }

    /// The user on the other end.
    pub fn uid(&self) -> u32 {
        self.wire.connected.uid
    }

    /// Whether more commands can be sent, as far as one can tell without sending.
    pub fn is_usable(&self) -> bool {
        self.usable && self.wire.is_quiet()
    }

    /// Runs one command and hands every piece of its reply to `sink`, which may break off.
    ///
    /// # Errors
    /// [`CallError::Failed`] with the server's own words, [`CallError::Lost`] when the connection
    /// broke, the server stays silent or the time is over. After a break of the sink or a stop it is
    /// `Failed` with code `cancelled`.
    pub fn call(
        &mut self,
        words: &[String],
        patience: Patience<'_>,
        sink: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<End, CallError> {
        let result = self.converse(words, patience, sink);
        if matches!(result, Err(CallError::Lost(_))) {
            self.usable = false;
        }
        result
    }

    /// Runs one command and collects its whole output, at most `cap` bytes.
    ///
    /// # Errors
    /// As [`Client::call`]; `truncated` beyond `cap`.
    pub fn collect(
        &mut self,
        words: &[String],
        patience: Patience<'_>,
        cap: usize,
    ) -> Result<(Vec<u8>, End), CallError> {
        let (mut output, mut over) = (Vec::new(), false);
        let result = self.call(words, patience, &mut |piece| {
            if let Piece::Data { bytes, .. } = piece {
                over = output.len().saturating_add(bytes.len()) > cap;
                if over {
                    return ControlFlow::Break(());
                }
                output.extend_from_slice(bytes);
            }
            ControlFlow::Continue(())
        });
        match (over, result) {
            (true, _) => Err(CallError::Failed(Failure::new(
                Code::Truncated,
                format!("the answer is over {cap} bytes"),
            ))),
            (false, result) => result.map(|end| (output, end)),
        }
    }

    fn converse(
        &mut self,
        words: &[String],
        patience: Patience<'_>,
        sink: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>,
    ) -> Result<End, CallError> {
        let id = self.send_command(words)?;
        let started = Instant::now();
        let mut doubted = None;
        let mut stopping: Option<Instant> = None;
        loop {
            while let Some(event) = self.wire.next_event()? {
                match event {
                    Event::End { id: of, result } if of == id => {
                        return result.map_err(CallError::Failed);
                    }
                    event if event_id(&event) != id || stopping.is_some() => {}
                    event if hand_over(&event, sink).is_break() => {
                        stopping = Some(self.cancel(id)?);
                    }
                    _ => {}
                }
            }
            let heard = self.wire.receive()?;
            match stopping {
                Some(since) if since.elapsed() > FAREWELL => {
                    self.usable = false;
                    return Err(CallError::Failed(Failure::cancelled()));
                }
                Some(_) => {}
                None if (patience.stop)() => stopping = Some(self.cancel(id)?),
                None if started.elapsed() > patience.total => {
                    self.cancel(id)?;
                    return Err(lost(Kind::TimedOut, self.too_late(started.elapsed())));
                }
                None if !heard => self.doubt(started.elapsed(), &mut doubted)?,
                None => {}
            }
        }
    }

    fn too_late(&self, waited: Duration) -> String {
        let waited = units::nanos(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX));
        match self.wire.heard {
            true => format!("gave up after {waited}; the command was cancelled"),
            false => format!("no answer for {waited}"),
        }
    }

    /// A server that says nothing may be computing or dead: one that lives answers `version`.
    fn doubt(&mut self, waited: Duration, doubted: &mut Option<u64>) -> Result<(), CallError> {
        if self.wire.heard {
            return Ok(());
        }
        if doubted.is_none() && waited > DOUBT {
            *doubted = Some(self.send_command(&["version".to_owned()])?);
        }
        match waited > SILENCE {
            true => Err(lost(
                Kind::TimedOut,
                format!(
                    "no answer for {} s: the process may be stopped",
                    SILENCE.as_secs()
                ),
            )),
            false => Ok(()),
        }
    }

    fn send_command(&mut self, words: &[String]) -> Result<u64, CallError> {
        self.last_id += 1;
        let request = Request::Command {
            id: self.last_id,
            words: words.to_vec(),
            client: Some(self.name.clone()),
        };
        match self.wire.send(&request.encode()) {
            Ok(()) => Ok(self.last_id),
            // A server that refuses us says why before it closes.
            Err(error) => Err(self.wire.last_words().unwrap_or(error)),
        }
    }

    fn cancel(&mut self, id: u64) -> Result<Instant, CallError> {
        self.wire.send(&Request::Cancel { id }.encode())?;
        Ok(Instant::now())
    }
}

fn event_id(event: &Event) -> u64 {
    match event {
        Event::Progress { id, .. } | Event::Data { id, .. } | Event::End { id, .. } => *id,
    }
}

fn hand_over(event: &Event, sink: &mut dyn FnMut(Piece<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
    match event {
        Event::Progress {
            done, total, unit, ..
        } => sink(Piece::Progress {
            done: *done,
            total: *total,
            unit,
        }),
        Event::Data {
            media,
            name,
            stream,
            payload,
            ..
        } => sink(Piece::Data {
            media,
            name: name.as_deref(),
            stream: *stream,
            bytes: payload,
        }),
        Event::End { .. } => ControlFlow::Continue(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::machine::{encode_data_header, encode_end, encode_progress};
    use std::{
        io::{BufRead, BufReader, Write},
        os::unix::net::UnixStream,
        thread,
    };

    /// A client whose server is `serve`, run with the lines that arrive.
    fn client(serve: impl FnOnce(BufReader<UnixStream>, UnixStream) + Send + 'static) -> Client {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || serve(BufReader::new(theirs.try_clone().unwrap()), theirs));
        let connected = Connected {
            stream: ours,
            pid: 1,
            uid: 0,
        };
        Client::new(connected, "test 1")
    }

    fn line(reader: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line
    }

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn data(id: u64, payload: &str) -> String {
        encode_data_header(id, payload.len(), "text/plain", None, false) + payload
    }

    #[test]
    fn a_reply_arrives_in_order_and_foreign_ids_are_ignored() {
        let mut client = client(|mut reader, mut stream| {
            assert_eq!(
                line(&mut reader),
                "{\"id\":1,\"command\":[\"cpu\",\"5\"],\"client\":\"test 1\"}\n"
            );
            let reply = encode_progress(1, 1.0, Some(5.0), "s")
                + &data(9, "stranger")
                + &data(1, "one ")
                + &encode_end(9, &Ok(End::default()))
                + &data(1, "two")
                + &encode_end(1, &Ok(End::default()));
            for byte in reply.bytes() {
                stream.write_all(&[byte]).unwrap();
            }
        });
        let mut seen = Vec::new();
        let patience = Patience::of(LONGEST);
        let end = client.call(&words("cpu 5"), patience, &mut |piece| {
            seen.push(match piece {
                Piece::Progress { done, .. } => format!("{done}"),
                Piece::Data { bytes, .. } => String::from_utf8_lossy(bytes).into_owned(),
            });
            ControlFlow::Continue(())
        });
        assert_eq!(end, Ok(End::default()));
        assert_eq!(seen, ["1", "one ", "two"]);
    }

    #[test]
    fn a_failure_keeps_the_connection_and_a_broken_stream_does_not() {
        let mut client = client(|mut reader, mut stream| {
            line(&mut reader);
            let failure = Failure::new(Code::Busy, "later");
            stream
                .write_all(encode_end(1, &Err(failure)).as_bytes())
                .unwrap();
            line(&mut reader);
            stream.write_all(b"{\"id\":2,\"da").unwrap();
        });
        let mut call = || client.collect(&words("x"), Patience::of(LONGEST), 10);
        assert_eq!(
            call(),
            Err(CallError::Failed(Failure::new(Code::Busy, "later")))
        );
        let Err(CallError::Lost(trouble)) = call() else {
            panic!("not lost");
        };
        assert_eq!(trouble.kind, Kind::Failed);
        assert!(!client.is_usable());
    }

    #[test]
    fn who_is_not_let_in_gets_the_servers_words() {
        let mut client = client(|_, mut stream| {
            stream
                .write_all(b"ERR denied uid 1001 may not use this console\n")
                .unwrap();
        });
        thread::sleep(Duration::from_millis(50));
        let refused = client.collect(&words("x"), Patience::of(LONGEST), 10);
        let Err(CallError::Lost(trouble)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(trouble.kind, Kind::Refused);
        assert_eq!(trouble.text, "uid 1001 may not use this console");
    }

    #[test]
    fn stopping_cancels_and_the_next_command_works() {
        let mut client = client(|mut reader, mut stream| {
            line(&mut reader);
            assert_eq!(line(&mut reader), "{\"cancel\":1}\n");
            let late = data(1, "late") + &encode_end(1, &Err(Failure::cancelled()));
            stream.write_all(late.as_bytes()).unwrap();
            line(&mut reader);
            let reply = data(2, "ok") + &encode_end(2, &Ok(End::default()));
            stream.write_all(reply.as_bytes()).unwrap();
        });
        let stop = Patience {
            total: LONGEST,
            stop: &|| true,
        };
        let stopped = client.collect(&words("x"), stop, 10);
        assert_eq!(stopped, Err(CallError::Failed(Failure::cancelled())));
        let next = client.collect(&words("y"), Patience::of(LONGEST), 10);
        assert_eq!(next.unwrap().0, b"ok");
    }

    #[test]
    fn a_server_that_floods_is_cut_at_the_cap() {
        let mut client = client(|mut reader, mut stream| {
            line(&mut reader);
            let flood = data(1, &"x".repeat(1000));
            while stream.write_all(flood.as_bytes()).is_ok() {}
        });
        let Err(CallError::Failed(failure)) =
            client.collect(&words("x"), Patience::of(LONGEST), 5000)
        else {
            panic!("not cut");
        };
        assert_eq!(failure.code, Code::Truncated);
    }

    #[test]
    fn a_connection_that_was_closed_is_noticed_before_the_next_command() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let connected = Connected {
            stream: ours,
            pid: 1,
            uid: 0,
        };
        let client = Client::new(connected, "test");
        assert!(client.is_usable());
        drop(theirs);
        assert!(!client.is_usable());
    }

    #[test]
    fn the_deadline_holds_against_a_silent_server() {
        let mut client = client(|mut reader, _stream| while !line(&mut reader).is_empty() {});
        let started = Instant::now();
        let patience = Patience::of(Duration::from_millis(150));
        let Err(CallError::Lost(trouble)) = client.collect(&words("x"), patience, 10) else {
            panic!("not lost");
        };
        assert_eq!(trouble.kind, Kind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}
