//! One value, for people and for programs.

use super::{escape, json::put as put_json, out::Out, units};
use crate::model::{Cell, Failure};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// Writes `cell` as it stands under `header`: on one line, in human units.
pub(super) fn put(cell: &Cell, header: &str, out: &mut dyn Out) -> Result<(), Failure> {
    match cell {
        Cell::Text(text) => escape::put(text, escape::one_line, out),
        Cell::Json(value) => put_json(value, escape::one_line, out),
        cell => out.put(&figure(cell, header)),
    }
}

/// What is short, whatever its value.
fn figure(cell: &Cell, header: &str) -> String {
    match cell {
        Cell::Empty | Cell::Text(_) | Cell::Json(_) => String::new(),
        Cell::Unknown => "-".to_owned(),
        Cell::Id(id) => id.to_string(),
        Cell::Count(count) => units::count(*count),
        Cell::CountChange(change) => units::count_change(*change),
        Cell::Bytes(bytes) => units::bytes(*bytes),
        Cell::BytesChange(change) => units::bytes_change(*change),
        Cell::BytesRate(rate) => units::bytes_rate(*rate),
        Cell::Rate(rate) => units::rate(*rate),
        Cell::Nanos(nanos) => units::nanos(*nanos),
        Cell::Percent(share) if header.contains('%') => units::percent_number(*share),
        Cell::Percent(share) => units::percent(*share),
        Cell::Float(value) => units::float(*value),
        Cell::Hundredths(value) => units::hundredths(*value),
        Cell::Seconds(nanos) => format!("{} s", units::hundredths(*nanos as f64 / 1e9)),
        Cell::Bool(true) => "yes".to_owned(),
        Cell::Bool(false) => "no".to_owned(),
        Cell::Time(unix_ns) => units::time_utc(*unix_ns),
    }
}

/// Writes `cell` as it stands alone on a line, for scripts: numbers in base units, bare.
pub(super) fn put_bare(cell: &Cell, out: &mut dyn Out) -> Result<(), Failure> {
    match cell {
        Cell::Empty => Ok(()),
        Cell::Json(Value::Null) => out.put("-"),
        Cell::Text(_) | Cell::Json(_) | Cell::Time(_) => put(cell, "", out),
        cell => match base(cell) {
            Value::Null => out.put("-"),
            value => put_json(&value, escape::one_line, out),
        },
    }
}

/// `cell` in base units: null where nothing is known. What is [`Cell::Empty`] is to be left out.
pub(super) struct Base<'a>(pub &'a Cell);

impl Serialize for Base<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Cell::Text(text) => serializer.serialize_str(text),
            Cell::Json(value) => value.serialize(serializer),
            cell => base(cell).serialize(serializer),
        }
    }
}

/// The same as a value of its own: `None` for what is to be left out.
pub(super) fn json(cell: &Cell) -> Option<Value> {
    match cell {
        Cell::Empty => None,
        Cell::Text(text) => Some(Value::from(text.as_str())),
        Cell::Json(value) => Some(value.clone()),
        cell => Some(base(cell)),
    }
}

/// What is short, in base units.
fn base(cell: &Cell) -> Value {
    match cell {
        Cell::Empty | Cell::Unknown | Cell::Text(_) | Cell::Json(_) => Value::Null,
        Cell::Id(number) | Cell::Count(number) | Cell::Bytes(number) => Value::from(*number),
        Cell::Nanos(number) | Cell::Seconds(number) => Value::from(*number),
        Cell::CountChange(change) | Cell::BytesChange(change) => Value::from(*change),
        // A float that is no number becomes null.
        Cell::BytesRate(value) | Cell::Rate(value) | Cell::Percent(value) => Value::from(*value),
        Cell::Float(value) | Cell::Hundredths(value) => Value::from(*value),
        Cell::Bool(yes) => Value::from(*yes),
        Cell::Time(unix_ns) => Value::from(units::time_utc_millis(*unix_ns)),
    }
}

/// Whether `cell` is aligned by its last digit.
pub(super) fn is_number(cell: &Cell) -> bool {
    match cell {
        Cell::Empty | Cell::Unknown | Cell::Text(_) => false,
        Cell::Bool(_) | Cell::Time(_) | Cell::Json(_) => false,
        Cell::Id(_) | Cell::Count(_) | Cell::CountChange(_) | Cell::Bytes(_) => true,
        Cell::BytesChange(_) | Cell::BytesRate(_) | Cell::Rate(_) | Cell::Nanos(_) => true,
        Cell::Percent(_) | Cell::Float(_) | Cell::Hundredths(_) | Cell::Seconds(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(cell: &Cell, header: &str) -> String {
        let mut text = String::new();
        put(cell, header, &mut text).unwrap();
        text
    }

    /// A cell in a table, alone on a line, and in JSON.
    fn check(cell: Cell, in_table: &str, alone: &str, in_json: Option<Value>) {
        assert_eq!(text(&cell, "header"), in_table);
        let mut bare = String::new();
        put_bare(&cell, &mut bare).unwrap();
        assert_eq!(bare, alone);
        let value = serde_json::to_value(Base(&cell)).unwrap();
        assert_eq!((cell != Cell::Empty).then_some(value), in_json);
    }

    #[test]
    fn cells_have_human_units_in_tables_and_base_units_elsewhere() {
        check(Cell::Empty, "", "", None);
        check(Cell::Unknown, "-", "-", Some(Value::Null));
        check(Cell::Id(4711), "4711", "4711", Some(json!(4711)));
        check(Cell::Count(1204), "1,204", "1204", Some(json!(1204)));
        check(Cell::CountChange(-3), "-3", "-3", Some(json!(-3)));
        check(Cell::Bytes(2048), "2.00 KiB", "2048", Some(json!(2048)));
        check(
            Cell::BytesChange(2048),
            "+2.00 KiB",
            "2048",
            Some(json!(2048)),
        );
        check(
            Cell::BytesRate(2048.0),
            "2.00 KiB/s",
            "2048.0",
            Some(json!(2048.0)),
        );
        check(Cell::Rate(0.5), "0.5/s", "0.5", Some(json!(0.5)));
        check(
            Cell::Nanos(2_100_000_000),
            "2.1 s",
            "2100000000",
            Some(json!(2_100_000_000u64)),
        );
        check(Cell::Percent(73.2), "73 %", "73.2", Some(json!(73.2)));
        check(Cell::Float(f64::NAN), "-", "-", Some(Value::Null));
        check(Cell::Bool(true), "yes", "true", Some(json!(true)));
        let (seconds, millis) = ("1970-01-01T00:00:01Z", "1970-01-01T00:00:01.500Z");
        check(
            Cell::Time(1_500_000_000),
            seconds,
            seconds,
            Some(json!(millis)),
        );
        check(
            Cell::Json(json!({"a": [1]})),
            "{\"a\":[1]}",
            "{\"a\":[1]}",
            Some(json!({"a": [1]})),
        );
    }

    #[test]
    fn a_header_with_percent_saves_the_sign() {
        assert_eq!(text(&Cell::Percent(73.2), "cpu %"), "73.2");
    }

    #[test]
    fn hostile_text_is_escaped_for_people_and_whole_for_programs() {
        let text = "a\n\tb\u{1b}";
        let escaped = "a\\x0a\\x09b\\x1b";
        check(Cell::text(text), escaped, escaped, Some(json!(text)));
        let bidi = Cell::Json(json!("\u{202e}"));
        check(
            bidi,
            "\"\\u{202e}\"",
            "\"\\u{202e}\"",
            Some(json!("\u{202e}")),
        );
    }
}
