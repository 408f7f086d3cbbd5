//! From a dump to JSON.

use super::{
    super::{Asked, Call, Code, Dump, Frame, Function, Lines, Module, Names, ThreadStack},
    words::{ANSWERS, ENDS, LINES, SYMBOLS, word},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The fields of `dump`, as they stand in the data of an answer.
pub fn to_json(dump: &Dump) -> Map<String, Value> {
    let mut frames = Frames::default();
    let threads: Vec<Value> = dump
        .threads
        .iter()
        .map(|thread| thread_json(thread, &mut frames))
        .collect();
    let modules: Vec<Value> = dump.modules.iter().map(module).collect();
    let frames: Vec<Value> = frames.all.into_iter().map(frame).collect();
    let mut fields = Map::new();
    let mut add = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    add("taken_unix_ns", dump.taken_unix_ns.into());
    add("took_ns", dump.took_ns.into());
    add("own_threads", dump.own_threads.into());
    add("app_crates", json!(dump.app_crates));
    add("names", names(&dump.names));
    add("modules", modules.into());
    add("frames", frames.into());
    add("threads", threads.into());
    fields
}

/// The field `asked` beside a dump.
pub fn asked_to_json(asked: &Asked) -> Value {
    json!({
        "thread": asked.thread,
        "full": asked.full,
        "idle": asked.idle,
        "full_names": asked.full_names,
    })
}

/// Each different frame once.
#[derive(Default)]
struct Frames<'a> {
    all: Vec<&'a Frame>,
    /// Places in `all` by address: two frames of one address are nearly always equal.
    places: BTreeMap<u64, Vec<usize>>,
}

impl<'a> Frames<'a> {
    fn place(&mut self, frame: &'a Frame) -> usize {
        let places = self.places.entry(frame.address).or_default();
        let known = places
            .iter()
            .find(|place| self.all.get(**place).is_some_and(|known| *known == frame));
        if let Some(known) = known {
            return *known;
        }
        let place = self.all.len();
        places.push(place);
        self.all.push(frame);
        place
    }
}

fn thread_json<'a>(thread: &'a ThreadStack, frames: &mut Frames<'a>) -> Value {
    let places: Vec<usize> = thread
        .frames
        .iter()
        .map(|frame| frames.place(frame))
        .collect();
    json!({
        "tid": thread.tid,
        "name": thread.name,
        "main": thread.main,
        "state": thread.state.to_string(),
        "cpu_ns": thread.cpu_ns,
        "answer": word(&ANSWERS, &thread.answer),
        "frames": places,
        "end": word(&ENDS, &thread.end),
        "call": thread.call.as_ref().map(call),
        "waits_in": thread.waits_in,
        "stack_bytes": thread.stack_bytes,
        "unchanged_since_unix_ns": thread.unchanged_since_unix_ns,
    })
}

fn call(call: &Call) -> Value {
    json!({
        "number": call.number,
        "arguments": call.arguments.map(hex),
        "on": call.on,
    })
}

/// What is not known or not so is left out: there are many of them.
fn frame(frame: &Frame) -> Value {
    let mut fields = Map::new();
    fields.insert("address".to_owned(), hex(frame.address).into());
    if let Some(module) = frame.module {
        fields.insert("module".to_owned(), module.into());
    }
    for (key, holds) in [
        ("uncertain", frame.uncertain),
        ("inlines_known", frame.inlines_known),
    ] {
        if holds {
            fields.insert(key.to_owned(), true.into());
        }
    }
    if !frame.functions.is_empty() {
        let functions: Vec<Value> = frame.functions.iter().map(function).collect();
        fields.insert("functions".to_owned(), functions.into());
    }
    fields.into()
}

fn function(function: &Function) -> Value {
    let mut fields = Map::new();
    fields.insert("name".to_owned(), function.name.as_str().into());
    let texts = [("mangled", &function.mangled), ("file", &function.file)];
    for (key, text) in texts {
        if let Some(text) = text {
            fields.insert(key.to_owned(), text.as_str().into());
        }
    }
    if let Some(line) = function.line {
        fields.insert("line".to_owned(), line.into());
    }
    fields.into()
}

fn module(module: &Module) -> Value {
    json!({
        "path": module.path,
        "deleted": module.deleted,
        "binary": module.binary,
        "start": hex(module.start),
        "end": hex(module.end),
        "bias": hex(module.bias),
        "build_id": module.build_id,
        "code": module.code.iter().map(code).collect::<Value>(),
    })
}

fn code(code: &Code) -> Value {
    json!({"start": hex(code.start), "end": hex(code.end), "offset": code.offset})
}

fn names(names: &Names) -> Value {
    let (kind, cost) = match names.lines {
        Lines::TooDear { ns, bytes } => (Lines::TooDear { ns: 0, bytes: 0 }, Some((ns, bytes))),
        kind => (kind, None),
    };
    let mut value = json!({
        "named": names.named,
        "unnamed": names.unnamed,
        "symbols": word(&SYMBOLS, &names.symbols),
        "lines": word(&LINES, &kind),
        "legacy": names.legacy,
    });
    if let (Some((ns, bytes)), Some(fields)) = (cost, value.as_object_mut()) {
        fields.insert("lines_cost_ns".to_owned(), ns.into());
        fields.insert("lines_cost_bytes".to_owned(), bytes.into());
    }
    value
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}
