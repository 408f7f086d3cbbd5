//! The heap as JSON, and back: the client names the stacks again where it knows more, and shows them by
//! the code that the console has. Read as if anybody had sent it.

use super::{AGES, Amount, Count, Heap, Place, Report, State, View, Window, Wish};
use crate::model::stack;
use serde_json::{Map, Value, json};

/// Most names of earlier looks, and the longest of them.
const BASELINES: usize = 64;
const NAME: usize = 256;

const PLACES: [(Place, &str); 5] = [
    (Place::Stack, "stack"),
    (Place::BeforeInstall, "before-install"),
    (Place::NoRoom, "no-room"),
    (Place::NoStack, "no-stack"),
    (Place::Rest, "rest"),
];

/// The fields of the stacks, `counts` with one element for each of their `threads`, `report`, and
/// `asked`.
pub fn to_json(heap: &Heap, wish: &Wish) -> Map<String, Value> {
    let mut fields = stack::to_json(&heap.dump);
    let counts: Vec<Value> = heap.counts.iter().map(count).collect();
    fields.insert("counts".to_owned(), counts.into());
    fields.insert("report".to_owned(), report(&heap.report));
    fields.insert("asked".to_owned(), asked(wish));
    fields
}

/// What is as usual is left out: there are many of them.
fn count(count: &Count) -> Value {
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    add("now", state(&count.now));
    if let Some(before) = &count.before {
        add("before", state(before));
    }
    if let Some(middle) = count.middle {
        add("middle_bytes", middle.into());
    }
    if let Some(recent) = count.recent {
        add("recent_bytes", recent.into());
    }
    if count.place != Place::Stack {
        let word = PLACES.iter().find(|(place, _)| *place == count.place);
        add("place", word.map_or("", |(_, word)| word).into());
    }
    add("peak", amount(count.peak));
    add("ages_bytes", json!(count.ages));
    add("old", amount(count.old));
    add("old_variance", count.old_variance.into());
    fields.into()
}

fn state(state: &State) -> Value {
    json!({
        "allocated": amount(state.allocated),
        "freed": amount(state.freed),
        "samples": state.samples,
        "variance": state.variance,
    })
}

fn amount(amount: Amount) -> Value {
    json!([amount.bytes, amount.objects])
}

fn report(report: &Report) -> Value {
    json!({
        "taken_unix_ns": report.taken_unix_ns,
        "rate_bytes": report.rate,
        "live_samples": report.live_samples,
        "dropped": report.dropped,
        "live": amount(report.live),
        "cut_bytes": report.cut_bytes,
        "allocated": amount(report.allocated),
        "peak_bytes": report.peak_bytes,
        "peak_age_ns": report.peak_age_ns,
        "age_ns": report.age_ns,
        "recent_ns": report.recent_ns,
        "window": report.window.as_ref().map(|window| json!({
            "from_unix_ns": window.from_unix_ns,
            "to_unix_ns": window.to_unix_ns,
            "ns": window.ns,
            "from": window.from,
            "to": window.to,
        })),
        "baselines": report.baselines,
    })
}

fn asked(wish: &Wish) -> Value {
    json!({
        "view": wish.view.name(),
        "tree": wish.tree,
        "site": wish.site,
        "rows": wish.rows,
        "full_names": wish.full_names,
        "min_age_ns": wish.min_age_ns,
    })
}

/// The heap in the data of an answer, and how it is to be shown.
///
/// # Errors
/// The field that is missing, malformed or beyond its bound.
pub fn from_json(data: &Value) -> Result<(Heap, Wish), String> {
    let dump = stack::from_json(data)?;
    let counts = data.get("counts").and_then(Value::as_array);
    let counts = counts.and_then(|counts| counts.iter().map(read_count).collect());
    let heap = Heap {
        counts: Option::filter(counts, |counts: &Vec<Count>| {
            counts.len() == dump.threads.len()
        })
        .ok_or("counts: one for each thread is wanted")?,
        dump,
        report: read_report(data.get("report").unwrap_or(&Value::Null))
            .ok_or("report: an object with its figures is wanted")?,
    };
    let wish = read_asked(data.get("asked").unwrap_or(&Value::Null));
    Ok((heap, wish.ok_or("asked: an object is wanted")?))
}

fn read_count(value: &Value) -> Option<Count> {
    let place = match value.get("place") {
        Some(word) => {
            let mut places = PLACES.iter();
            places
                .find(|(_, known)| Some(*known) == word.as_str())
                .map(|(place, _)| *place)?
        }
        None => Place::Stack,
    };
    let mut ages = [0; AGES.len() + 1];
    let given = value.get("ages_bytes")?.as_array()?;
    for (age, value) in ages.iter_mut().zip(given) {
        *age = value.as_u64()?;
    }
    Some(Count {
        place,
        now: read_state(value.get("now")?)?,
        before: match value.get("before") {
            Some(before) => Some(read_state(before)?),
            None => None,
        },
        middle: value.get("middle_bytes").and_then(Value::as_u64),
        recent: value.get("recent_bytes").and_then(Value::as_u64),
        peak: read_amount(value.get("peak")?)?,
        ages,
        old: read_amount(value.get("old")?)?,
        old_variance: value.get("old_variance")?.as_f64()?,
    })
}

fn read_state(value: &Value) -> Option<State> {
    Some(State {
        allocated: read_amount(value.get("allocated")?)?,
        freed: read_amount(value.get("freed")?)?,
        samples: value.get("samples")?.as_u64()?,
        variance: value.get("variance")?.as_f64()?,
    })
}

fn read_amount(value: &Value) -> Option<Amount> {
    Some(Amount {
        bytes: value.get(0)?.as_u64()?,
        objects: value.get(1)?.as_u64()?,
    })
}

fn read_report(value: &Value) -> Option<Report> {
    let number = |key: &str| value.get(key)?.as_u64();
    let window = value.get("window").filter(|window| !window.is_null());
    let names = value.get("baselines")?.as_array()?.iter();
    Some(Report {
        taken_unix_ns: number("taken_unix_ns")?,
        rate: number("rate_bytes")?,
        live_samples: number("live_samples")?,
        dropped: number("dropped")?,
        live: read_amount(value.get("live")?)?,
        cut_bytes: number("cut_bytes")?,
        allocated: read_amount(value.get("allocated")?)?,
        peak_bytes: number("peak_bytes")?,
        peak_age_ns: number("peak_age_ns")?,
        age_ns: number("age_ns"),
        recent_ns: number("recent_ns")?,
        window: match window {
            Some(window) => Some(read_window(window)?),
            None => None,
        },
        baselines: names.take(BASELINES).map(name).collect::<Option<_>>()?,
    })
}

fn read_window(value: &Value) -> Option<Window> {
    let number = |key: &str| value.get(key)?.as_u64();
    Some(Window {
        from_unix_ns: number("from_unix_ns")?,
        to_unix_ns: number("to_unix_ns")?,
        ns: number("ns")?,
        from: name(value.get("from")?)?,
        to: name(value.get("to")?)?,
    })
}

fn name(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= NAME);
    text.map(str::to_owned)
}

fn read_asked(value: &Value) -> Option<Wish> {
    let word = value.get("view")?.as_str()?;
    let (view, _) = View::ALL.into_iter().find(|(_, known)| *known == word)?;
    let rows = value.get("rows").and_then(Value::as_u64);
    let site = value.get("site").and_then(Value::as_str);
    Some(Wish {
        view,
        tree: value.get("tree")?.as_bool()?,
        site: site.map(str::to_owned),
        rows: rows.and_then(|rows| usize::try_from(rows).ok()),
        full_names: value.get("full_names")?.as_bool()?,
        min_age_ns: value.get("min_age_ns")?.as_u64()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::stack::{Dump, Frame, ThreadStack};

    fn heap() -> Heap {
        let amount = |bytes, objects| Amount { bytes, objects };
        let now = State {
            allocated: amount(900, 2 << 16),
            freed: amount(300, 1 << 15),
            samples: 3,
            variance: 2.5,
        };
        let thread = ThreadStack {
            frames: [Frame {
                address: 0x1000,
                ..Frame::default()
            }]
            .into(),
            state: '?',
            ..ThreadStack::default()
        };
        Heap {
            dump: Dump {
                threads: vec![thread.clone(), thread],
                ..Dump::default()
            },
            counts: vec![
                Count {
                    now,
                    before: Some(State::default()),
                    middle: Some(6),
                    recent: Some(7),
                    peak: amount(1000, 0),
                    ages: [1, 2, 3, 4, 5],
                    old: amount(5, 1),
                    old_variance: 1.5,
                    ..Count::default()
                },
                Count {
                    place: Place::BeforeInstall,
                    ..Count::default()
                },
            ],
            report: Report {
                rate: 512 << 10,
                live: amount(600, 3 << 15),
                age_ns: Some(5),
                window: Some(Window {
                    ns: 3,
                    from: "start".to_owned(),
                    ..Window::default()
                }),
                baselines: vec!["start".to_owned()],
                ..Report::default()
            },
        }
    }

    #[test]
    fn the_heap_survives_the_way_to_the_client() {
        let wish = Wish {
            view: View::Leaks,
            site: Some("Cache::lookup".to_owned()),
            rows: Some(15),
            min_age_ns: 60,
            ..Wish::default()
        };
        let value = Value::Object(to_json(&heap(), &wish));
        assert_eq!(from_json(&value), Ok((heap(), wish)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = Value::Object(to_json(&heap(), &Wish::default()));
        let check = |change: &dyn Fn(&mut Value), expected: &str| {
            let mut value = good.clone();
            change(&mut value);
            let found = from_json(&value).map_err(|text| text.split(':').next().map(str::to_owned));
            assert_eq!(found, Err(Some(expected.to_owned())));
        };
        check(&|value| value["counts"] = json!([]), "counts");
        check(
            &|value| value["counts"][1]["place"] = json!("moon"),
            "counts",
        );
        check(
            &|value| value["counts"][0]["now"]["freed"] = json!([-1]),
            "counts",
        );
        let long = "x".repeat(NAME + 1);
        check(
            &|value| value["report"]["baselines"] = json!([long]),
            "report",
        );
        check(&|value| value["asked"]["view"] = json!("stack"), "asked");
        check(&|value| value["threads"] = json!(1), "threads");
    }
}
