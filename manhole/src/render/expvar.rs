//! `/debug/vars`, byte for byte in the shape of Go's expvar.

use super::{escape, json, out::Out};
use crate::model::Failure;
use serde_json::Value;
use std::borrow::Cow;

/// The media type that Go sends.
pub const MEDIA_TYPE: &str = "application/json; charset=utf-8";

/// Writes `{`, a line per variable, `}`. The variables must come in the order of their names.
///
/// # Errors
/// As `out`.
pub fn render<'a>(
    variables: impl IntoIterator<Item = (&'a str, Cow<'a, Value>)>,
    out: &mut dyn Out,
) -> Result<(), Failure> {
    out.put("{\n")?;
    for (number, (name, value)) in variables.into_iter().enumerate() {
        out.put(if number == 0 { "" } else { ",\n" })?;
        json::put(&name, escape::json, out)?;
        out.put(": ")?;
        json::put(&*value, escape::json, out)?;
    }
    out.put("\n}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(variables: &[(&str, Value)], expected: &str) {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| (*name, Cow::Borrowed(value)));
        let mut text = String::new();
        render(variables, &mut text).unwrap();
        assert_eq!(text, expected);
        serde_json::from_str::<Value>(&text).unwrap();
    }

    #[test]
    fn variables_stand_one_a_line() {
        check(&[], "{\n\n}\n");
        check(&[("k", json!(1))], "{\n\"k\": 1\n}\n");
        check(
            &[
                ("K", json!(1.5)),
                ("k", json!("v")),
                ("k2", json!({"a": [1, null]})),
            ],
            "{\n\"K\": 1.5,\n\"k\": \"v\",\n\"k2\": {\"a\":[1,null]}\n}\n",
        );
    }

    #[test]
    fn hostile_names_and_values_stay_json() {
        check(
            &[("a\"\n\u{1b}", json!("\u{7f}\n\u{202e}"))],
            "{\n\"a\\\"\\n\\u001b\": \"\\u007f\\n\\u202e\"\n}\n",
        );
    }
}
