//! One connection: one request, one answer, then it is closed.

use std::{
    net::{SocketAddr, SocketAddrV4},
    os::unix::net::UnixStream as StdUnixStream,
    time::Duration,
};

use manhole::client::Trouble;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    time::timeout,
};

use super::{
    Shared,
    answer::{self, Answer},
    owner,
    rules::{self, Forward, end_of_head},
};

/// How long a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);
/// How long a client may take none of its answer, or the console none of its request.
const STALL: Duration = Duration::from_secs(30);
/// How long we wait for the client's end, so that what it has not read yet is not lost.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a client may send behind its request. It is read, to notice the end, and thrown away.
const CHATTER: usize = 64 << 10;

/// Serves one connection.
pub(super) async fn serve(mut client: TcpStream, peer: SocketAddr, shared: &Shared) {
    let mut request = Vec::new();
    if let Err(answer) = exchange(&mut client, peer, shared, &mut request).await {
        let bodiless = request.starts_with(b"HEAD ");
        // Whoever is gone or does not read misses what was for him alone.
        let _ = timeout(STALL, client.write_all(&answer.bytes(bodiless))).await;
    }
    let _ = timeout(FAREWELL, bid_farewell(&mut client)).await;
}

/// Tells a connection that all seats are taken.
pub(super) async fn turn_away(mut client: TcpStream, seats: usize) {
    let answer = Answer::new(503, format!("{seats} connections are open already"));
    let answer = answer.header("Retry-After", "1").bytes(false);
    let told = timeout(FAREWELL, client.write_all(&answer)).await;
    if told.is_ok() {
        let _ = timeout(FAREWELL, bid_farewell(&mut client)).await;
    }
}

async fn bid_farewell(client: &mut TcpStream) {
    let _ = client.shutdown().await;
    let mut rest = [0; 4096];
    let mut read = 0;
    while let Ok(count @ 1..) = client.read(&mut rest).await {
        read += count;
        if read > CHATTER {
            return;
        }
    }
}

/// `Err` is what to say instead of an answer of the console's.
async fn exchange(
    client: &mut TcpStream,
    peer: SocketAddr,
    shared: &Shared,
    request: &mut Vec<u8>,
) -> Result<(), Answer> {
    let SocketAddr::V4(from) = peer else {
        return Err(Answer::new(403, "only 127.0.0.1 is served"));
    };
    let server = shared.address;
    if !blocking(move || owner::is_ours(from, server)).await? {
        let text = "the connection belongs to another user, or to a process that has gone";
        return Err(Answer::new(403, text));
    }
    let late = |_| Answer::new(408, "the request did not arrive within 10 s");
    let (forward, body) = timeout(ARRIVAL, receive(client, shared, request))
        .await
        .map_err(late)??;
    let mut console = reach(shared).await?;
    let send = async {
        console.write_all(forward.head.as_bytes()).await?;
        console.write_all(&body).await
    };
    // One that refuses us has said why; one that is gone has said nothing.
    let _ = timeout(STALL, send).await;
    pass_on(client, &mut console, shared).await
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Answer> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Answer::new(502, "the proxy is about to end"))
}

/// The request, as it is passed on, with its body.
async fn receive(
    client: &mut TcpStream,
    shared: &Shared,
    bytes: &mut Vec<u8>,
) -> Result<(Forward, Vec<u8>), Answer> {
    let end = loop {
        if let Some(end) = end_of_head(bytes) {
            break end;
        }
        if bytes.len() > rules::HEAD {
            return Err(Answer::new(431, "a head may have 16 KiB"));
        }
        more(client, bytes).await?;
    };
    let forward = shared.rules.judge(bytes.get(..end).unwrap_or_default())?;
    while bytes.len() < end + forward.body {
        more(client, bytes).await?;
    }
    let body = bytes.get(end..end + forward.body).unwrap_or_default();
    let body = body.to_vec();
    Ok((forward, body))
}

async fn more(client: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(), Answer> {
    let mut buffer = [0; 4096];
    match client.read(&mut buffer).await {
        Ok(count @ 1..) => {
            bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(())
        }
        _ => Err(Answer::new(400, "the request is not complete")),
    }
}

/// A connection to the console, checked as every other one.
async fn reach(shared: &Shared) -> Result<UnixStream, Answer> {
    let target = shared.target.clone();
    let stream = blocking(move || target.reach()).await?;
    let adopt = |stream: StdUnixStream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    };
    let failed = |error: &std::io::Error| {
        let trouble = Trouble::io(manhole::client::Kind::Failed, "failed to connect", error);
        Answer::unreachable(&trouble)
    };
    let stream = stream.map_err(|trouble| Answer::unreachable(&trouble))?;
    adopt(stream).map_err(|error| failed(&error))
}

/// The console's answer. When the client goes, so does the connection to the console, which cancels
/// what runs there.
async fn pass_on(
    client: &mut TcpStream,
    console: &mut UnixStream,
    shared: &Shared,
) -> Result<(), Answer> {
    let (mut from_client, mut to_client) = client.split();
    let mut answered = Answered::Head(Vec::new());
    let mut piece = vec![0; 32 << 10];
    let mut rest = [0; 4096];
    let mut chatter = 0;
    loop {
        let count = tokio::select! {
            read = console.read(&mut piece) => read.unwrap_or(0),
            read = from_client.read(&mut rest) => match read {
                Ok(count @ 1..) if chatter <= CHATTER => {
                    chatter += count;
                    continue;
                }
                _ => return Ok(()),
            },
        };
        let bytes = answered.take(piece.get(..count).unwrap_or_default(), &shared.rules.token)?;
        let sent = timeout(STALL, to_client.write_all(&bytes)).await;
        if count == 0 || !matches!(sent, Ok(Ok(()))) {
            return Ok(());
        }
    }
}

/// How much of an answer has come.
enum Answered {
    /// Its head, not yet complete.
    Head(Vec<u8>),
    /// All of its head.
    Body,
}

impl Answered {
    /// What to pass on of the bytes that came; none came at the end.
    fn take(&mut self, bytes: &[u8], token: &str) -> Result<Vec<u8>, Answer> {
        let Answered::Head(held) = self else {
            return Ok(bytes.to_vec());
        };
        held.extend_from_slice(bytes);
        let Some(end) = end_of_head(held) else {
            if let Some(answer) = answer::turned_away(held).filter(|_| held.contains(&b'\n')) {
                return Err(answer);
            }
            return match bytes.is_empty() || held.len() > answer::HEAD {
                true => Err(Answer::new(502, "the console closed without an answer")),
                false => Ok(Vec::new()),
            };
        };
        let (head, body) = held.split_at(end);
        let mut bytes = answer::head(head, token)?;
        bytes.extend_from_slice(body);
        *self = Answered::Body;
        Ok(bytes)
    }
}

/// The address that a listener has.
pub(super) fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Some(address),
        SocketAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_in_pieces_gets_its_head_rewritten_once() {
        let mut answered = Answered::Head(Vec::new());
        let mut all = Vec::new();
        let given = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nHTTP/1.1 body\r\n\r\n";
        for byte in given {
            all.extend(answered.take(&[*byte], "T").unwrap());
        }
        let text = String::from_utf8(all).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\nA: b\r\nReferrer-Policy: "),
            "{text}"
        );
        assert!(text.ends_with("\r\n\r\nHTTP/1.1 body\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_console_that_says_nothing_or_no_http_is_a_bad_gateway() {
        let check = |bytes: &[u8], expected: u16| {
            let mut answered = Answered::Head(Vec::new());
            let taken = answered
                .take(bytes, "T")
                .and_then(|_| answered.take(b"", "T"));
            assert_eq!(taken.unwrap_err().status, expected);
        };
        check(b"", 502);
        check(b"HTTP/1.1 200 OK\r\n", 502);
        check(b"hello\r\n\r\n", 502);
        check(b"ERR busy 8 connections\n", 503);
        check(&vec![b'a'; answer::HEAD + 1], 502);
    }
}
