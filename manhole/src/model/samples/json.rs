//! Samples as JSON, and back: the client names the stacks again where it knows more, and shows them by
//! the code that the console has. Read as if anybody had sent it.

use super::{Place, Report, Sampled, Samples, Throttled, Weight};
use crate::model::{
    stack::{self, Dump},
    wish::{Kind, Wish},
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Most labels of a sample.
const LABELS: usize = 64;

const PLACES: [(Place, &str); 4] = [
    (Place::Stack, "stack"),
    (Place::SignalBlocked, "signal-blocked"),
    (Place::NoStack, "no-stack"),
    (Place::TooMany, "too-many"),
];

/// The fields of the stacks, `weights` with one element for each of their `threads`, `report`, and
/// `asked`.
pub fn to_json(samples: &Samples, wish: &Wish) -> Map<String, Value> {
    let mut fields = stack::to_json(&samples.dump);
    let weights: Vec<Value> = samples.weights.iter().map(weight).collect();
    fields.insert("weights".to_owned(), weights.into());
    fields.insert("report".to_owned(), report(&samples.report));
    fields.insert("asked".to_owned(), asked(wish));
    fields
}

/// What is as usual is left out: there are many of them.
fn weight(weight: &Weight) -> Value {
    let mut fields = Map::new();
    fields.insert("samples".to_owned(), weight.samples.into());
    fields.insert("ns".to_owned(), weight.ns.into());
    if weight.waits > 0 {
        fields.insert("waits".to_owned(), weight.waits.into());
    }
    if weight.place != Place::Stack {
        let word = PLACES.iter().find(|(place, _)| *place == weight.place);
        let word = word.map_or("", |(_, word)| word);
        fields.insert("place".to_owned(), word.into());
    }
    if !weight.labels.is_empty() {
        let labels = weight.labels.iter();
        let labels = labels.map(|(key, value)| (key.clone(), Value::from(value.as_str())));
        fields.insert("labels".to_owned(), Value::Object(labels.collect()));
    }
    fields.into()
}

fn report(report: &Report) -> Value {
    json!({
        "what": match report.what {
            Sampled::Cpu => "cpu",
            Sampled::Wall => "wall",
        },
        "began_unix_ns": report.began_unix_ns,
        "window_ns": report.window_ns,
        "asked_hz": report.asked_hz,
        "hz": report.hz,
        "effective_hz": report.effective_hz(),
        "samples": report.samples,
        "dropped": report.dropped,
        "truncated": report.truncated,
        "cpu_ns": report.cpu_ns,
        "own_cpu_ns": report.own_cpu_ns,
        "threads": report.threads,
        "without_timer": report.without_timer,
        "reused": report.reused,
        "calls_hidden": report.calls_hidden,
        "throttled": report.throttled.map(|held| json!({
            "periods": held.periods,
            "throttled": held.throttled,
            "ns": held.ns,
        })),
    })
}

fn asked(wish: &Wish) -> Value {
    json!({
        "kind": wish.kind.name(),
        "tree": wish.tree,
        "thread": wish.thread,
        "tids": wish.tids,
        "rows": wish.rows,
        "full_names": wish.full_names,
        "cores": wish.cores,
    })
}

/// The samples in the data of an answer, and how they are to be shown.
///
/// # Errors
/// The field that is missing, malformed or beyond its bound.
pub fn from_json(data: &Value) -> Result<(Samples, Wish), String> {
    let dump = stack::from_json(data)?;
    let weights = read_weights(data, &dump).ok_or("weights: one for each thread is wanted")?;
    let report = read_report(data.get("report").unwrap_or(&Value::Null));
    let report = report.ok_or("report: an object with its figures is wanted")?;
    let wish = read_asked(data.get("asked").unwrap_or(&Value::Null));
    let wish = wish.ok_or("asked: an object is wanted")?;
    let samples = Samples {
        dump,
        weights,
        report,
    };
    Ok((samples, wish))
}

fn read_weights(data: &Value, dump: &Dump) -> Option<Vec<Weight>> {
    let weights = data.get("weights")?.as_array()?;
    let weights: Option<Vec<Weight>> = weights.iter().map(read_weight).collect();
    weights.filter(|weights| weights.len() == dump.threads.len())
}

fn read_weight(value: &Value) -> Option<Weight> {
    let place = match value.get("place") {
        Some(word) => {
            let known = PLACES
                .iter()
                .find(|(_, known)| Some(*known) == word.as_str());
            known.map(|(place, _)| *place)?
        }
        None => Place::Stack,
    };
    let labels: Arc<[(String, String)]> = match value.get("labels") {
        Some(labels) => {
            let labels = labels.as_object()?.iter().take(LABELS);
            let labels = labels.map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            labels.collect::<Option<_>>()?
        }
        None => Arc::default(),
    };
    Some(Weight {
        samples: value.get("samples")?.as_u64()?,
        ns: value.get("ns")?.as_u64()?,
        waits: value.get("waits").map_or(Some(0), Value::as_u64)?,
        place,
        labels,
    })
}

fn read_report(value: &Value) -> Option<Report> {
    let number = |key: &str| value.get(key)?.as_u64();
    let short = |key: &str| u32::try_from(number(key)?).ok();
    let size = |key: &str| usize::try_from(number(key)?).ok();
    let throttled = value.get("throttled").filter(|held| !held.is_null());
    Some(Report {
        what: match value.get("what")?.as_str()? {
            "cpu" => Sampled::Cpu,
            "wall" => Sampled::Wall,
            _ => return None,
        },
        began_unix_ns: number("began_unix_ns")?,
        window_ns: number("window_ns")?,
        asked_hz: short("asked_hz")?,
        hz: short("hz")?,
        samples: number("samples")?,
        dropped: number("dropped")?,
        truncated: number("truncated")?,
        cpu_ns: number("cpu_ns"),
        own_cpu_ns: number("own_cpu_ns")?,
        threads: size("threads")?,
        without_timer: size("without_timer")?,
        reused: number("reused")?,
        calls_hidden: value.get("calls_hidden")?.as_bool()?,
        throttled: match throttled {
            Some(held) => Some(Throttled {
                periods: held.get("periods")?.as_u64()?,
                throttled: held.get("throttled")?.as_u64()?,
                ns: held.get("ns")?.as_u64()?,
            }),
            None => None,
        },
    })
}

fn read_asked(value: &Value) -> Option<Wish> {
    let word = value.get("kind")?.as_str()?;
    let (kind, _) = Kind::ALL.into_iter().find(|(_, known)| *known == word)?;
    let rows = value.get("rows").and_then(Value::as_u64);
    let thread = value.get("thread").and_then(Value::as_str);
    let tids = value.get("tids")?.as_array()?.iter();
    let tids = tids.map(|tid| u32::try_from(tid.as_u64()?).ok());
    Some(Wish {
        kind,
        tree: value.get("tree")?.as_bool()?,
        thread: thread.map(str::to_owned),
        tids: tids.collect::<Option<_>>()?,
        rows: rows.and_then(|rows| usize::try_from(rows).ok()),
        full_names: value.get("full_names")?.as_bool()?,
        cores: value.get("cores").and_then(Value::as_f64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stack::{Answered, End, Frame, ThreadStack};

    fn samples() -> Samples {
        let thread = |tid: u32| ThreadStack {
            tid,
            name: "w".to_owned(),
            state: 'R',
            answer: Answered::Stack,
            end: End::Root,
            frames: [Frame {
                address: 0x1000,
                ..Frame::default()
            }]
            .into(),
            ..ThreadStack::default()
        };
        Samples {
            dump: Dump {
                threads: vec![thread(7), thread(8)],
                ..Dump::default()
            },
            weights: vec![
                Weight {
                    samples: 3,
                    ns: 30,
                    ..Weight::default()
                },
                Weight {
                    samples: 1,
                    ns: 10,
                    waits: 2,
                    place: Place::SignalBlocked,
                    labels: vec![("tenant".to_owned(), "acme".to_owned())].into(),
                },
            ],
            report: Report {
                window_ns: 5_000_000_000,
                hz: 99,
                samples: 4,
                cpu_ns: Some(41),
                throttled: Some(Throttled {
                    periods: 50,
                    throttled: 1,
                    ns: 9,
                }),
                ..Report::default()
            },
        }
    }

    #[test]
    fn samples_survive_the_way_to_the_client() {
        let wish = Wish {
            kind: Kind::Block,
            rows: Some(15),
            thread: Some("worker".to_owned()),
            tids: vec![4713],
            cores: Some(1.5),
            ..Wish::default()
        };
        let value = Value::Object(to_json(&samples(), &wish));
        assert_eq!(from_json(&value), Ok((samples(), wish)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = Value::Object(to_json(&samples(), &Wish::default()));
        let check = |change: &dyn Fn(&mut Value), expected: &str| {
            let mut value = good.clone();
            change(&mut value);
            let found = from_json(&value).map_err(|text| text.split(':').next().map(str::to_owned));
            assert_eq!(found, Err(Some(expected.to_owned())));
        };
        check(&|value| value["weights"] = json!([]), "weights");
        check(
            &|value| value["weights"][0]["place"] = json!("nowhere"),
            "weights",
        );
        check(&|value| value["report"]["what"] = json!("gpu"), "report");
        check(&|value| value["asked"]["kind"] = json!("gpu"), "asked");
        check(&|value| value["threads"] = json!(1), "threads");
    }
}
