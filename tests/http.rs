//! HTTP, one request a connection, without a library that would smooth over what is wrong.

use crate::conn::{Conn, find};
use std::path::Path;

/// A response.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

/// `GET path`, as `curl` asks.
#[track_caller]
pub fn get(socket: &Path, path: &str) -> Response {
    request(socket, "GET", path, &[], b"")
}

/// Any request with a `Host` of `localhost`.
#[track_caller]
pub fn request(
    socket: &Path,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    let mut bytes = (head + "\r\n").into_bytes();
    bytes.extend(body);
    let response = raw(socket, &bytes);
    match method {
        "HEAD" => parse_head(&response).0,
        _ => parse(&response),
    }
}

/// Sends bytes as they are and reads to the end.
#[track_caller]
pub fn raw(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut conn = Conn::open(socket);
    conn.send(request);
    conn.read_to_end()
}

/// Parses a whole response.
///
/// # Panics
/// When it is not whole, or something follows it.
#[track_caller]
pub fn parse(bytes: &[u8]) -> Response {
    let (mut response, body) = parse_head(bytes);
    response.body = match (
        response.header("transfer-encoding"),
        response.header("content-length"),
    ) {
        (Some("chunked"), _) => join_chunks(body),
        (_, Some(length)) => {
            assert_eq!(length.parse(), Ok(body.len()), "Content-Length");
            body.to_vec()
        }
        _ => body.to_vec(),
    };
    response
}

#[track_caller]
fn parse_head(bytes: &[u8]) -> (Response, &[u8]) {
    let text = || String::from_utf8_lossy(&bytes[..bytes.len().min(400)]);
    let end = find(bytes, b"\r\n\r\n").unwrap_or_else(|| panic!("no HTTP head in {:?}", text()));
    let head = std::str::from_utf8(&bytes[..end]).expect("a head of text");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status
        .and_then(|line| line.get(2..5))
        .and_then(|status| status.parse().ok());
    let header = |line: &str| {
        let (name, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("no header: {line:?}"));
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let response = Response {
        status: status.unwrap_or_else(|| panic!("no status line in {:?}", text())),
        headers: lines.map(header).collect(),
        body: Vec::new(),
    };
    (response, &bytes[end + 4..])
}

#[track_caller]
fn join_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = find(bytes, b"\r\n").expect("the size of a chunk");
        let size = std::str::from_utf8(&bytes[..end]).ok();
        let size = size
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .expect("a size in hex");
        let chunk = bytes[end + 2..].get(..size).expect("the whole chunk");
        body.extend(chunk);
        bytes = &bytes[end + 2 + size..];
        assert!(bytes.starts_with(b"\r\n"), "a chunk ends with CR LF");
        bytes = &bytes[2..];
        if size == 0 {
            assert_eq!(bytes, b"", "nothing follows the last chunk");
            return body;
        }
    }
}
