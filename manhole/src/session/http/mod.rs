//! The HTTP dialect: one request a connection, served by hyper from bytes that were looked at first.
//!
//! The head is read whole before hyper sees it: so its size, its number of headers, its line ends
//! and the time it may take are ours to bound, and hyper needs no timer.

mod application;
mod body;
mod head;
mod index;
mod io;
mod refusal;
mod reply;
mod routes;

use super::{
    peer::{Peer, Read},
    race::{First, race},
    text::LOOK,
};
use crate::{command::Cancel, model::Failure, rt};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use refusal::Refusal;
use std::{convert::Infallible, rc::Rc, time::Instant};

pub(super) use refusal::response;

/// Serves the request that `bytes` begin.
pub(super) async fn converse(peer: Peer, mut bytes: Vec<u8>) {
    if let Err(refusal) = read_head(&peer, &mut bytes).await {
        return refusal::turn_away(&peer, &bytes, refusal).await;
    }
    let cancel = Cancel::default();
    let _stop = super::text::StopOnDrop(cancel.clone());
    let _busy = peer.connection.running();
    let peer = Rc::new(peer);
    let io = io::Io::new(peer.clone(), bytes.clone());
    let (pace, begun) = (io.pace(), io.begun());
    let service = service_fn(|request: Request<Incoming>| {
        begun.set(true);
        let (peer, cancel) = (peer.clone(), cancel.clone());
        async move { Ok::<Response<body::Body>, Infallible>(reply::answer(peer, cancel, request).await) }
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .half_close(true)
        .keep_alive(false)
        .title_case_headers(true)
        .max_headers(head::MOST_HEADERS)
        .max_buf_size(4 * head::LONGEST);
    let mut connection = std::pin::pin!(builder.serve_connection(io, service));
    let mut look = rt::interval(LOOK);
    let ended = loop {
        match race(&mut connection, look.tick()).await {
            First::A(ended) => break ended,
            First::B(_) if peer.hung_up() || pace.too_slow() => return,
            First::B(_) => {}
        }
    };
    match ended {
        // hyper had its reasons, and an answer of its own that was held back.
        Err(error) if !begun.get() => {
            let refusal = Refusal::new(400, format!("this is no request to be served: {error}"));
            refusal::turn_away(&peer, &bytes, refusal).await;
        }
        _ => peer.close().await,
    }
}

/// Answers what is HTTP, but no request that can be served.
pub(super) async fn refuse(peer: &Peer, bytes: &[u8], failure: &Failure) {
    refusal::turn_away(peer, bytes, failure.into()).await;
}

async fn read_head(peer: &Peer, bytes: &mut Vec<u8>) -> Result<(), Refusal> {
    let until = Instant::now() + peer.limits.partial;
    let mut buffer = [0; 4096];
    while !head::complete(bytes)? {
        let left = until.saturating_duration_since(Instant::now());
        match peer.read(&mut buffer, left).await {
            Read::Data(chunk) => bytes.extend_from_slice(chunk),
            Read::Quiet => {
                let text = "the request's head was not finished in 30 s";
                return Err(Refusal::new(408, text));
            }
            Read::Eof | Read::Gone => {
                return Err(Refusal::new(400, "the request's head is not complete"));
            }
            Read::Evicted => return Err(Refusal::new(503, peer.evicted().text)),
        }
    }
    Ok(())
}
