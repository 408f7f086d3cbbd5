//! A variable as a line of `vars`, and as an object for programs.

use crate::{
    app::vars::{Reading, Setting, Summary, Unit, Value},
    command::plural,
    model::{Cell, Column, Table, order},
    render::{self, units},
};
use serde_json::Value as Json;

/// Characters in a line of text.
const LINE: usize = 100;
/// A text up to this length stands in the column of values; a longer one behind it.
const SHORT: usize = 32;
/// However long the names are, this much is shown of what stands behind.
const LEAST: usize = 24;

/// Name, value, type, and what else there is to say about it.
pub(super) fn table(readings: Vec<Reading>) -> Table {
    let columns = [
        Column::new("name", ""),
        Column::json("value"),
        Column::only_text("shown", ""),
        Column::new("type", ""),
        Column::only_text("detail", ""),
        Column::json("rate_per_s"),
        Column::json("rate_window_ns"),
        Column::json("max"),
        Column::json("busy_ns"),
        Column::json("error"),
        Column::json("default"),
        Column::json("accepts"),
        Column::json("reverts_to"),
        Column::json("reverts_at"),
    ];
    let mut table = Table::new("vars", columns).unheaded();
    let room = room(&readings);
    for reading in readings {
        table.row(row(reading, room));
    }
    table
}

/// What is left of a line behind name, value and type.
fn room(readings: &[Reading]) -> usize {
    let names = readings.iter().map(|reading| reading.name.len()).max();
    let taken = names.unwrap_or(0) + 2 + 12 + 2 + "histogram".len() + 2;
    LINE.saturating_sub(taken).max(LEAST)
}

fn row(reading: Reading, room: usize) -> Vec<Cell> {
    let known = !matches!(reading.value, Value::Busy(_) | Value::Failed(_));
    let (shown, detail) = (shown(&reading.value), bounded(&reading, room));
    let (max, busy, error) = particulars(&reading.value);
    let rate = reading.rate.as_ref();
    let pending = reading
        .setting
        .as_ref()
        .and_then(|setting| setting.pending.as_ref());
    let optional = |cell: Option<Cell>| cell.unwrap_or(Cell::Empty);
    let setting = reading.setting.as_ref();
    vec![
        Cell::text(&*reading.name),
        match reading.value {
            Value::Busy(_) | Value::Failed(_) => Cell::Unknown,
            Value::Published(json) | Value::Tunable(json) => Cell::Json(json),
            value => Cell::Json(value.to_json()),
        },
        shown,
        Cell::text(if known { reading.kind } else { "closure" }),
        Cell::Text(detail),
        optional(rate.map(|rate| Cell::Rate(rate.per_second))),
        optional(rate.map(|rate| Cell::Nanos(rate.window.as_nanos() as u64))),
        max,
        busy,
        error,
        optional(setting.map(|setting| Cell::Json(setting.default.clone()))),
        optional(setting.map(|setting| Cell::text(&*setting.wanted))),
        optional(pending.map(|pending| Cell::Json(pending.base.clone()))),
        optional(pending.map(|pending| Cell::Time(pending.at_unix_ns))),
    ]
}

/// The greatest value of a gauge; since when a closure hangs; why it failed.
fn particulars(value: &Value) -> (Cell, Cell, Cell) {
    let (none, nothing) = (Cell::Empty, Cell::Empty);
    match value {
        Value::Gauge { max, .. } => (Cell::Json((*max).into()), none, nothing),
        Value::Busy(since) => (none, Cell::Nanos(since.as_nanos() as u64), nothing),
        Value::Failed(why) => (none, nothing, Cell::text(&**why)),
        _ => (Cell::Empty, none, nothing),
    }
}

/// The value itself, in human units.
pub(super) fn shown(value: &Value) -> Cell {
    match value {
        Value::Counter(count) => Cell::Count(*count),
        Value::Gauge { value, .. } => signed(*value),
        Value::Float(value) => Cell::Float(*value),
        Value::Text(text) => short(text).unwrap_or(Cell::Bytes(text.len() as u64)),
        Value::Map(counts) => Cell::Text(plural(counts.len(), "key")),
        Value::Histogram(summary) => {
            Cell::or_unknown(summary.p50, |value| measured(summary, value))
        }
        Value::Tunable(json) | Value::Published(json) => {
            scalar(json).unwrap_or_else(|| Cell::Bytes(render::json::size(json)))
        }
        other => other.excuse().map_or(Cell::Unknown, Cell::Text),
    }
}

/// What stands behind the type; what the application made is cut to the line, `vars get` has it all.
fn bounded(reading: &Reading, room: usize) -> String {
    let detail = detail(reading, room);
    match reading.value {
        Value::Text(_) | Value::Map(_) | Value::Published(_) | Value::Failed(_) => {
            cut(detail, room)
        }
        _ => detail,
    }
}

fn detail(reading: &Reading, room: usize) -> String {
    match &reading.value {
        Value::Counter(_) => reading
            .rate
            .as_ref()
            .map_or_else(String::new, |rate| growth(rate.per_second)),
        Value::Gauge { max, .. } => format!("max {}", words(&signed(*max))),
        Value::Text(text) if short(text).is_none() => text.clone(),
        Value::Map(counts) => {
            let mut counts: Vec<_> = counts.iter().collect();
            order::sort_by_key(&mut counts, |(_, count)| std::cmp::Reverse(**count));
            let shown = counts
                .iter()
                .map(|(key, count)| format!("{key} {}", units::count(**count)));
            shown.collect::<Vec<_>>().join("  ")
        }
        Value::Histogram(summary) => distribution(summary),
        // One character more than there is room for, so that it is seen to be cut.
        Value::Published(json) if scalar(json).is_none() => render::json::beginning(json, room + 1),
        Value::Tunable(value) => {
            let setting = reading.setting.as_ref();
            setting.map_or_else(String::new, |setting| tuned(value, setting))
        }
        Value::Busy(_) => "no answer in 100 ms (it runs on thread manhole-app)".to_owned(),
        Value::Failed(why) => why.clone(),
        _ => String::new(),
    }
}

fn tuned(value: &Json, setting: &Setting) -> String {
    match &setting.pending {
        Some(pending) => format!(
            "reverts to {} at {}",
            plain(&pending.base),
            clock(pending.at_unix_ns)
        ),
        None if *value == setting.default => setting.wanted.clone(),
        None => format!(
            "{}; it began with {}",
            setting.wanted,
            plain(&setting.default)
        ),
    }
}

/// `p90 9.8 ms  p99 212 ms  max 2.2 s  (41,882 in the last 5 min)`.
fn distribution(summary: &Summary) -> String {
    let part = |name: &str, value: Option<u64>| {
        value.map(|value| format!("{name} {}  ", words(&measured(summary, value))))
    };
    let parts = [
        part("p90", summary.p90),
        part("p99", summary.p99),
        part("max", summary.max),
    ];
    let figures: String = parts.into_iter().flatten().collect();
    let count = units::count(summary.count);
    let over = match summary.window {
        Some(window) => format!("in the last {} min", (window.as_secs() + 15) / 60),
        None => "since the start".to_owned(),
    };
    format!("{figures}({count} {over})")
}

fn measured(summary: &Summary, value: u64) -> Cell {
    match summary.unit {
        Unit::Nanos => Cell::Nanos(value),
        Unit::Bytes => Cell::Bytes(value),
        _ => Cell::Count(value),
    }
}

/// `+412/s`.
pub(super) fn growth(per_second: f64) -> String {
    match per_second {
        0.0 => "+0/s".to_owned(),
        rate if rate < 0.05 => "<0.1/s".to_owned(),
        rate => format!("+{}", units::rate(rate)),
    }
}

/// The value in the words of a line.
pub(super) fn line_value(value: &Value) -> String {
    words(&shown(value))
}

/// A cell in the words of a line; only those that occur here.
fn words(cell: &Cell) -> String {
    match cell {
        Cell::Count(count) => units::count(*count),
        Cell::CountChange(change) => units::count_change(*change),
        Cell::Bytes(bytes) => units::bytes(*bytes),
        Cell::Nanos(nanos) => units::nanos(*nanos),
        Cell::Float(value) => units::float(*value),
        Cell::Text(text) => text.clone(),
        _ => "-".to_owned(),
    }
}

/// A negative number has a sign, a positive one none.
fn signed(value: i64) -> Cell {
    u64::try_from(value).map_or(Cell::CountChange(value), Cell::Count)
}

fn short(text: &str) -> Option<Cell> {
    (text.chars().count() <= SHORT).then(|| Cell::text(text))
}

/// Numbers, yes and no, and short texts stand for themselves.
fn scalar(json: &Json) -> Option<Cell> {
    match json {
        Json::Null => Some(Cell::Unknown),
        Json::Bool(yes) => Some(Cell::Text(yes.to_string())),
        Json::Number(number) => Some(match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => signed(value),
            (None, Some(value)) => Cell::Count(value),
            (None, None) => number.as_f64().map_or(Cell::Unknown, Cell::Float),
        }),
        Json::String(text) => short(text),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// A JSON value as one would type it: texts without quotes.
pub(super) fn plain(json: &Json) -> String {
    match json {
        Json::String(text) => crate::render::escape::one_line(text).into_owned(),
        other => other.to_string(),
    }
}

/// The clock time of a moment: `15:12:10Z`.
pub(super) fn clock(unix_ns: u64) -> String {
    let time = units::time_utc(unix_ns);
    time.split_once('T')
        .map_or(time.clone(), |(_, clock)| clock.to_owned())
}

/// Cuts what would run over the line, marked with `…`.
fn cut(text: String, room: usize) -> String {
    match text.char_indices().nth(room) {
        None => text,
        Some(_) => text
            .chars()
            .take(room.saturating_sub(1))
            .chain(['…'])
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::vars::{Pending, Rate},
        model::{Answer, Block},
        render,
    };
    use serde_json::json;
    use std::time::Duration;

    fn reading(name: &'static str, kind: &'static str, value: Value) -> Reading {
        Reading {
            name: name.into(),
            kind,
            value,
            rate: None,
            setting: None,
        }
    }

    fn text(readings: Vec<Reading>) -> String {
        let mut answer = Answer::short();
        answer.push(Block::Table(table(readings)));
        render::text::shown(&answer, render::text::TextStyle::default())
    }

    fn counter(name: &'static str, count: u64, per_second: f64) -> Reading {
        let window = Duration::from_secs(30);
        Reading {
            rate: Some(Rate { per_second, window }),
            ..reading(name, "counter", Value::Counter(count))
        }
    }

    fn latency(window: Option<Duration>) -> Value {
        Value::Histogram(Summary {
            unit: Unit::Nanos,
            p50: Some(2_100_000),
            p90: Some(9_800_000),
            p99: Some(212_000_000),
            max: Some(2_200_000_000),
            count: 41_882,
            window,
            total: 50_000,
            sum: 1,
        })
    }

    #[test]
    fn a_line_has_name_value_type_and_what_else_there_is() {
        let config = json!({"listen": "0.0.0.0:8080", "tls": true, "upstream": "http://u:***@pricing.internal:8443/v2"});
        let readings = [
            reading("http.config", "value", Value::Published(config)),
            counter("http.errors", 12, 0.1),
            reading(
                "http.in_flight",
                "gauge",
                Value::Gauge {
                    value: 1160,
                    max: 1161,
                },
            ),
            reading(
                "http.latency",
                "histogram",
                latency(Some(Duration::from_secs(310))),
            ),
            counter("http.requests", 8_120_334, 412.0),
            reading(
                "http.upstream_pool",
                "value",
                Value::Busy(Duration::from_secs(31)),
            ),
        ];
        assert_eq!(
            text(readings.into()),
            "\
http.config                87 B  value      {\"listen\":\"0.0.0.0:8080\",\"tls\":true,\"upstream\":\"http:/…
http.errors                  12  counter    +0.1/s
http.in_flight            1,160  gauge      max 1,161
http.latency             2.1 ms  histogram  p90 9.8 ms  p99 212 ms  max 2.2 s  (41,882 in the last 5 min)
http.requests         8,120,334  counter    +412/s
http.upstream_pool  <busy 31 s>  closure    no answer in 100 ms (it runs on thread manhole-app)
"
        );
    }

    #[test]
    fn what_is_small_stands_for_itself() {
        let check = |value: Value, expected: Cell| assert_eq!(shown(&value), expected);
        check(Value::Published(json!(null)), Cell::Unknown);
        check(Value::Published(json!(-5)), Cell::CountChange(-5));
        check(Value::Published(json!(u64::MAX)), Cell::Count(u64::MAX));
        check(Value::Published(json!(1.5)), Cell::Float(1.5));
        check(Value::Published(json!(true)), Cell::text("true"));
        check(Value::Published(json!("idle")), Cell::text("idle"));
        check(Value::Published(json!([1, 2])), Cell::Bytes(5));
        check(Value::Text("x".repeat(33)), Cell::Bytes(33));
        check(Value::Failed("panic".to_owned()), Cell::text("<failed>"));
    }

    #[test]
    fn a_tunable_says_what_it_takes_and_when_it_reverts() {
        let setting = |pending| Setting {
            default: json!(32),
            wanted: "1 to 1024".to_owned(),
            pending,
        };
        let check = |value: i32, pending: Option<Pending>, expected: &str| {
            assert_eq!(tuned(&json!(value), &setting(pending)), expected);
        };
        check(32, None, "1 to 1024");
        check(64, None, "1 to 1024; it began with 32");
        let pending = Pending {
            base: json!(32),
            at_unix_ns: 1_795_270_831_000_000_000,
        };
        check(64, Some(pending), "reverts to 32 at 14:20:31Z");
    }

    #[test]
    fn a_map_shows_its_largest_counts_first() {
        let counts = [("200", 9_000), ("404", 12), ("500", 13)];
        let counts = counts.map(|(key, count)| (key.to_owned(), count)).into();
        let line = text(vec![reading("http.status", "map", Value::Map(counts))]);
        assert_eq!(
            line,
            "http.status  3 keys  map  200 9,000  500 13  404 12\n"
        );
    }

    #[test]
    fn programs_get_base_units_and_null_for_what_is_not_known() {
        let readings = [
            counter("a", 5, 0.5),
            reading("b", "value", Value::Busy(Duration::from_millis(1500))),
        ];
        let mut answer = Answer::short();
        answer.push(Block::Table(table(readings.into())));
        let provenance = render::Provenance {
            command: "vars".to_owned(),
            name: "x".to_owned(),
            pid: 1,
            host: "h".to_owned(),
            time_unix_ns: 0,
            elapsed_ns: 0,
        };
        let mut line = String::new();
        render::json::render(&answer, &provenance, &mut line).unwrap();
        let object: Json = serde_json::from_str(&line).unwrap();
        let expected = json!([
            {"name": "a", "value": 5, "type": "counter", "rate_per_s": 0.5, "rate_window_ns": 30_000_000_000_u64},
            {"name": "b", "value": null, "type": "closure", "busy_ns": 1_500_000_000},
        ]);
        assert_eq!(object["data"]["vars"], expected);
    }
}
