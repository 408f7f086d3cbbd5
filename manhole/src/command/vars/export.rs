//! `/debug/vars` and `/metrics`: the variables for other people's tools.

use super::{
    super::{Query, Reply},
    Context, look,
};
use crate::{
    app::vars::{self, Reading, Summary, Unit, Value},
    model::{Failure, Level},
    probe::{
        heap_sums::{self, Totals},
        identity,
        memory::Usage,
    },
    render::{
        expvar, mask,
        openmetrics::{self, Metric},
    },
};
use serde_json::{Value as Json, json};
use std::{borrow::Cow, collections::BTreeMap};

/// `/debug/vars`: byte for byte the shape of Go's expvar, with its two standard members.
///
/// `memstats` is what the kernel and the sampling allocator know, in 10 us and without stopping anything;
/// what is unknown is null. `cmdline` is masked and needs level inspect. The application's variables of
/// these names win.
pub(super) fn expvar(ctx: &Context, _: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let (readings, _) = look(ctx, "*")?;
    ctx.check()?;
    let memory = memory();
    let mut variables = BTreeMap::from([("memstats", Cow::Borrowed(&memory))]);
    if ctx.may(Level::Inspect) {
        let words = mask::command_line(&identity::command_line());
        variables.insert("cmdline", Cow::Owned(json!(words)));
    }
    let theirs = readings.iter();
    variables.extend(theirs.map(|reading| (&*reading.name, reading.value.json())));
    reply.file(expvar::MEDIA_TYPE, "", |out| expvar::render(variables, out))
}

fn memory() -> Json {
    let usage = Usage::read().unwrap_or_default();
    let totals = heap_sums::totals();
    let sum = |figure: fn(&Totals) -> u64| totals.as_ref().map(figure);
    json!({
        "resident_bytes": usage.resident,
        "peak_resident_bytes": usage.peak,
        "anonymous_bytes": usage.anonymous,
        "swap_bytes": usage.swap,
        "virtual_bytes": usage.virtual_size,
        "heap_live_bytes": sum(|totals| totals.live_bytes),
        "heap_live_objects": sum(|totals| totals.live_objects),
        "heap_allocated_bytes": sum(|totals| totals.allocated_bytes),
        "heap_allocated_objects": sum(|totals| totals.allocated_objects),
    })
}

/// `/metrics`: the same as OpenMetrics text; what is no number is left out.
pub(super) fn metrics(ctx: &Context, _: &Query, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let (readings, _) = look(ctx, "*")?;
    ctx.check()?;
    let memory = Metric {
        name: "memstats".to_owned(),
        unit: None,
        help: "what the kernel counts of this process's memory, and manhole::Alloc of its heap"
            .to_owned(),
        value: openmetrics::Value::Gauges(numbers(&memory())),
    };
    let theirs = readings.iter();
    let theirs = theirs.filter_map(|reading| metric(reading, &vars::at_most(&reading.name)));
    let metrics = std::iter::once(memory).chain(theirs);
    reply.file(openmetrics::MEDIA_TYPE, "", |out| {
        openmetrics::render(metrics, out)
    })
}

fn metric(reading: &Reading, at_most: &[(u64, u64)]) -> Option<Metric> {
    let mut unit = None;
    let value = match &reading.value {
        Value::Counter(count) => openmetrics::Value::Counter(*count as f64),
        Value::Gauge { value, .. } => openmetrics::Value::Gauge(*value as f64),
        Value::Float(value) => openmetrics::Value::Gauge(*value),
        Value::Map(counts) => {
            let counts = counts
                .iter()
                .map(|(key, count)| (key.clone(), *count as f64));
            openmetrics::Value::Gauges(counts.collect())
        }
        Value::Histogram(summary) => {
            unit = match summary.unit {
                Unit::Nanos => Some("seconds"),
                Unit::Bytes => Some("bytes"),
                _ => None,
            };
            histogram(summary, at_most)
        }
        Value::Tunable(json) | Value::Published(json) => match number(json) {
            Some(value) => openmetrics::Value::Gauge(value),
            None => Some(numbers(json))
                .filter(|numbers| !numbers.is_empty())
                .map(openmetrics::Value::Gauges)?,
        },
        _ => return None,
    };
    Some(Metric {
        name: reading.name.to_string(),
        unit,
        help: String::new(),
        value,
    })
}

fn histogram(summary: &Summary, at_most: &[(u64, u64)]) -> openmetrics::Value {
    let scale = |value: f64| match summary.unit {
        Unit::Nanos => value / 1e9,
        _ => value,
    };
    let bucket = |(bound, count): &(u64, u64)| (scale(*bound as f64), *count);
    openmetrics::Value::Histogram {
        buckets: at_most.iter().map(bucket).collect(),
        sum: scale(summary.sum as f64),
        count: summary.total,
    }
}

fn number(json: &Json) -> Option<f64> {
    match json {
        Json::Bool(yes) => Some(f64::from(u8::from(*yes))),
        other => other.as_f64(),
    }
}

/// The members of an object that are numbers.
fn numbers(json: &Json) -> Vec<(String, f64)> {
    let members = json.as_object().into_iter().flatten();
    let numbers = members.filter_map(|(key, value)| Some((key.clone(), number(value)?)));
    numbers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn check(value: Value, expected: Option<openmetrics::Value>) {
        let reading = Reading {
            name: "x".into(),
            kind: "",
            value,
            rate: None,
            setting: None,
        };
        assert_eq!(metric(&reading, &[]).map(|metric| metric.value), expected);
    }

    #[test]
    fn numbers_become_metrics_and_the_rest_is_left_out() {
        use openmetrics::Value as Metric;
        check(Value::Counter(7), Some(Metric::Counter(7.0)));
        check(
            Value::Gauge { value: -7, max: 0 },
            Some(Metric::Gauge(-7.0)),
        );
        check(Value::Tunable(json!(true)), Some(Metric::Gauge(1.0)));
        check(Value::Published(json!(1.5)), Some(Metric::Gauge(1.5)));
        let members = json!({"a": 1, "b": "text", "c": null});
        check(
            Value::Published(members),
            Some(Metric::Gauges(vec![("a".to_owned(), 1.0)])),
        );
        check(Value::Published(json!("text")), None);
        check(Value::Text("7".to_owned()), None);
        check(Value::Busy(Duration::ZERO), None);
    }

    #[test]
    fn times_are_exported_in_seconds_since_the_start() {
        let summary = Summary {
            unit: Unit::Nanos,
            p50: None,
            p90: None,
            p99: None,
            max: None,
            count: 1,
            window: Some(Duration::from_secs(300)),
            total: 3,
            sum: 2_000_000_000,
        };
        let expected = openmetrics::Value::Histogram {
            buckets: vec![(1e-6, 1), (0.002, 2)],
            sum: 2.0,
            count: 3,
        };
        assert_eq!(histogram(&summary, &[(1_000, 1), (2_000_000, 2)]), expected);
    }
}
