//! What the proxy says itself, and the head of what the console says.
//!
//! The address holds a secret, so nothing that is passed on may carry it elsewhere: no referrer, no
//! use by other pages, no copy in a cache.

use std::fmt::Write as _;

use manhole::client::{Kind, Trouble};

/// Headers of every answer.
const GUARDS: &str = "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n\
    Cache-Control: no-store\r\nConnection: close\r\n";
/// The longest head of an answer.
pub(super) const HEAD: usize = 64 << 10;
/// The most headers of an answer.
const HEADERS: usize = 128;

/// An answer of the proxy's own: a status and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The status.
    pub(super) status: u16,
    text: String,
    header: Option<(&'static str, &'static str)>,
}

impl Answer {
    /// A refusal or a failure.
    pub(super) fn new(status: u16, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
            header: None,
        }
    }

    /// With one more header.
    pub(super) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// The console could not be reached.
    pub(super) fn unreachable(trouble: &Trouble) -> Self {
        let status = match trouble.kind {
            Kind::Refused => 403,
            Kind::TimedOut => 504,
            _ => 502,
        };
        Self::new(status, trouble.text.clone())
    }

    /// As bytes; `X-Go-Pprof` has Go's tool show the sentence.
    pub(super) fn bytes(&self, bodiless: bool) -> Vec<u8> {
        let body = format!("{}\n", crate::plain::escape(&self.text));
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
             X-Content-Type-Options: nosniff\r\nX-Go-Pprof: 1\r\n",
            self.status,
            reason(self.status),
            body.len()
        );
        if let Some((name, value)) = self.header {
            let _ = write!(head, "{name}: {value}\r\n"); // a text takes everything
        }
        head.push_str(GUARDS);
        head.push_str("\r\n");
        if !bodiless {
            head.push_str(&body);
        }
        head.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Bad Gateway",
    }
}

/// What the console's answer begins with, as it is passed on.
///
/// # Errors
/// What to say instead: the console may refuse the connection in a line of text, before it knows that
/// HTTP is spoken.
pub(super) fn head(bytes: &[u8], token: &str) -> Result<Vec<u8>, Answer> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        _ => return Err(Answer::new(502, "the console's answer is no HTTP")),
    }
    let status = response.code.unwrap_or(502);
    let version = response.version.unwrap_or(1);
    let mut head = format!(
        "HTTP/1.{version} {status} {}\r\n",
        response.reason.unwrap_or("")
    );
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("connection") || is("keep-alive") || is("cache-control") || is("referrer-policy") {
            continue;
        }
        let value = String::from_utf8_lossy(header.value);
        // The console knows nothing of the token in front of its paths.
        let inside = is("location") && value.starts_with('/') && !value.starts_with("//");
        let prefix = if inside {
            format!("/{token}")
        } else {
            String::new()
        };
        let _ = write!(head, "{}: {prefix}{value}\r\n", header.name);
    }
    head.push_str(GUARDS);
    head.push_str("\r\n");
    Ok(head.into_bytes())
}

/// What a console says that turns a connection away: `ERR busy ...`.
pub(super) fn turned_away(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes.strip_prefix(b"ERR ")?);
    let line = text.lines().next().unwrap_or_default();
    let status = match line.split(' ').next() {
        Some("denied") => 403,
        Some("busy") => return Some(Answer::new(503, line).header("Retry-After", "1")),
        _ => 502,
    };
    Some(Answer::new(status, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn our_own_answers_are_complete_and_harmless() {
        let answer = Answer::new(403, "no \r\nX: y").header("Allow", "GET");
        let shown = text(answer.bytes(false));
        assert!(shown.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{shown}");
        assert!(shown.contains("\r\nContent-Length: 16\r\n"), "{shown}");
        assert!(shown.ends_with("\r\n\r\nno \\x0d\\x0aX: y\n"), "{shown}");
        assert!(text(answer.bytes(true)).ends_with("\r\n\r\n"));
    }

    #[test]
    fn the_console_s_head_gets_our_guards_and_the_token_in_redirects() {
        let check = |headers: &str, expected: &str| {
            let given = format!("HTTP/1.1 301 Moved Permanently\r\n{headers}\r\n");
            let shown = text(head(given.as_bytes(), "T").unwrap());
            assert_eq!(
                shown,
                format!("HTTP/1.1 301 Moved Permanently\r\n{expected}{GUARDS}\r\n")
            );
        };
        check(
            "location: /debug/pprof/\r\n",
            "location: /T/debug/pprof/\r\n",
        );
        check("location: //evil\r\n", "location: //evil\r\n");
        check(
            "Connection: keep-alive\r\nCache-Control: public\r\nX-A: b\r\n",
            "X-A: b\r\n",
        );
    }

    #[test]
    fn refusals_before_http_become_answers() {
        let check = |line: &str, expected: u16| {
            let answer = turned_away(line.as_bytes()).map(|answer| answer.status);
            assert_eq!(answer, Some(expected), "{line}");
        };
        check("ERR denied uid 7 may not use this console\n", 403);
        check("ERR busy 8 connections\n", 503);
        check("ERR internal\n", 502);
        assert_eq!(turned_away(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(head(b"hello\r\n\r\n", "T").unwrap_err().status, 502);
    }
}
