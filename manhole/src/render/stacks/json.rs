//! Stacks for programs: what people see, by section and group, and the dump behind it.

use super::super::cell;
use crate::model::stack::{self, Full, Group, Line, Section, Stacks};
use serde_json::{Map, Value, json};

/// The fields of the data: the dump's, how it was asked for, and `sections`.
pub(in super::super) fn json(stacks: &Stacks) -> Map<String, Value> {
    let folded = &stacks.folded;
    let mut fields = stack::to_json(&stacks.dump);
    fields.insert("asked".to_owned(), stack::asked_to_json(&stacks.asked));
    if let Some(threads) = fields.get_mut("threads") {
        folded.full.iter().for_each(|full| describe(full, threads));
    }
    leave_out(&folded.left_out, &mut fields);
    let sections = folded.sections.iter().map(section);
    fields.insert("sections".to_owned(), sections.collect());
    fields
}

/// Moves the threads that were not asked for out of `threads`: whoever folds this anew needs them, since
/// the threads that were asked for may wait for them.
fn leave_out(tids: &[u32], fields: &mut Map<String, Value>) {
    let Some(threads) = fields.get_mut("threads").and_then(Value::as_array_mut) else {
        return;
    };
    if tids.is_empty() {
        return;
    }
    let tid = |thread: &Value| u32::try_from(thread.get("tid")?.as_u64()?).ok();
    let is_other = |thread: &Value| tid(thread).is_some_and(|tid| tids.binary_search(&tid).is_ok());
    let (others, wanted) = std::mem::take(threads).into_iter().partition(is_other);
    *threads = wanted;
    fields.insert("others".to_owned(), Value::Array(others));
}

/// What an unfolded thread is and does goes to where its stack is.
fn describe(full: &Full, threads: &mut Value) {
    let mut threads = threads.as_array_mut().into_iter().flatten();
    let own = threads.find(|thread| thread.get("tid") == Some(&full.tid.into()));
    if let Some(fields) = own.and_then(Value::as_object_mut) {
        fields.insert("role".to_owned(), full.role.as_str().into());
        fields.insert("doing".to_owned(), full.doing.as_str().into());
    }
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
        Line::Frame {
            name,
            place,
            remark,
            app,
            uncertain,
        } => {
            json!({"name": name, "place": place, "remark": remark, "app": app, "uncertain": uncertain})
        }
        Line::Folded {
            count,
            of,
            role,
            top,
        } => json!({"folded": count, "of": of, "role": role, "top": top}),
        Line::Remark(text) => json!({"remark": text}),
    }
}
