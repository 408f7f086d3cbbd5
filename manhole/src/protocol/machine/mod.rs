//! The machine dialect: JSON, one object a line; counted payloads follow their header, raw.
//!
//! Several requests may be under way; every message carries the id its client chose. Unknown fields
//! are ignored on both sides, unknown kinds of message are refused with code `protocol`.

mod decoder;
mod reply;
mod request;

pub use decoder::{Decoder, Event};
pub use reply::{End, encode_data_header, encode_end, encode_progress};
pub use request::{Refused, Request, Requests, parse_request};

use crate::model::{Code, Failure};
use serde_json::{Map, Value};

/// The object on `line`.
fn object(line: &[u8]) -> Result<Map<String, Value>, Failure> {
    match serde_json::from_slice(line) {
        Ok(Value::Object(message)) => Ok(message),
        Ok(_) => Err(protocol("a message is a JSON object")),
        Err(error) => Err(protocol(format!("this is no JSON object: {error}"))),
    }
}

fn protocol(text: impl Into<String>) -> Failure {
    Failure::new(Code::Protocol, text)
}

/// `text` as a JSON string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
