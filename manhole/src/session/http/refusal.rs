//! Requests that get no further than their head: answered by us, audited, and the connection closed.
//!
//! Left to itself hyper would answer them with a bare status, and nobody would know who sent them.

use super::super::{outlet::Outlet, peer::Peer};
use crate::{
    command,
    model::{Code, Dialect, Failure},
    render::units,
    sys::unix_now_ns,
};
use hyper::StatusCode;

/// The media type of all that is meant for people.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// How long a client that is told to come back should wait, in seconds.
pub(super) const RETRY_AFTER: &str = "5";

/// What is wrong with a request, before there is one that hyper could hand over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// For the audit.
    pub code: Code,
    /// A sentence.
    pub text: String,
}

impl Refusal {
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            code: code(status),
            text: text.into(),
        }
    }
}

impl From<&Failure> for Refusal {
    fn from(failure: &Failure) -> Self {
        Self {
            status: failure.code.http_status(),
            code: failure.code,
            text: failure.to_string(),
        }
    }
}

/// Answers what is HTTP, but no request that can be served. `head` is what came of it.
pub(super) async fn turn_away(peer: &Peer, head: &[u8], refusal: Refusal) {
    let Refusal { status, code, text } = refusal;
    let (method, path) = super::head::target(head);
    peer.note(Dialect::Http, line(&method, &path), code);
    let reply = response(status, &text);
    let _ = Outlet::default()
        .write(&peer.stream, reply.as_bytes())
        .await;
    peer.close().await;
}

/// A whole response. One header makes `go tool pprof` show the text instead of swallowing it.
pub(in super::super) fn response(status: u16, text: &str) -> String {
    let reason = StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Error");
    let again = match status {
        503 => format!("Retry-After: {RETRY_AFTER}\r\n"),
        _ => String::new(),
    };
    let date = units::time_http(unix_now_ns());
    format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {TEXT}\r\nX-Content-Type-Options: nosniff\r\n\
         X-Go-Pprof: 1\r\nDate: {date}\r\n{again}Connection: close\r\nContent-Length: {}\r\n\r\n{text}\n",
        text.len() + 1
    )
}

/// The code that stands in the audit for a status that no command gave.
pub(super) fn code(status: u16) -> Code {
    match status {
        403 => Code::Denied,
        405 => Code::Usage,
        408 => Code::Timeout,
        503 => Code::Busy,
        _ => Code::Protocol,
    }
}

/// The method and the path for the audit, secrets masked; the query stays out.
pub(super) fn line(method: &str, path: &str) -> String {
    let path = command::decode(if path.is_empty() { "/" } else { path });
    let (prefix, rest) = match path.strip_prefix("/cmd/") {
        Some(rest) => ("/cmd/", rest),
        None => ("", path.as_str()),
    };
    let words: Vec<String> = rest.split(['/', ' ']).map(str::to_owned).collect();
    let masked = command::masked(&words).replace(' ', "/");
    format!("{method} {prefix}{masked}")
}
