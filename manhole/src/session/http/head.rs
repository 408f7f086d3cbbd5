//! The head of a request before hyper parses it: is it all there, within bounds, and without what is
//! not served? Pure. What hyper finds wrong beyond that is answered in its place (`http::converse`).

use super::refusal::Refusal;

/// The longest head, in bytes.
pub(super) const LONGEST: usize = 16 << 10;
/// The most headers.
pub(super) const MOST_HEADERS: usize = 64;

/// Whether `bytes` hold a complete head.
///
/// # Errors
/// As soon as it is certain that the head is not acceptable.
pub(super) fn complete(bytes: &[u8]) -> Result<bool, Refusal> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let head = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if head.len() > LONGEST - 4 {
        let text = format!("a request's head may have {} KiB at most", LONGEST >> 10);
        return Err(Refusal::new(431, text));
    }
    if has_bare_line_feed(head) {
        let text = "lines of a request's head end with CR LF, not with a bare LF";
        return Err(Refusal::new(400, text));
    }
    // The first line is the request itself.
    if head.windows(2).filter(|two| two == b"\r\n").count() > MOST_HEADERS {
        let text = format!("a request may have {MOST_HEADERS} headers at most");
        return Err(Refusal::new(431, text));
    }
    if end.is_some() && has_transfer_encoding(head) {
        let text = "a request's body needs a Content-Length; Transfer-Encoding is not served";
        return Err(Refusal::new(501, text));
    }
    Ok(end.is_some())
}

/// In whatever way it is written, in whatever version of the protocol: two readers that disagree on
/// where a request ends are how one is smuggled.
fn has_transfer_encoding(head: &[u8]) -> bool {
    const NAME: &[u8] = b"transfer-encoding";
    head.split(|byte| *byte == b'\n').any(|line| {
        line.split_at_checked(NAME.len())
            .is_some_and(|(name, rest)| {
                name.eq_ignore_ascii_case(NAME) && rest.first() == Some(&b':')
            })
    })
}

/// The method and the path of a request, as far as they came: for the audit, so without the query and
/// without an authority, which may hold a password.
pub(super) fn target(bytes: &[u8]) -> (String, String) {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next();
    let mut words = line.unwrap_or_default().split(|byte| *byte == b' ');
    let mut word = || String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
    let (method, target) = (word(), word());
    let target = target.split(['?', '#']).next().unwrap_or_default();
    let path = match target.starts_with('/') {
        true => target,
        false => target.split_once("://").map_or("", |(_, rest)| {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
        }),
    };
    (method, path.to_owned())
}

fn has_bare_line_feed(head: &[u8]) -> bool {
    head.first() == Some(&b'\n')
        || head
            .windows(2)
            .any(|two| matches!(two, [before, b'\n'] if *before != b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(head: &str, expected: Result<bool, u16>) {
        let shown = head.get(..60.min(head.len())).unwrap_or("");
        assert_eq!(
            complete(head.as_bytes()).map_err(|refusal| refusal.status),
            expected,
            "{shown:?}"
        );
    }

    #[test]
    fn heads_are_complete_at_the_empty_line() {
        check("GET / HTTP/1.1\r\nHost: x\r\n", Ok(false));
        check("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Ok(true));
        check("GET / HTTP/1.1\r\n\r\nGET", Ok(true));
    }

    #[test]
    fn transfer_encodings_are_noticed_in_headers_only() {
        let head = |line: &str| format!("POST / HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n");
        check(&head("Transfer-Encoding: chunked"), Err(501));
        check(&head("TRANSFER-ENCODING:"), Err(501));
        check(&head("X-Transfer-Encoding: chunked"), Ok(true));
        check(&head("Transfer-Encodings: chunked"), Ok(true));
        check(&head("x: Transfer-Encoding: chunked"), Ok(true));
        let body = head("Content-Length: 21") + "\r\nTransfer-Encoding:\r\n";
        check(&body, Ok(true));
    }

    #[test]
    fn the_audit_is_told_the_path_alone() {
        let check = |line: &str, expected: &str| {
            let (method, path) = target(line.as_bytes());
            assert_eq!(format!("{method} {path}"), expected, "{line:?}");
        };
        check("GET /a/b?token=t HTTP/1.1\r\nx: y", "GET /a/b");
        check("GET /a", "GET /a");
        check("GET", "GET ");
        check("GET http://u:pw@host/a?b HTTP/1.1", "GET /a");
        check("GET http://u:pw@host HTTP/1.1", "GET ");
        check("CONNECT u:pw@host:1 HTTP/1.1", "CONNECT ");
        check("GET ?token=t HTTP/1.1", "GET ");
    }

    #[test]
    fn bounds_are_exact() {
        let headers = |n: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n));
        check(&headers(64), Ok(true));
        check(&headers(65), Err(431));
        let long = |n: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(n - 23));
        assert_eq!(long(LONGEST).len(), LONGEST);
        check(&long(LONGEST), Ok(true));
        check(&long(LONGEST + 1), Err(431));
        check(&"x".repeat(LONGEST), Err(431));
    }

    #[test]
    fn a_bare_line_feed_is_refused() {
        check("GET / HTTP/1.1\nHost: x\n\n", Err(400));
        check("GET / HTTP/1.1\r\nHost: x\n", Err(400));
    }
}
