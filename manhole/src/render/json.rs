//! An answer for programs: one line, base units, nothing left out.

use super::{
    Provenance,
    cell::Base,
    escape::{self, Escape},
    out::{Beginning, Count, Out},
    stacks, units,
};
use crate::model::{
    Answer, Block, Cell, Code, Failure, Fields, Show, Table, Verdict, heap, order, samples,
};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::{Value, json, ser::Formatter};
use std::{borrow::Cow, io};

/// Writes the answer as one object on one line, its LF included.
///
/// `Unknown` is null, `Empty` is absent, and a float that is no number is null. What a terminal would
/// obey is written as `\uHHHH`. Members stand in the order of their names.
///
/// # Errors
/// As `out`.
pub fn render(answer: &Answer, provenance: &Provenance, out: &mut dyn Out) -> Result<(), Failure> {
    line(&Document { answer, provenance }, out)
}

/// Writes any value as one line, its LF included, harmless for a terminal.
///
/// # Errors
/// As `out`; `internal` for what is no JSON.
pub fn line(value: &impl Serialize, out: &mut dyn Out) -> Result<(), Failure> {
    put(value, escape::json, out)?;
    out.put("\n")
}

/// How many bytes `value` has as compact JSON.
pub fn size(value: &Value) -> u64 {
    let mut count = Count::default();
    let _ = put(value, |text| text.into(), &mut count); // a count never fails
    count.bytes
}

/// The first `chars` characters of `value` as compact JSON.
pub fn beginning(value: &Value, chars: usize) -> String {
    let mut beginning = Beginning::new(chars);
    let _ = put(value, |text| text.into(), &mut beginning); // what does not fit is not wanted
    beginning.into_text()
}

/// Writes any value as compact JSON, its texts as `escape` makes them.
///
/// # Errors
/// As `out`; `internal` for what is no JSON.
pub(super) fn put(
    value: &impl Serialize,
    escape: Escape,
    out: &mut dyn Out,
) -> Result<(), Failure> {
    let mut writer = Writer { out, failure: None };
    let mut serializer = serde_json::Serializer::with_formatter(&mut writer, Escaping(escape));
    let written = value.serialize(&mut serializer);
    match (written, writer.failure) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(failure)) => Err(failure),
        (Err(why), None) => Err(Failure::new(Code::Internal, format!("no JSON: {why}"))),
    }
}

/// Remembers why `out` took no more: an [`io::Error`] cannot say it.
struct Writer<'a> {
    out: &'a mut dyn Out,
    failure: Option<Failure>,
}

impl io::Write for Writer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // serde_json writes whole characters only.
        let text = str::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        self.out.put(text).map_err(|failure| {
            self.failure = Some(failure);
            io::ErrorKind::BrokenPipe
        })?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compact JSON whose texts are harmless for a terminal.
struct Escaping(Escape);

impl Formatter for Escaping {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        super::out::pieces(fragment)
            .try_for_each(|piece| writer.write_all((self.0)(piece).as_bytes()))
    }
}

struct Document<'a> {
    answer: &'a Answer,
    provenance: &'a Provenance,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { answer, provenance } = self;
        let process = json!({
            "name": provenance.name,
            "pid": provenance.pid,
            "host": provenance.host,
        });
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("command", &provenance.command)?;
        object.serialize_entry("data", &Data(&answer.blocks))?;
        object.serialize_entry("elapsed_ns", &provenance.elapsed_ns)?;
        object.serialize_entry("next", &answer.next)?;
        object.serialize_entry("notes", &answer.notes)?;
        object.serialize_entry("process", &process)?;
        let time = units::time_utc_millis(provenance.time_unix_ns);
        object.serialize_entry("time", &time)?;
        if let Some(verdict) = &answer.verdict {
            object.serialize_entry("verdict", &verdict_json(verdict))?;
        }
        object.end()
    }
}

fn verdict_json(verdict: &Verdict) -> Value {
    json!({"severity": verdict.severity.name(), "text": verdict.text})
}

/// A member of `data`.
enum Member<'a> {
    Rows(&'a Table),
    Object(Members<'a, &'a Cell>),
    Cell(&'a Cell),
    Text(&'a str),
    Json(Cow<'a, Value>),
}

impl Serialize for Member<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Member::Rows(table) => rows(table, serializer),
            Member::Object(cells) => Object(cells).serialize(serializer),
            Member::Cell(cell) => Base(cell).serialize(serializer),
            Member::Text(text) => serializer.serialize_str(text),
            Member::Json(value) => value.serialize(serializer),
        }
    }
}

/// The blocks that are for programs, each under its name. Of two with one name the later one holds,
/// but fields come together.
struct Data<'a>(&'a [Block]);

impl<'a> Data<'a> {
    fn members(&self) -> Members<'a, Member<'a>> {
        let mut members = Vec::new();
        for block in self.0 {
            match block {
                Block::Table(table) if table.show != Show::Text => {
                    set(&mut members, table.key, Member::Rows(table));
                }
                Block::Fields(fields) if fields.show != Show::Text => {
                    add_fields(&mut members, fields);
                }
                Block::Value(cell) => set(&mut members, "value", Member::Cell(cell)),
                Block::Text(text) => set(&mut members, "value", Member::Text(text)),
                Block::Data(key, value) => {
                    set(&mut members, *key, Member::Json(Cow::Borrowed(value)));
                }
                Block::Stacks(found) => {
                    for (key, value) in stacks::json(found) {
                        set(&mut members, key, Member::Json(Cow::Owned(value)));
                    }
                }
                Block::Samples(found) => {
                    let (samples, wish) = &**found;
                    for (key, value) in samples::to_json(samples, wish) {
                        set(&mut members, key, Member::Json(Cow::Owned(value)));
                    }
                }
                Block::Heap(found) => {
                    let (heap, wish) = &**found;
                    for (key, value) in heap::to_json(heap, wish) {
                        set(&mut members, key, Member::Json(Cow::Owned(value)));
                    }
                }
                Block::Table(_) | Block::Fields(_) | Block::Lines(_) => {}
            }
        }
        members.retain(|(_, member)| !matches!(member, Member::Cell(Cell::Empty)));
        order::sort_by(&mut members, |(a, _), (b, _)| a.cmp(b));
        members
    }
}

/// What an object has, by name.
type Members<'a, T> = Vec<(Cow<'a, str>, T)>;

fn set<'a, T>(members: &mut Members<'a, T>, key: impl Into<Cow<'a, str>>, member: T) {
    let key = key.into();
    match members.iter_mut().find(|(name, _)| *name == key) {
        Some((_, place)) => *place = member,
        None => members.push((key, member)),
    }
}

fn add_fields<'a>(members: &mut Members<'a, Member<'a>>, fields: &'a Fields) {
    let cells = fields.rows.iter().map(|(key, _, cell, _)| (*key, cell));
    let Some(key) = fields.key else {
        return cells.for_each(|(key, cell)| set(members, key, Member::Cell(cell)));
    };
    if !members.iter().any(|(name, _)| *name == key) {
        members.push((key.into(), Member::Object(Vec::new())));
    }
    let found = members.iter_mut().find(|(name, _)| *name == key);
    if let Some((_, Member::Object(object))) = found {
        cells.for_each(|(key, cell)| set(object, key, cell));
        order::sort_by(object, |(a, _), (b, _)| a.cmp(b));
    }
}

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (key, member) in self.members() {
            object.serialize_entry(&key, &member)?;
        }
        object.end()
    }
}

/// Cells in base units under their names.
struct Object<'a>(&'a [(Cow<'a, str>, &'a Cell)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        for (key, cell) in self.0.iter().filter(|(_, cell)| **cell != Cell::Empty) {
            object.serialize_entry(key, &Base(cell))?;
        }
        object.end()
    }
}

fn rows<S: Serializer>(table: &Table, serializer: S) -> Result<S::Ok, S::Error> {
    let columns = table.columns.iter().enumerate();
    let shown = columns.filter(|(_, column)| column.show != Show::Text);
    let mut shown: Vec<(usize, &'static str)> =
        shown.map(|(at, column)| (at, column.key)).collect();
    order::sort_by_key(&mut shown, |(_, key)| *key);
    let mut list = serializer.serialize_seq(None)?;
    for row in &table.rows {
        let cells = shown
            .iter()
            .filter_map(|(at, key)| Some((Cow::Borrowed(*key), row.get(*at)?)));
        list.serialize_element(&Object(&cells.collect::<Vec<_>>()))?;
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Column, Severity};

    fn rendered(answer: &Answer) -> String {
        let mut line = String::new();
        render(answer, &Provenance::sample(), &mut line).unwrap();
        line
    }

    fn check(answer: &Answer, data: Value) {
        let line = rendered(answer);
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
        let object: Value = serde_json::from_str(&rendered(&answer)).unwrap();
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
        let short = rendered(&Answer::short());
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
        let line = rendered(&answer);
        assert!(
            !line
                .trim_end()
                .contains(|c: char| c.is_control() || c == '\u{202e}')
        );
    }
}
