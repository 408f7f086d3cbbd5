//! The query part of an HTTP request target, as names and values, and what was posted.

/// Decoded `name=value` pairs in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    raw: String,
    body: Option<Vec<u8>>,
}

impl Query {
    /// Parses what stands behind the `?`; what is malformed decodes as it stands, as browsers do.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            match pair.split_once('=') {
                Some((name, value)) => (decode(name), decode(value)),
                None => (decode(pair), String::new()),
            }
        });
        Self {
            pairs: pairs.collect(),
            raw: text.to_owned(),
            body: None,
        }
    }

    /// The same with what was posted.
    #[must_use]
    pub(crate) fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = Some(body);
        self
    }

    /// As it was sent.
    pub(crate) fn raw(&self) -> &str {
        &self.raw
    }

    /// What was posted, if the request was a POST.
    pub(crate) fn body(&self) -> Option<&[u8]> {
        self.body.as_deref()
    }

    /// The first value of `name`.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let mut pairs = self.pairs();
        pairs
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// All pairs in their order.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

/// Percent-decoding with `+` for a space; bytes that are no UTF-8 become U+FFFD.
pub(crate) fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, after) = match (first, hex_pair(after)) {
            (b'%', Some((byte, after))) => (byte, after),
            (b'+', _) => (b' ', after),
            _ => (first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned())
}

fn hex_pair(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], after) = text.split_first_chunk()?;
    let digit = |c: u8| char::from(c).to_digit(16);
    let value = digit(high)? * 16 + digit(low)?;
    Some((u8::try_from(value).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_decoded_in_order() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let query = Query::parse(text);
            assert_eq!(query.pairs().collect::<Vec<_>>(), expected, "{text}");
        };
        check("", &[]);
        check("seconds=5&debug=1", &[("seconds", "5"), ("debug", "1")]);
        check("all&name=a%20b+c%2Fd", &[("all", ""), ("name", "a b c/d")]);
        check("x=%zz%4", &[("x", "%zz%4")]);
        check("x=%ff", &[("x", "\u{fffd}")]);
    }
}
