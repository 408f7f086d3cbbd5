//! An HTTP request as a handler of the application sees it.

use crate::model::Level;

/// A request for a path of yours.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) uid: u32,
    pub(crate) level: Level,
}

impl Request {
    /// `GET`, `HEAD`, `POST`, ...
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path without its query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The first value of `name` in the query, decoded.
    pub fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, |key| key == name)
    }

    /// All names and values of the query, decoded, in their order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The first header `name`, in any case; one whose value is no text is left out.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, |key| key.eq_ignore_ascii_case(name))
    }

    /// The body, at most 64 KiB.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Effective user id of the caller, as the kernel says it.
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// What the caller may do here.
    pub fn level(&self) -> Level {
        self.level
    }
}

fn find(pairs: &[(String, String)], is: impl Fn(&str) -> bool) -> Option<&str> {
    let pair = pairs.iter().find(|(key, _)| is(key));
    pair.map(|(_, value)| value.as_str())
}
