//! An answer for programs: one line, base units, nothing left out.

use super::{Provenance, cell, escape, stacks, units};
use crate::model::{Answer, Block, Cell, Fields, Show, Table, Verdict};
use serde_json::{Map, Value, json};

/// The answer as one object on one line, its LF included.
///
/// `Unknown` is null, `Empty` is absent, and a float that is no number is null. What a terminal would
/// obey is written as `\uHHHH`.
pub fn render(answer: &Answer, provenance: &Provenance) -> String {
    let mut object = json!({
        "command": provenance.command,
        "process": {
            "name": provenance.name,
            "pid": provenance.pid,
            "host": provenance.host,
        },
        "time": units::time_utc_millis(provenance.time_unix_ns),
        "elapsed_ns": provenance.elapsed_ns,
        "data": data(&answer.blocks),
        "notes": answer.notes,
        "next": answer.next,
    });
    if let (Some(verdict), Some(object)) = (&answer.verdict, object.as_object_mut()) {
        object.insert("verdict".to_owned(), verdict_json(verdict));
    }
    escape::json(&object.to_string()).into_owned() + "\n"
}

fn verdict_json(verdict: &Verdict) -> Value {
    json!({"severity": verdict.severity.name(), "text": verdict.text})
}

fn data(blocks: &[Block]) -> Map<String, Value> {
    let mut data = Map::new();
    for block in blocks {
        match block {
            Block::Table(table) if table.show != Show::Text => {
                data.insert(table.key.to_owned(), rows(table));
            }
            Block::Fields(fields) if fields.show != Show::Text => add_fields(&mut data, fields),
            Block::Value(value) => data.extend(cell::json(value).map(|v| ("value".to_owned(), v))),
            Block::Data(key, value) => {
                data.insert((*key).to_owned(), value.clone());
            }
            Block::Stacks(found) => data.extend(stacks::json(&found.dump, &found.folded)),
            Block::Table(_) | Block::Fields(_) | Block::Lines(_) => {}
        }
    }
    data
}

fn rows(table: &Table) -> Value {
    let row = |cells: &Vec<Cell>| {
        let columns = table.columns.iter().zip(cells);
        let shown = columns.filter(|(column, _)| column.show != Show::Text);
        object(shown.map(|(column, cell)| (column.key, cell)))
    };
    table.rows.iter().map(row).collect()
}

fn object<'a>(fields: impl Iterator<Item = (&'static str, &'a Cell)>) -> Map<String, Value> {
    fields
        .filter_map(|(key, cell)| Some((key.to_owned(), cell::json(cell)?)))
        .collect()
}

/// Fields of one key from several blocks come together.
fn add_fields(data: &mut Map<String, Value>, fields: &Fields) {
    let values = object(fields.rows.iter().map(|(key, _, value, _)| (*key, value)));
    let target = match fields.key {
        None => Some(data),
        Some(key) => data.entry(key).or_insert_with(|| json!({})).as_object_mut(),
    };
    if let Some(target) = target {
        target.extend(values);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, Severity};

    fn check(answer: &Answer, data: Value) {
        let line = render(answer, &Provenance::sample());
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        let object: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(object["data"], data);
    }

    #[test]
    fn an_answer_is_one_object_with_its_provenance() {
        let mut answer = Answer::about("60 threads");
        answer.verdict(Severity::Bad, "All wait.");
        answer.note("sampled");
        answer.next("locks");
        let object: Value = serde_json::from_str(&render(&answer, &Provenance::sample())).unwrap();
        assert_eq!(
            object,
            json!({
                "command": "threads",
                "process": {"name": "checkout", "pid": 4711, "host": "web-17"},
                "time": "2026-11-21T14:20:31.123Z",
                "elapsed_ns": 3_000_000,
                "verdict": {"severity": "bad", "text": "All wait."},
                "data": {},
                "notes": ["sampled"],
                "next": ["locks"],
            })
        );
        let short = render(&Answer::short(), &Provenance::sample());
        assert!(!short.contains("verdict"), "{short}");
    }

    #[test]
    fn rows_are_objects_without_what_is_empty_or_for_people() {
        let mut table = Table::new(
            "threads",
            [
                Column::new("tid", "tid"),
                Column::only_text("shown", "shown"),
                Column::json("cpu_percent"),
                Column::new("wait", ""),
            ],
        );
        let text = || Cell::text("x");
        table.row([Cell::Id(7), text(), Cell::Percent(f64::NAN), Cell::Empty]);
        table.row([Cell::Unknown, text(), Cell::Percent(1.5), text()]);
        let mut answer = Answer::short();
        answer.push(Block::Table(table.clone().show(Show::Text)));
        check(&answer, json!({}));
        answer.push(Block::Table(table));
        let first = json!({"tid": 7, "cpu_percent": null});
        let second = json!({"tid": null, "cpu_percent": 1.5, "wait": "x"});
        check(&answer, json!({"threads": [first, second]}));
    }

    #[test]
    fn fields_stand_in_data_or_under_their_key() {
        let mut own = Fields::new();
        own.field("pid", "", Cell::Id(1));
        own.field("nothing", "nothing", Cell::Empty);
        let mut first = Fields::under("cgroup");
        first.remarked("max_bytes", "max", Cell::Bytes(1), "a remark");
        let mut second = Fields::under("cgroup");
        second.field("current_bytes", "current", Cell::Unknown);
        let mut answer = Answer::short();
        answer.push(Block::Fields(own));
        answer.push(Block::Fields(first));
        answer.push(Block::Fields(second));
        answer.push(Block::Value(Cell::Count(5)));
        answer.push(Block::Data("raw", json!([1])));
        answer.push(Block::Lines(vec!["for people".to_owned()]));
        check(
            &answer,
            json!({
                "pid": 1,
                "cgroup": {"max_bytes": 1, "current_bytes": null},
                "value": 5,
                "raw": [1],
            }),
        );
    }

    #[test]
    fn hostile_text_is_whole_and_harmless() {
        let hostile = "a\n\u{1b}[2J\u{9b}\u{202e}\u{7f}";
        let mut answer = Answer::short();
        answer.push(Block::Value(Cell::text(hostile)));
        check(&answer, json!({"value": hostile}));
        let line = render(&answer, &Provenance::sample());
        assert!(
            !line
                .trim_end()
                .contains(|c: char| c.is_control() || c == '\u{202e}')
        );
    }
}
