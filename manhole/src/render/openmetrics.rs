//! `/metrics`: OpenMetrics text, version 1.0.0.

use super::{escape, out::Out};
use crate::model::Failure;
use std::collections::BTreeSet;

/// The media type to serve it as.
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// One metric with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// Any name; what OpenMetrics does not allow becomes `_`.
    pub name: String,
    /// Base unit in lower case (`bytes`, `seconds`), in which the values are; becomes the name's end.
    pub unit: Option<&'static str>,
    /// A sentence about it, or nothing.
    pub help: String,
    /// The values.
    pub value: Value,
}

/// What a metric measures.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Only grows.
    Counter(f64),
    /// Goes up and down.
    Gauge(f64),
    /// A gauge for each key of a map; the key becomes the label `key`.
    Gauges(Vec<(String, f64)>),
    /// A distribution by size.
    Histogram {
        /// Upper bounds, ascending, and how many observations are at most that large.
        buckets: Vec<(f64, u64)>,
        /// Sum of all observations.
        sum: f64,
        /// How many observations there are.
        count: u64,
    },
}

/// Writes all of `metrics`, ended by `# EOF`.
///
/// Names that fall together after cleaning are told apart by underscores at their end, since a family
/// that appears twice would make a scraper refuse everything.
///
/// # Errors
/// As `out`.
pub fn render(metrics: impl IntoIterator<Item = Metric>, out: &mut dyn Out) -> Result<(), Failure> {
    let mut names = Names::default();
    for metric in metrics {
        let name = names.unique(&metric);
        family(&name, &metric, out)?;
    }
    out.put("# EOF\n")
}

/// Names of families and samples that are taken.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn unique(&mut self, metric: &Metric) -> String {
        let mut stem = clean(&metric.name);
        loop {
            let name = with_unit(&stem, metric);
            let samples = metric.value.endings().iter();
            let samples: Vec<String> = samples.map(|end| name.clone() + end).collect();
            if !samples.iter().any(|sample| self.0.contains(sample)) {
                self.0.extend(samples);
                return name;
            }
            stem.push('_');
        }
    }
}

/// Letters, digits, `_` and `:`, the first no digit.
fn clean(name: &str) -> String {
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric() && c != ':', "_");
    match name.starts_with(|c: char| !c.is_ascii_digit()) {
        true => name,
        false => format!("_{name}"),
    }
}

/// A family's name ends with its unit, and `_total` is its sample's.
fn with_unit(stem: &str, metric: &Metric) -> String {
    let stem = match metric.value {
        Value::Counter(_) => stem.strip_suffix("_total").unwrap_or(stem),
        _ => stem,
    };
    match metric.unit {
        Some(unit) if !stem.ends_with(&format!("_{unit}")) => format!("{stem}_{unit}"),
        _ => stem.to_owned(),
    }
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Counter(_) => "counter",
            Value::Gauge(_) | Value::Gauges(_) => "gauge",
            Value::Histogram { .. } => "histogram",
        }
    }

    /// What is put behind the family's name in its samples, and what is reserved there.
    fn endings(&self) -> &'static [&'static str] {
        match self {
            Value::Counter(_) => &["", "_total", "_created"],
            Value::Gauge(_) | Value::Gauges(_) => &[""],
            Value::Histogram { .. } => &["", "_bucket", "_sum", "_count", "_created"],
        }
    }
}

fn family(name: &str, metric: &Metric, out: &mut dyn Out) -> Result<(), Failure> {
    out.put(&format!("# TYPE {name} {}\n", metric.value.kind()))?;
    if let Some(unit) = metric.unit {
        out.put(&format!("# UNIT {name} {unit}\n"))?;
    }
    if !metric.help.is_empty() {
        out.put(&format!("# HELP {name} {}\n", one_line(&metric.help)))?;
    }
    samples(name, &metric.value, out)
}

fn samples(name: &str, value: &Value, out: &mut dyn Out) -> Result<(), Failure> {
    match value {
        Value::Counter(value) => out.put(&format!("{name}_total {}\n", number(*value))),
        Value::Gauge(value) => out.put(&format!("{name} {}\n", number(*value))),
        Value::Gauges(values) => values.iter().try_for_each(|(key, value)| {
            let (key, value) = (one_line(key), number(*value));
            out.put(&format!("{name}{{key=\"{key}\"}} {value}\n"))
        }),
        Value::Histogram {
            buckets,
            sum,
            count,
        } => {
            let all = [(f64::INFINITY, *count)];
            let finite = buckets.iter().filter(|(bound, _)| bound.is_finite());
            for (bound, count) in finite.chain(&all) {
                let bound = float(*bound);
                out.put(&format!("{name}_bucket{{le=\"{bound}\"}} {count}\n"))?;
            }
            out.put(&format!("{name}_sum {}\n", number(*sum)))?;
            out.put(&format!("{name}_count {count}\n"))
        }
    }
}

fn number(value: f64) -> String {
    match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value => value.to_string(),
    }
}

/// A bound or quantile in a label looks like a float: `1.0`.
fn float(value: f64) -> String {
    match value.is_finite() {
        true => format!("{value:?}"),
        false => number(value),
    }
}

/// For label values and help texts.
fn one_line(text: &str) -> String {
    let text = escape::line(text).replace('\\', "\\\\");
    text.replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, value: Value) -> Metric {
        Metric {
            name: name.to_owned(),
            unit: None,
            help: String::new(),
            value,
        }
    }

    fn check(metrics: &[Metric], expected: &[&str]) {
        let expected = expected.iter().chain(&["# EOF"]);
        let expected: String = expected.map(|line| format!("{line}\n")).collect();
        let mut text = String::new();
        render(metrics.iter().cloned(), &mut text).unwrap();
        assert_eq!(text, expected);
    }

    #[test]
    fn counters_end_with_total_and_names_with_their_unit() {
        let mut size = metric("cache.size", Value::Gauge(-1.5));
        size.unit = Some("bytes");
        size.help = "What the \"cache\" holds.\nAll of it.".to_owned();
        let mut cpu = metric("cpu_seconds_total", Value::Counter(0.25));
        cpu.unit = Some("seconds");
        check(
            &[metric("http.requests", Value::Counter(412.0)), size, cpu],
            &[
                "# TYPE http_requests counter",
                "http_requests_total 412",
                "# TYPE cache_size_bytes gauge",
                "# UNIT cache_size_bytes bytes",
                "# HELP cache_size_bytes What the \\\"cache\\\" holds.\\nAll of it.",
                "cache_size_bytes -1.5",
                "# TYPE cpu_seconds counter",
                "# UNIT cpu_seconds seconds",
                "cpu_seconds_total 0.25",
            ],
        );
        check(&[], &[]);
    }

    #[test]
    fn histograms_have_a_bucket_for_everything() {
        let value = Value::Histogram {
            buckets: vec![(0.005, 1), (1.0, 3), (f64::INFINITY, 4)],
            sum: 7.5,
            count: 4,
        };
        check(
            &[metric("latency", value)],
            &[
                "# TYPE latency histogram",
                "latency_bucket{le=\"0.005\"} 1",
                "latency_bucket{le=\"1.0\"} 3",
                "latency_bucket{le=\"+Inf\"} 4",
                "latency_sum 7.5",
                "latency_count 4",
            ],
        );
    }

    #[test]
    fn keys_of_a_map_are_labels_and_cannot_break_out() {
        let hostile = "a\"} 1\n# EOF\\\u{1b}".to_owned();
        check(
            &[metric("m", Value::Gauges(vec![(hostile, f64::NAN)]))],
            &[
                "# TYPE m gauge",
                "m{key=\"a\\\"} 1\\n# EOF\\\\\\\\x1b\"} NaN",
            ],
        );
    }

    #[test]
    fn odd_names_are_cleaned_and_stay_apart() {
        let gauge = |name: &str| metric(name, Value::Gauge(f64::NEG_INFINITY));
        let names = ["a.b", "a_b", "a b", "9", "", "\u{e9}{", "x_total"].map(gauge);
        let mut metrics = names.to_vec();
        metrics.push(metric("x", Value::Counter(1.0)));
        let mut text = String::new();
        render(metrics, &mut text).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples: Vec<&str> = samples
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        let expected = [
            "a_b", "a_b_", "a_b__", "_9", "_", "__", "x_total", "x__total",
        ];
        assert_eq!(samples, expected);
    }
}
