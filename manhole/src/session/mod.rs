//! One conversation per dialect: text, machine, HTTP.
//!
//! A conversation reads bytes, lets the pure parsers of `protocol` find out what is asked, has it
//! run on a worker, and frames the events that come back. It is the only place that knows both a
//! connection and a command.

mod clock;
mod connection;
mod http;
mod machine;
mod outlet;
mod peer;
mod race;
mod refuse;
mod running;
mod supervised;
mod text;

pub(crate) use connection::Connection;
pub(crate) use refuse::refuse;

use crate::{
    command::State,
    model::{Caller, Code, Failure},
    protocol::sniff::{Sniff, Sniffer},
    rt::Stream,
};
use clock::{Limits, LineClock};
use peer::{Peer, Read};
use std::sync::Arc;

/// Serves one connection to its end.
pub(crate) async fn converse(
    stream: Stream,
    caller: Caller,
    connection: Connection,
    state: Arc<State>,
) {
    let limits = Limits::default();
    converse_with(Peer::new(stream, caller, connection, state, limits)).await;
}

async fn converse_with(mut peer: Peer) {
    let mut sniffer = Sniffer::default();
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let mut clock = LineClock::new(&peer.limits);
    loop {
        let patience = clock.patience(!bytes.is_empty(), peer.limits.first_byte);
        let chunk = match peer.read(&mut buffer, patience).await {
            Read::Data(chunk) => chunk,
            Read::Quiet if !bytes.is_empty() => {
                let late = Failure::new(Code::Timeout, "the first line was not finished in 30 s");
                return peer.dismiss(&late).await;
            }
            Read::Evicted => return peer.dismiss(&peer.evicted()).await,
            Read::Eof if !bytes.is_empty() => return text::converse(&mut peer, &bytes, true).await,
            Read::Eof | Read::Quiet | Read::Gone => return,
        };
        bytes.extend_from_slice(chunk);
        match sniffer.feed(chunk) {
            Sniff::Need => {}
            Sniff::Text => return text::converse(&mut peer, &bytes, false).await,
            Sniff::Machine => return machine::converse(&mut peer, &bytes).await,
            Sniff::BadRequest(failure) => return http::refuse(&peer, &bytes, &failure).await,
            Sniff::Http => return http::converse(peer, bytes).await,
            Sniff::Refuse(failure) => return peer.dismiss(&failure).await,
        }
    }
}

#[cfg(test)]
mod tests;
