//! `/debug/vars`, byte for byte in the shape of Go's expvar.

use super::escape;
use serde_json::Value;
use std::collections::BTreeMap;

/// The media type that Go sends.
pub const MEDIA_TYPE: &str = "application/json; charset=utf-8";

/// `{`, a line per variable, `}`.
pub fn render(variables: &BTreeMap<String, Value>) -> String {
    let lines: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{}: {value}", Value::from(name.as_str())))
        .collect();
    let text = format!("{{\n{}\n}}\n", lines.join(",\n"));
    escape::json(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(variables: &[(&str, Value)], expected: &str) {
        let owned = variables.iter().cloned();
        let variables = owned
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let text = render(&variables);
        assert_eq!(text, expected);
        serde_json::from_str::<Value>(&text).unwrap();
    }

    #[test]
    fn variables_stand_one_a_line_sorted_by_name() {
        check(&[], "{\n\n}\n");
        check(&[("k", json!(1))], "{\n\"k\": 1\n}\n");
        check(
            &[
                ("k2", json!({"a": [1, null]})),
                ("K", json!(1.5)),
                ("k", json!("v")),
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
