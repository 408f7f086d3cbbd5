//! The HTTP dialect: one request a connection, served by hyper from bytes that were looked at first.
//!
//! The head is read whole before hyper sees it: so its size, its number of headers, its line ends
//! and the time it may take are ours to bound, and hyper needs no timer.

mod application;
mod body;
mod head;
mod index;
mod io;
mod reply;
mod routes;

use super::{
    PARTIAL,
    peer::{Peer, Read},
    race::{First, race},
    text::LOOK,
};
use crate::{command::Cancel, model::Failure, rt};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use std::{convert::Infallible, rc::Rc, time::Instant};

/// Serves the request that `bytes` begin.
pub(super) async fn converse(mut peer: Peer, mut bytes: Vec<u8>) {
    if let Err((status, text)) = read_head(&mut peer, &mut bytes).await {
        let reply = reply::raw(status, &text);
        let _ = peer.write(reply.as_bytes()).await;
        return peer.close().await;
    }
    let cancel = Cancel::default();
    let _stop = super::text::StopOnDrop(cancel.clone());
    let _busy = peer.connection.running();
    let peer = Rc::new(peer);
    let io = io::Io::new(peer.clone(), bytes);
    let pace = io.pace();
    let service = service_fn(|request: Request<Incoming>| {
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
    loop {
        match race(&mut connection, look.tick()).await {
            First::A(_) => break,
            First::B(_) if peer.hung_up() || pace.too_slow() => return,
            First::B(_) => {}
        }
    }
    peer.close().await;
}

/// Answers what is HTTP, but no request that can be served.
pub(super) async fn refuse(peer: &mut Peer, failure: &Failure) {
    let reply = reply::raw(failure.code.http_status(), &failure.to_string());
    let _ = peer.write(reply.as_bytes()).await;
    peer.close().await;
}

async fn read_head(peer: &mut Peer, bytes: &mut Vec<u8>) -> Result<(), (u16, String)> {
    let until = Instant::now() + PARTIAL;
    let mut buffer = [0; 4096];
    while !head::complete(bytes)? {
        let left = until.saturating_duration_since(Instant::now());
        match peer.read(&mut buffer, left).await {
            Read::Data(chunk) => bytes.extend_from_slice(chunk),
            Read::Quiet => {
                return Err((
                    408,
                    "the request's head was not finished in 30 s".to_owned(),
                ));
            }
            Read::Eof | Read::Gone => {
                return Err((400, "the request's head is not complete".to_owned()));
            }
            Read::Evicted => return Err((503, peer.evicted().text)),
        }
    }
    Ok(())
}
