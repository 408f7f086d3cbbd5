//! One GET on a console's socket. HTTP/1.0, so that the body has no parts and ends with the connection;
//! a gzipped profile that broke off shows by its check sum.

use std::{
    fmt::Write as _,
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use manhole::client::{CallError, Code, Failure, Kind, Patience, Trouble};

use crate::target::Way;

/// The longest head, and the longest error that is shown.
const HEAD: usize = 64 << 10;
/// How often we look whether to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// The body of what is served at `path`, at most `cap` bytes. `meanwhile` hears how long it takes.
///
/// # Errors
/// As calling a command; the connection is one of its own in any case.
pub(crate) fn get(
    way: &Way,
    path: &str,
    patience: Patience<'_>,
    cap: usize,
    meanwhile: &mut dyn FnMut(Duration),
) -> Result<Vec<u8>, CallError> {
    let mut stream = way.reach().map_err(CallError::Lost)?.stream;
    let broke = |error: &std::io::Error| {
        let text = format!("failed to fetch {path}");
        CallError::Lost(Trouble::io(Kind::Failed, text, error))
    };
    let client = crate::target::CLIENT.replace(' ', "/");
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: {client}\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.set_read_timeout(Some(GLANCE)))
        .map_err(|error| broke(&error))?;
    let started = Instant::now();
    let mut bytes = Vec::new();
    loop {
        if (patience.stop)() {
            return Err(CallError::Failed(Failure::cancelled()));
        }
        if started.elapsed() > patience.total {
            let text = format!("gave up after {} s", patience.total.as_secs());
            return Err(CallError::Lost(Trouble::new(Kind::TimedOut, text)));
        }
        meanwhile(started.elapsed());
        match more(&mut stream, &mut bytes) {
            Ok(true) => return answer(bytes, path, cap),
            Ok(false) if bytes.len() > cap.saturating_add(HEAD) => return Err(over(path, cap)),
            Ok(false) => {}
            Err(error) => return Err(broke(&error)),
        }
    }
}

/// What is said of an answer that is over `cap` bytes.
pub(super) fn over(what: &str, cap: usize) -> CallError {
    let text = format!("{what} is over {cap} bytes");
    CallError::Failed(Failure::new(Code::Truncated, text))
}

/// Reads what came; whether it was the end.
fn more(stream: &mut UnixStream, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut piece = [0; 64 << 10];
    match stream.read(&mut piece) {
        Ok(count) => {
            bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
            Ok(count == 0)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

fn answer(mut bytes: Vec<u8>, path: &str, cap: usize) -> Result<Vec<u8>, CallError> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = response.parse(&bytes) else {
        return Err(CallError::Failed(no_http(&bytes, path)));
    };
    let status = response.code.unwrap_or(0);
    if status != 200 {
        let text = bytes.get(head..).unwrap_or_default();
        return Err(CallError::Failed(refused(status, text, path)));
    }
    bytes.drain(..head);
    match bytes.len() > cap {
        true => Err(over(path, cap)),
        false => Ok(bytes),
    }
}

/// Whoever is not let in at all is told so before anything about HTTP is known.
fn no_http(bytes: &[u8], path: &str) -> Failure {
    said(bytes).unwrap_or_else(|| {
        Failure::new(
            Code::Protocol,
            format!("the answer to {path} makes no sense"),
        )
    })
}

/// `ERR code text`, as the console says it in every dialect.
fn said(bytes: &[u8]) -> Option<Failure> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"ERR ")?);
    let (code, text) = text.lines().next()?.split_once(' ')?;
    Some(Failure::new(code.parse().unwrap_or(Code::Protocol), text))
}

fn refused(status: u16, text: &[u8], path: &str) -> Failure {
    let text = text.get(..text.len().min(HEAD)).unwrap_or_default();
    if let Some(failure) = said(text) {
        return failure;
    }
    let text = String::from_utf8_lossy(text);
    let code = match status {
        400 => Code::Usage,
        403 => Code::Denied,
        404 => Code::Unknown,
        501 => Code::Unsupported,
        503 => Code::Busy,
        504 => Code::Timeout,
        _ => Code::Internal,
    };
    match text.lines().next().unwrap_or_default() {
        "" => Failure::new(code, format!("{path}: status {status}")),
        line => Failure::new(code, line),
    }
}

/// A profile's name as the end of a path; those of applications may have steps in them.
pub(super) fn quoted(name: &str) -> String {
    let mut path = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b':' | b'/' => {
                path.push(char::from(byte));
            }
            byte => drop(write!(path, "%{byte:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_body_and_a_refusal_its_first_line() {
        let check = |bytes: &str, expected: &str| {
            let found = match answer(bytes.as_bytes().to_vec(), "/x", 4) {
                Ok(body) => String::from_utf8(body).unwrap(),
                Err(CallError::Failed(failure)) => format!("{}: {}", failure.code, failure.text),
                Err(lost) => panic!("{lost:?}"),
            };
            assert_eq!(found, expected);
        };
        check("HTTP/1.0 200 OK\r\nA: b\r\n\r\nbody", "body");
        check(
            "HTTP/1.0 200 OK\r\n\r\nlonger",
            "truncated: /x is over 4 bytes",
        );
        let unknown = "HTTP/1.0 404 Not Found\r\n\r\nUnknown profile\nmore";
        check(unknown, "unknown: Unknown profile");
        check("HTTP/1.0 403 Forbidden\r\n\r\n", "denied: /x: status 403");
        check("HTTP/1.0 500 No\r\n\r\nERR busy later\n", "busy: later");
        check("ERR denied not you\n", "denied: not you");
        check("ERR busy 8 connections\n", "busy: 8 connections");
        check("", "protocol: the answer to /x makes no sense");
    }

    #[test]
    fn names_become_parts_of_a_path() {
        assert_eq!(quoted("db/open files:é?"), "db/open%20files:%C3%A9%3F");
    }
}
