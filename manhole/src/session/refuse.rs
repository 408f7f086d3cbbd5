//! Telling a stranger that it may not come in, in the language it speaks.

use super::http;
use crate::{
    model::Failure,
    rt::{Stream, timeout},
};
use std::time::Duration;

/// A refused client gets this long to say what it speaks, and as long to read the answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes the refusal as an HTTP response or as an `ERR` line, and closes.
pub(crate) async fn refuse(stream: Stream, failure: Failure) {
    let http = timeout(PATIENCE, speaks_http(&stream))
        .await
        .unwrap_or(false);
    let reply = match http {
        true => http::response(failure.code.http_status(), &failure.to_string()),
        false => format!("{failure}\n"),
    };
    // A fresh socket buffer takes a few hundred bytes at once; who does not read them loses them.
    let _ = stream.try_write(reply.as_bytes());
    stream.shut_down_write();
    let _ = timeout(PATIENCE, drain(&stream)).await;
}

async fn speaks_http(stream: &Stream) -> bool {
    let mut first = [0; 1];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut first) {
            Ok(count) => return count > 0 && first.iter().all(u8::is_ascii_uppercase),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return false,
        }
    }
    false
}

async fn drain(stream: &Stream) {
    let mut buffer = [0; 4096];
    while stream.readable().await.is_ok() {
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ => {}
        }
    }
}
