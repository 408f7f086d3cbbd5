//! Stacks for programs: what people see, by section and group, and the dump behind it.

use super::super::cell;
use crate::model::stack::{self, Dump, Folded, Group, Line, Section};
use serde_json::{Map, Value, json};

/// The fields of the data: the dump's, and `sections`.
pub(in super::super) fn json(dump: &Dump, folded: &Folded) -> Map<String, Value> {
    let mut fields = stack::to_json(dump);
    let sections = folded.sections.iter().map(section);
    fields.insert("sections".to_owned(), sections.collect());
    fields
}

fn section(section: &Section) -> Value {
    json!({
        "kind": section.kind.name(),
        "title": section.title,
        "remark": section.remark,
        "threads": section.threads,
        "groups": section.groups.iter().map(group).collect::<Value>(),
        "summary": section.summary,
    })
}

fn group(group: &Group) -> Value {
    let mut value = json!({
        "tids": group.tids,
        "names": group.names,
        "doing": group.doing,
        "lines": group.lines.iter().map(line).collect::<Value>(),
    });
    if let Some(fields) = value.as_object_mut() {
        let facts = group.facts.iter();
        fields.extend(facts.filter_map(|(key, fact)| Some(((*key).to_owned(), cell::json(fact)?))));
    }
    value
}

fn line(line: &Line) -> Value {
    match line {
        Line::Frame { name, place, app } => json!({"name": name, "place": place, "app": app}),
        Line::Folded {
            count,
            of,
            role,
            top,
        } => json!({"folded": count, "of": of, "role": role, "top": top}),
        Line::Remark(text) => json!({"remark": text}),
    }
}
