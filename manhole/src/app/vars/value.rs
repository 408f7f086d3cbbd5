//! What a variable is worth at the moment.

use super::Unit;
use serde_json::{Map as Object, Value as Json, json};
use std::{borrow::Cow, collections::BTreeMap, time::Duration};

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Of a [`super::Counter`].
    Counter(u64),
    /// Of a [`super::Gauge`].
    Gauge {
        /// Now.
        value: i64,
        /// The greatest since the start of the process.
        max: i64,
    },
    /// Of a [`super::Float`].
    Float(f64),
    /// Of a [`super::Text`].
    Text(String),
    /// Of a [`super::Map`], sorted by key.
    Map(BTreeMap<String, u64>),
    /// Of a [`super::Histogram`].
    Histogram(Summary),
    /// Of a [`super::Tunable`].
    Tunable(Json),
    /// What a closure given to [`super::publish`] returned, with secrets masked.
    Published(Json),
    /// Such a closure, or another one in its place, has been running for this long.
    Busy(Duration),
    /// Such a closure panicked, returned what is no JSON, or could not be called.
    Failed(String),
}

/// A distribution, as a [`super::Histogram`] shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// What the values are.
    pub unit: Unit,
    /// Half of the values in the window are at most this; `None` if there are none.
    pub p50: Option<u64>,
    /// 90 % are at most this.
    pub p90: Option<u64>,
    /// 99 % are at most this.
    pub p99: Option<u64>,
    /// The greatest value in the window.
    pub max: Option<u64>,
    /// Values recorded in the window.
    pub count: u64,
    /// How long the window is; `None`: since the start.
    pub window: Option<Duration>,
    /// Values recorded since the start.
    pub total: u64,
    /// Their sum, modulo 2^64.
    pub sum: u64,
}

impl Value {
    /// The value as `/debug/vars` shows it: a number, a text, an object. What is not known is null,
    /// and a closure that hangs is the text `<busy 31 s>`.
    pub fn to_json(&self) -> Json {
        match self {
            Value::Counter(value) => json!(value),
            Value::Gauge { value, .. } => json!(value),
            Value::Float(value) => json!(value), // null when it is not finite
            Value::Text(text) => json!(text),
            Value::Map(counts) => {
                let counts = counts
                    .iter()
                    .map(|(key, count)| (key.clone(), json!(count)));
                Json::Object(counts.collect::<Object<_, _>>())
            }
            Value::Histogram(summary) => summary.to_json(),
            Value::Tunable(value) | Value::Published(value) => value.clone(),
            Value::Busy(_) | Value::Failed(_) => json!(self.excuse()),
        }
    }

    /// The same without a copy of what is JSON already, which may be large.
    pub(crate) fn json(&self) -> Cow<'_, Json> {
        match self {
            Value::Tunable(value) | Value::Published(value) => Cow::Borrowed(value),
            other => Cow::Owned(other.to_json()),
        }
    }

    /// What stands in the place of a value that could not be had: `<busy 31 s>`.
    pub(crate) fn excuse(&self) -> Option<String> {
        match self {
            Value::Busy(since) if since.as_secs() < 1 => {
                Some(format!("<busy {} ms>", since.as_millis()))
            }
            Value::Busy(since) => Some(format!("<busy {} s>", since.as_secs())),
            Value::Failed(_) => Some("<failed>".to_owned()),
            _ => None,
        }
    }
}

impl Summary {
    fn to_json(&self) -> Json {
        let suffix = match self.unit {
            Unit::Plain => "",
            Unit::Nanos => "_ns",
            Unit::Bytes => "_bytes",
        };
        let mut object = Object::new();
        let shown = [
            ("p50", self.p50),
            ("p90", self.p90),
            ("p99", self.p99),
            ("max", self.max),
        ];
        for (name, value) in shown {
            object.insert(format!("{name}{suffix}"), json!(value));
        }
        let window = self
            .window
            .map(|window| u64::try_from(window.as_nanos()).unwrap_or(u64::MAX));
        object.insert("count".to_owned(), json!(self.count));
        object.insert("window_ns".to_owned(), json!(window));
        object.insert("total".to_owned(), json!(self.total));
        object.insert(format!("sum{suffix}"), json!(self.sum));
        Json::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_expvar_readers_expect() {
        let check = |value: Value, expected: Json| assert_eq!(value.to_json(), expected);
        check(Value::Counter(7), json!(7));
        check(Value::Gauge { value: -1, max: 9 }, json!(-1));
        check(Value::Float(f64::NAN), Json::Null);
        check(Value::Map([("a".to_owned(), 1)].into()), json!({"a": 1}));
        check(
            Value::Busy(Duration::from_millis(31_900)),
            json!("<busy 31 s>"),
        );
        check(
            Value::Busy(Duration::from_millis(100)),
            json!("<busy 100 ms>"),
        );
        check(Value::Failed("panic".to_owned()), json!("<failed>"));
    }

    #[test]
    fn a_distribution_states_its_unit_and_its_window() {
        let summary = Summary {
            unit: Unit::Nanos,
            p50: Some(1),
            p90: Some(2),
            p99: Some(3),
            max: Some(4),
            count: 10,
            window: Some(Duration::from_secs(300)),
            total: 20,
            sum: 99,
        };
        let expected = json!({
            "p50_ns": 1, "p90_ns": 2, "p99_ns": 3, "max_ns": 4,
            "count": 10, "window_ns": 300_000_000_000_u64, "total": 20, "sum_ns": 99,
        });
        assert_eq!(Value::Histogram(summary).to_json(), expected);
    }
}
