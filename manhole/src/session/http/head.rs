//! The head of a request before hyper parses it: is it all there, and within bounds? Pure.

/// The longest head, in bytes.
pub(super) const LONGEST: usize = 16 << 10;
/// The most headers.
pub(super) const MOST_HEADERS: usize = 64;

/// Whether `bytes` hold a complete head.
///
/// # Errors
/// The HTTP status and a sentence, as soon as it is certain that the head is not acceptable.
pub(super) fn complete(bytes: &[u8]) -> Result<bool, (u16, String)> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let head = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    if head.len() > LONGEST - 4 {
        return Err((
            431,
            format!("a request's head may have {} KiB at most", LONGEST >> 10),
        ));
    }
    if has_bare_line_feed(head) {
        return Err((
            400,
            "lines of a request's head end with CR LF, not with a bare LF".to_owned(),
        ));
    }
    // The first line is the request itself.
    if head.windows(2).filter(|two| two == b"\r\n").count() > MOST_HEADERS {
        return Err((
            431,
            format!("a request may have {MOST_HEADERS} headers at most"),
        ));
    }
    Ok(end.is_some())
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
            complete(head.as_bytes()).map_err(|(status, _)| status),
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
