//! What a handler of the application answers.

use serde::Serialize;

/// The answer to a request for a path of yours: status 200 and plain text unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) media: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::bytes("text/plain; charset=utf-8", text.into())
    }

    /// Any value as JSON. One that cannot be written as JSON becomes status 500 with the reason.
    pub fn json(value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => Self::bytes("application/json", body),
            Err(why) => {
                Self::text(format!("failed to write the answer as JSON: {why}\n")).status(500)
            }
        }
    }

    /// Bytes of a media type.
    pub fn bytes(media: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            media: media.into(),
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// The same with another status; one that is none (below 200, above 599) becomes 500.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = match status {
            200..=599 => status,
            _ => 500,
        };
        self
    }

    /// The same with one more header; one that is not acceptable to HTTP is left out.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

impl From<&str> for Response {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Response {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_is_no_json_is_a_status_and_a_reason() {
        let good = Response::json(&[1, 2]);
        assert_eq!(
            (good.status, good.body.as_slice()),
            (200, b"[1,2]".as_slice())
        );
        let bad = Response::json(&BTreeMap::from([((1, 2), 3)]));
        assert_eq!(bad.status, 500);
        assert!(String::from_utf8_lossy(&bad.body).contains("key must be a string"));
    }

    #[test]
    fn a_status_is_one_that_ends_a_request() {
        let check = |status, expected| {
            assert_eq!(Response::from("x").status(status).status, expected);
        };
        check(204, 204);
        check(503, 503);
        check(101, 500);
        check(0, 500);
    }
}
