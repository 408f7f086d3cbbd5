//! One look at the variables, for the commands.

use super::{
    Knob, Pending, Rate, Value,
    registry::{self, Body, Entry},
};
use crate::render::mask;
use serde_json::Value as Json;
use std::{sync::Arc, time::Instant};

/// A variable at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    /// Its name.
    pub name: Arc<str>,
    /// `counter`, `gauge`, `float`, `text`, `map`, `histogram`, `tunable`, `value`.
    pub kind: &'static str,
    /// What it is worth.
    pub value: Value,
    /// How fast a counter grows.
    pub rate: Option<Rate>,
    /// What is to be known about a tunable.
    pub setting: Option<Setting>,
}

/// A tunable beside its value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The value it began with.
    pub default: Json,
    /// What may be set, in words.
    pub wanted: String,
    /// The change that will be taken back.
    pub pending: Option<Pending>,
}

/// Whether a variable shows numbers only, so that level view suffices.
fn is_number(body: &Body) -> bool {
    match body {
        Body::Counter(_) | Body::Gauge(_) | Body::Float(_) | Body::Map(_) | Body::Histogram(_) => {
            true
        }
        Body::Text(_) | Body::Published(_) => false,
        Body::Tunable(knob) => knob.is_number(),
    }
}

fn kind(body: &Body) -> &'static str {
    match body {
        Body::Counter(_) => "counter",
        Body::Gauge(_) => "gauge",
        Body::Float(_) => "float",
        Body::Text(_) => "text",
        Body::Map(_) => "map",
        Body::Histogram(_) => "histogram",
        Body::Tunable(_) => "tunable",
        Body::Published(_) => "value",
    }
}

fn look(entry: &Entry, body: &Body) -> Reading {
    let now = Instant::now();
    let (mut rate, mut setting) = (None, None);
    let value = match body {
        Body::Counter(counter) => {
            let count = counter.peek();
            rate = entry.rate(count, now);
            Value::Counter(count)
        }
        Body::Gauge(gauge) => {
            let (value, max) = gauge.peek();
            Value::Gauge { value, max }
        }
        Body::Float(float) => Value::Float(float.peek()),
        Body::Text(text) => match text.peek() {
            Some(text) => {
                Value::Text(mask::named(entry.name(), text.as_deref().unwrap_or("")).into_owned())
            }
            None => Value::Busy(std::time::Duration::ZERO),
        },
        Body::Map(map) => Value::Map(map.peek()),
        Body::Histogram(histogram) => Value::Histogram(histogram.peek(now)),
        Body::Tunable(knob) => {
            setting = Some(Setting {
                default: knob.default(),
                wanted: knob.wanted(),
                pending: knob.pending(),
            });
            Value::Tunable(knob.current())
        }
        Body::Published(published) => published.read(),
    };
    Reading {
        name: entry.name().clone(),
        kind: kind(body),
        value,
        rate,
        setting,
    }
}

/// The variable `name` now.
pub(crate) fn read(name: &str) -> Option<Reading> {
    let entry = registry::find(name)?;
    let body = entry.body()?;
    Some(look(&entry, &body))
}

/// The variables whose name `wanted` accepts, sorted by name, each looked at when it is asked for.
pub(crate) fn read_all(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Reading> {
    let entries = registry::all()
        .into_iter()
        .filter(move |entry| wanted(entry.name()));
    entries.filter_map(|entry| Some(look(&entry, &entry.body()?)))
}

/// The same, but numbers only: nothing that level view may not see is even looked at.
pub(crate) fn numbers(wanted: impl Fn(&str) -> bool) -> impl Iterator<Item = Reading> {
    let entries = registry::all()
        .into_iter()
        .filter(move |entry| wanted(entry.name()));
    entries.filter_map(|entry| {
        let body = entry.body().filter(is_number)?;
        Some(look(&entry, &body))
    })
}

/// Whether the variable `name` exists and whether it is a number.
pub(crate) fn is_public(name: &str) -> Option<bool> {
    registry::find(name)?.body().as_ref().map(is_number)
}

/// How many values of the histogram `name` are at most each of some round bounds, ascending.
pub(crate) fn at_most(name: &str) -> Vec<(u64, u64)> {
    match registry::find(name).and_then(|entry| entry.body()) {
        Some(Body::Histogram(histogram)) => histogram.at_most(),
        _ => Vec::new(),
    }
}

/// Every tunable with its name, sorted.
pub(crate) fn tunables() -> Vec<(Arc<str>, Arc<dyn Knob>)> {
    let tunables = registry::all()
        .into_iter()
        .filter_map(|entry| match entry.body()? {
            Body::Tunable(knob) => Some((entry.name().clone(), knob)),
            _ => None,
        });
    tunables.collect()
}
