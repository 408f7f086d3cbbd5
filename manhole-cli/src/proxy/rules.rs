//! What the proxy passes on, decided from the bytes of a request's head alone.
//!
//! Whatever runs in a browser of the same user can send requests to 127.0.0.1: a page of any site, by
//! its own name after its DNS answer changed, or of another service on this host. So the token must be
//! in the path, `Host` must be ours to the letter, and what the browser says about the sender must be
//! ourselves. What is passed on is written anew from what was understood, so that the console cannot
//! read the bytes differently.

use super::answer::Answer;

/// The longest head.
pub(super) const HEAD: usize = 16 << 10;
/// The most headers.
const HEADERS: usize = 64;
/// The longest body: addresses to be named.
pub(super) const BODY: usize = 64 << 10;
/// The one path that takes a body.
const SYMBOL: &str = "/debug/pprof/symbol";

/// Who is asked for, and what proves that one may.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// `127.0.0.1:40123`.
    pub(super) authority: String,
    /// The first part of every path.
    pub(super) token: String,
}

/// A request as it is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Forward {
    /// The head, complete.
    pub(super) head: String,
    /// How long the body is that follows it.
    pub(super) body: usize,
}

/// The end of the head in `bytes`, if it is there.
pub(super) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(end + 4)
}

impl Rules {
    /// What to pass on of a request with this head, which ends in an empty line.
    ///
    /// # Errors
    /// The answer for a request that is not passed on.
    pub(super) fn judge(&self, head: &[u8]) -> Result<Forward, Answer> {
        let malformed = |what: &str| Answer::new(400, what);
        if has_bare_ends(head) {
            return Err(malformed("a line of the head ends in half a line end"));
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(head) {
            Ok(httparse::Status::Complete(length)) if length == head.len() => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Answer::new(431, "more than 64 headers"));
            }
            _ => return Err(malformed("this is no HTTP request")),
        }
        let headers = Headers(request.headers);
        self.sender(&headers)?;
        let target = request.path.unwrap_or_default();
        let path = self.path(target)?;
        let body = length(&headers)?;
        let method = request.method.unwrap_or_default();
        match method {
            "GET" | "HEAD" if body > 0 => {
                return Err(malformed("GET and HEAD have no body here"));
            }
            "GET" | "HEAD" => {}
            "POST" if path == SYMBOL => {}
            _ => {
                let text = "only GET and HEAD are passed on, and POST to /debug/pprof/symbol";
                return Err(Answer::new(405, text).header("Allow", "GET, HEAD"));
            }
        }
        let version = request.version.unwrap_or(0);
        Ok(Forward {
            head: forwarded(method, path, version, body, &headers),
            body,
        })
    }

    /// Whether it comes from somebody who was given our address.
    fn sender(&self, headers: &Headers<'_>) -> Result<(), Answer> {
        let foreign = |what: &str| Err(Answer::new(403, what));
        if headers.all("host") != [self.authority.as_bytes()] {
            return foreign("the Host is not the address that this proxy was given");
        }
        let origin = format!("http://{}", self.authority);
        if headers
            .all("origin")
            .iter()
            .any(|from| *from != origin.as_bytes())
        {
            return foreign("the request is from a page of another origin");
        }
        let ours = |site: &&[u8]| [&b"same-origin"[..], b"none"].contains(site);
        if !headers.all("sec-fetch-site").iter().all(ours) {
            return foreign("the request is from a page of another site");
        }
        Ok(())
    }

    /// The path behind the token.
    fn path<'a>(&self, target: &'a str) -> Result<&'a str, Answer> {
        let ours = target.strip_prefix('/').and_then(|rest| {
            let (token, path) = rest.split_at_checked(self.token.len())?;
            (is_same(token, &self.token) && path.starts_with('/')).then_some(path)
        });
        let path = ours.ok_or_else(|| {
            let text = "the path does not begin with the token that this proxy has printed";
            Answer::new(403, text)
        })?;
        match is_plain(path) {
            true => Ok(path),
            false => Err(Answer::new(400, "a path like that means two things")),
        }
    }
}

/// Whether a line feed stands without its carriage return, or the other way round. Programs disagree
/// on whether such a line has ended.
fn has_bare_ends(head: &[u8]) -> bool {
    let after_return = |at: usize| at.checked_sub(1).and_then(|at| head.get(at)) == Some(&b'\r');
    head.iter().enumerate().any(|(at, byte)| match byte {
        b'\n' => !after_return(at),
        b'\r' => head.get(at + 1) != Some(&b'\n'),
        _ => false,
    })
}

/// Equal in a time that does not tell how much of it is.
fn is_same(given: &str, wanted: &str) -> bool {
    let pairs = given.bytes().zip(wanted.bytes());
    given.len() == wanted.len() && pairs.fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// Whether a path means the same to everybody: printable, nothing to be resolved, also not when its
/// `%` are decoded first.
fn is_plain(target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let lower = path.to_ascii_lowercase();
    let steps = lower.replace("%2e", ".");
    let ambiguous = ["%2f", "%5c", "%00", "%25", "\\", "//", "#", ";"];
    printable(path)
        && printable(query)
        && !query.contains('#')
        && !ambiguous.iter().any(|part| lower.contains(part))
        && !steps.split('/').any(|step| matches!(step, "." | ".."))
}

fn length(headers: &Headers<'_>) -> Result<usize, Answer> {
    if !headers.all("transfer-encoding").is_empty() {
        return Err(Answer::new(501, "bodies have a Content-Length here"));
    }
    let wrong = || Answer::new(400, "the Content-Length is no number, or there are two");
    let text = match headers.all("content-length").as_slice() {
        [] => return Ok(0),
        [one] if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => {
            std::str::from_utf8(one).map_err(|_| wrong())?
        }
        _ => return Err(wrong()),
    };
    match text.parse() {
        Ok(length) if length <= BODY => Ok(length),
        _ => Err(Answer::new(413, "a body may have 64 KiB")),
    }
}

fn forwarded(method: &str, path: &str, version: u8, body: usize, headers: &Headers<'_>) -> String {
    let mut head = format!("{method} {path} HTTP/1.{version}\r\nHost: localhost\r\n");
    for name in ["Accept", "User-Agent"] {
        if let Some(value) = headers.text(&name.to_ascii_lowercase()) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    if method == "POST" {
        head.push_str(&format!("Content-Length: {body}\r\n"));
    }
    head.push_str("Connection: close\r\n\r\n");
    head
}

struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    /// All values of a header, whose name is given in lower case.
    fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self
            .0
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name));
        named.map(|header| header.value).collect()
    }

    /// The first one, if it is plain text.
    fn text(&self, name: &str) -> Option<&'a str> {
        let value = self.all(name).first().copied()?;
        let plain = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
        plain.then(|| std::str::from_utf8(value).ok()).flatten()
    }
}

#[cfg(test)]
mod tests;
