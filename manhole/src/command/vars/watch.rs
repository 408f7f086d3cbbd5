//! `vars watch`: what changes, as it changes.

use super::{Command, Context, Run, look, show};
use crate::{
    app::vars::{Reading, Value},
    command::Reply,
    model::{
        ArgSpec, ArgType, Args, Code, Complete, Example, Failure, Group, Impact, Level, Spec,
        parse_duration,
    },
    render::{escape, units},
    sys::unix_now_ns,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value as Json;
use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Between two looks, if nothing else is said.
const USUAL: Duration = Duration::from_secs(2);
/// How long it goes on.
const LONGEST: Duration = Duration::from_secs(300);

pub(in crate::command) static COMMAND: Command = Command {
    spec: Spec {
        name: "vars watch",
        group: Group::Question,
        about: "a line for each variable that changed, until you stop it or for 5 min",
        args: &[
            ArgSpec::positional(
                "s",
                ArgType::Text,
                "between two looks, 1s to 60s; may be left out",
            )
            .default("2s"),
            ArgSpec::positional("glob", ArgType::Glob, "which ones, as http.*")
                .default("*")
                .complete(Complete::Variables),
        ],
        level: Level::View,
        impact: Impact::Reads,
        cost: "some 10 us a look; closures as in vars",
        examples: &[
            Example::new("vars watch http.*", "every two seconds"),
            Example::new("vars watch 10 queue.*", "every ten seconds"),
        ],
        see_also: "vars",
    },
    triage: false,
    endpoints: &[],
    run: Run::Stream(run),
};

fn run(ctx: &Context, args: &Args, reply: &mut Reply<'_>) -> Result<(), Failure> {
    let (period, pattern) = arguments(args)?;
    let every = units::nanos(u64::try_from(period.as_nanos()).unwrap_or(0));
    reply.begin(&format!(
        "{pattern} every {every}, what changed, for at most 5 min"
    ))?;
    let end = Instant::now() + LONGEST;
    let mut last = BTreeMap::new();
    loop {
        let (readings, _) = look(ctx, &pattern)?;
        let now = unix_now_ns();
        let width = readings.iter().map(|reading| reading.name.len()).max();
        for (reading, change) in changes(&readings, &mut last) {
            match reply.json() {
                true => reply.object(&Change {
                    reading,
                    change,
                    now,
                })?,
                false => reply.line(&line(reading, change, now, width.unwrap_or(0)))?,
            }
        }
        if Instant::now() + period > end {
            return Ok(());
        }
        ctx.sleep(period)?;
    }
}

/// One word alone is the pattern unless it is a time.
fn arguments(args: &Args) -> Result<(Duration, String), Failure> {
    let first = args.text("s").filter(|_| args.given("s"));
    let second = args.text("glob").filter(|_| args.given("glob"));
    let (time, pattern) = match (first, second) {
        (Some(word), None) if parse_duration(word).is_none() => (None, Some(word)),
        both => both,
    };
    let period = match time {
        None => USUAL,
        Some(word) => parse_duration(word)
            .map(Duration::from_nanos)
            .filter(|period| (Duration::from_secs(1)..=Duration::from_secs(60)).contains(period))
            .ok_or_else(|| {
                let word = super::super::shown(word);
                let text = format!("vars watch: S is {word:?}, a time from 1s to 60s is wanted");
                Failure::new(Code::Usage, text).hint(format!("usage: {}", COMMAND.spec.usage()))
            })?,
    };
    Ok((period, pattern.unwrap_or("*").to_owned()))
}

/// What is new or has changed since `last`, which is brought up to date, and by how much. What is not
/// there any more is forgotten: names may come and go for ever.
fn changes<'a>(
    readings: &'a [Reading],
    last: &mut BTreeMap<Arc<str>, Value>,
) -> impl Iterator<Item = (&'a Reading, Option<i64>)> {
    let mut earlier = std::mem::take(last);
    readings.iter().filter_map(move |reading| {
        last.insert(reading.name.clone(), reading.value.clone());
        match earlier.remove(&reading.name) {
            Some(before) if same(&before, &reading.value) => None,
            Some(before) => Some((reading, difference(&before, &reading.value))),
            None => Some((reading, None)),
        }
    })
}

/// A closure that goes on hanging is no change.
fn same(before: &Value, now: &Value) -> bool {
    match (before, now) {
        (Value::Busy(_), Value::Busy(_)) => true,
        _ => before == now,
    }
}

fn difference(before: &Value, now: &Value) -> Option<i64> {
    match (before, now) {
        (Value::Counter(before), Value::Counter(now)) => {
            i64::try_from(now.wrapping_sub(*before)).ok()
        }
        (Value::Gauge { value: before, .. }, Value::Gauge { value: now, .. }) => {
            now.checked_sub(*before)
        }
        _ => None,
    }
}

fn line(reading: &Reading, change: Option<i64>, now: u64, width: usize) -> String {
    let value = show::line_value(&reading.value);
    let change = change.map_or_else(String::new, |change| {
        format!("  {}", units::count_change(change))
    });
    let rate = reading.rate.as_ref().filter(|_| !change.is_empty());
    let rate = rate.map_or_else(String::new, |rate| {
        format!("  {}", show::growth(rate.per_second))
    });
    let time = show::clock(now);
    let line = format!("{time}  {:width$}  {value:>12}{change}{rate}", reading.name);
    escape::one_line(&line).into_owned()
}

/// The same for programs.
struct Change<'a> {
    reading: &'a Reading,
    change: Option<i64>,
    now: u64,
}

impl Serialize for Change<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = match &self.reading.value {
            Value::Busy(_) | Value::Failed(_) => Cow::Owned(Json::Null),
            value => value.json(),
        };
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("change", &self.change)?;
        object.serialize_entry("name", &*self.reading.name)?;
        object.serialize_entry("time", &units::time_utc_millis(self.now))?;
        object.serialize_entry("value", &*value)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(name: &'static str, value: Value) -> Reading {
        Reading {
            name: name.into(),
            kind: "counter",
            value,
            rate: None,
            setting: None,
        }
    }

    #[test]
    fn the_first_look_shows_all_and_the_next_what_changed() {
        let (mut last, now) = (BTreeMap::new(), 1_795_270_831_000_000_000);
        let mut look = |values: [Value; 3], json: bool| {
            let [a, b, c] = values;
            let readings = [reading("a", a), reading("queue", b), reading("c", c)];
            let changes = changes(&readings, &mut last);
            let lines = changes.map(|(reading, change)| match json {
                true => serde_json::to_string(&Change {
                    reading,
                    change,
                    now,
                })
                .unwrap(),
                false => line(reading, change, now, "queue".len()),
            });
            lines.collect::<Vec<_>>()
        };
        let gauge = |value| Value::Gauge { value, max: 9 };
        let busy = |seconds| Value::Busy(Duration::from_secs(seconds));
        assert_eq!(
            look([Value::Counter(1000), gauge(7), busy(1)], false),
            [
                "14:20:31Z  a             1,000",
                "14:20:31Z  queue             7",
                "14:20:31Z  c        <busy 1 s>",
            ]
        );
        assert_eq!(
            look([Value::Counter(1824), gauge(7), busy(2)], false),
            ["14:20:31Z  a             1,824  +824"]
        );
        assert_eq!(
            look([Value::Counter(1824), gauge(5), busy(3)], true),
            [r#"{"change":-2,"name":"queue","time":"2026-11-21T14:20:31.000Z","value":5}"#]
        );
        assert!(look([Value::Counter(1824), gauge(5), busy(4)], false).is_empty());
        let kept = [reading("a", Value::Counter(1))];
        assert_eq!(changes(&kept, &mut last).count(), 1);
        assert_eq!(last.len(), 1, "what was removed is forgotten");
    }

    #[test]
    fn one_word_is_the_pattern_unless_it_is_a_time() {
        let check = |line: &str, expected: Result<(u64, &str), ()>| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let args = Args::parse(&COMMAND.spec, &words).unwrap();
            let found = arguments(&args).map_err(drop);
            let found = found.map(|(period, pattern)| (period.as_secs(), pattern));
            assert_eq!(
                found,
                expected.map(|(period, pattern)| (period, pattern.to_owned())),
                "{line}"
            );
        };
        check("", Ok((2, "*")));
        check("http.*", Ok((2, "http.*")));
        check("10", Ok((10, "*")));
        check("5s http.*", Ok((5, "http.*")));
        check("61 http.*", Err(()));
        check("x http.*", Err(()));
    }
}
