//! From JSON to a dump. The sender may be anybody: every count and length is bounded before anything
//! is made of it, and what is wrong is named.

use super::{
    super::{Asked, Call, Code, Dump, Frame, Function, Lines, Module, Names, ThreadStack},
    words::{ANSWERS, ENDS, LINES, SYMBOLS, value},
};
use crate::model::order;
use serde_json::{Map, Value};

/// Most threads of a process.
const THREADS: usize = 1 << 16;
/// Most frames of a thread.
const DEPTH: usize = 1 << 12;
/// Most different frames.
const FRAMES: usize = 1 << 20;
/// Most object files.
const MODULES: usize = 1 << 14;
/// Most parts of an object file that hold code.
const CODE: usize = 256;
/// Most functions that were merged into one address.
const FUNCTIONS: usize = 1 << 10;
/// Most crates that count as the application's.
const CRATES: usize = 1 << 10;
/// Longest text in bytes: names of generic functions can be this long.
const TEXT: usize = 1 << 16;
/// Most memory in bytes for the frames of all threads: a few bytes of JSON can stand for many. What
/// their functions take is theirs together, and of the size of the JSON.
const MEMORY: usize = 32 << 20;

type Fields = Map<String, Value>;
/// The field that is wrong, and what is wrong with it.
type Read<T> = Result<T, String>;

/// The dump in the data of an answer; fields of no dump are ignored.
///
/// # Errors
/// The field that is missing, malformed or beyond its bound.
pub fn from_json(data: &Value) -> Read<Dump> {
    let data = data.as_object().ok_or("data: an object is wanted")?;
    let modules = list(data, "modules", MODULES)?;
    let modules: Vec<Module> = modules.iter().map(module).collect::<Read<_>>()?;
    let frames = list(data, "frames", FRAMES)?;
    let frames = frames.iter().map(|value| frame(value, modules.len()));
    let frames = Shared(frames.collect::<Read<_>>()?);
    let others = list(data, "others", THREADS)?;
    let threads = list(data, "threads", THREADS)?.iter().chain(others);
    let mut room = MEMORY;
    let mut read = |value| thread(value, &frames, &mut room);
    let mut threads: Vec<ThreadStack> = threads.map(&mut read).collect::<Read<_>>()?;
    if !others.is_empty() {
        order::sort_by_key(&mut threads, |thread| thread.tid);
    }
    let crates = list(data, "app_crates", CRATES)?;
    Ok(Dump {
        taken_unix_ns: number(data, "taken_unix_ns")?,
        took_ns: number(data, "took_ns")?,
        threads,
        own_threads: number(data, "own_threads")?,
        names: names(data)?,
        app_crates: crates
            .iter()
            .map(|name| short(name, "app_crates"))
            .collect::<Read<_>>()?,
        modules,
    })
}

/// What the field `asked` beside a dump says.
///
/// # Errors
/// The field that is malformed.
pub fn asked_from_json(data: &Value) -> Read<Asked> {
    let fields = object(data.get("asked").unwrap_or(&Value::Null), "asked")?;
    Ok(Asked {
        thread: optional(fields, "thread", short)?,
        full: flag(fields, "full")?,
        idle: flag(fields, "idle")?,
        full_names: flag(fields, "full_names")?,
    })
}

/// The frames that threads refer to.
struct Shared(Vec<Frame>);

impl Shared {
    fn get(&self, place: &Value, room: &mut usize) -> Read<Frame> {
        let place = place.as_u64().and_then(|place| usize::try_from(place).ok());
        let known = place.and_then(|place| self.0.get(place));
        let frame = known.ok_or("threads.frames: a place in data.frames is wanted")?;
        *room = room
            .checked_sub(size_of::<Frame>())
            .ok_or("threads.frames: the stacks are too long altogether")?;
        Ok(frame.clone())
    }
}

fn thread(value: &Value, frames: &Shared, room: &mut usize) -> Read<ThreadStack> {
    let fields = object(value, "threads")?;
    let places = list(fields, "frames", DEPTH)?;
    let state = text(fields, "state")?;
    Ok(ThreadStack {
        tid: number(fields, "tid")?,
        name: text(fields, "name")?,
        main: flag(fields, "main")?,
        state: state.chars().next().unwrap_or('?'),
        cpu_ns: number(fields, "cpu_ns")?,
        answer: choice(fields, "answer", &ANSWERS)?,
        frames: places
            .iter()
            .map(|place| frames.get(place, room))
            .collect::<Read<_>>()?,
        end: choice(fields, "end", &ENDS)?,
        call: optional(fields, "call", call)?,
        waits_in: optional(fields, "waits_in", short)?,
        stack_bytes: optional(fields, "stack_bytes", whole)?,
        unchanged_since_unix_ns: optional(fields, "unchanged_since_unix_ns", whole)?,
    })
}

fn call(value: &Value, key: &str) -> Read<Call> {
    let fields = object(value, key)?;
    let given = list(fields, "arguments", 6)?;
    let mut arguments = [0; 6];
    for (argument, value) in arguments.iter_mut().zip(given) {
        *argument = address(value, "arguments")?;
    }
    let signed = |value: &Value, key: &str| {
        let number = value.as_i64();
        number.ok_or_else(|| wanted(key, "a whole number"))
    };
    Ok(Call {
        number: optional(fields, "number", signed)?,
        arguments,
        on: optional(fields, "on", short)?,
    })
}

fn frame(value: &Value, modules: usize) -> Read<Frame> {
    let fields = object(value, "frames")?;
    let module: Option<u64> = optional(fields, "module", whole)?;
    let module = module
        .map(|place| match usize::try_from(place) {
            Ok(at) if at < modules => narrow(place, "module"),
            _ => Err(wanted("module", "a place in data.modules")),
        })
        .transpose()?;
    Ok(Frame {
        address: address(fields.get("address").unwrap_or(&Value::Null), "address")?,
        module,
        uncertain: flag(fields, "uncertain")?,
        functions: list(fields, "functions", FUNCTIONS)?
            .iter()
            .map(function)
            .collect::<Read<_>>()?,
        inlines_known: flag(fields, "inlines_known")?,
    })
}

fn function(value: &Value) -> Read<Function> {
    let fields = object(value, "functions")?;
    let line: Option<u64> = optional(fields, "line", whole)?;
    Ok(Function {
        name: text(fields, "name")?,
        mangled: optional(fields, "mangled", short)?,
        file: optional(fields, "file", short)?,
        line: line.map(|line| narrow(line, "line")).transpose()?,
    })
}

fn module(value: &Value) -> Read<Module> {
    let fields = object(value, "modules")?;
    let at = |key: &str| address(fields.get(key).unwrap_or(&Value::Null), key);
    Ok(Module {
        path: text(fields, "path")?,
        deleted: flag(fields, "deleted")?,
        binary: flag(fields, "binary")?,
        start: at("start")?,
        end: at("end")?,
        bias: at("bias")?,
        build_id: optional(fields, "build_id", short)?,
        code: match fields.contains_key("code") {
            true => {
                let parts = list(fields, "code", CODE)?.iter();
                parts.map(code).collect::<Read<_>>()?
            }
            false => Vec::new(),
        },
    })
}

fn code(value: &Value) -> Read<Code> {
    let fields = object(value, "code")?;
    let at = |key: &str| address(fields.get(key).unwrap_or(&Value::Null), key);
    Ok(Code {
        start: at("start")?,
        end: at("end")?,
        offset: number(fields, "offset")?,
    })
}

fn names(data: &Fields) -> Read<Names> {
    let empty = Value::Object(Map::new());
    let fields = object(data.get("names").unwrap_or(&empty), "names")?;
    let lines = match choice(fields, "lines", &LINES)? {
        Lines::TooDear { .. } => Lines::TooDear {
            ns: number(fields, "lines_cost_ns")?,
            bytes: number(fields, "lines_cost_bytes")?,
        },
        lines => lines,
    };
    Ok(Names {
        named: number(fields, "named")?,
        unnamed: number(fields, "unnamed")?,
        symbols: choice(fields, "symbols", &SYMBOLS)?,
        lines,
        legacy: flag(fields, "legacy")?,
    })
}

fn wanted(key: &str, what: &str) -> String {
    format!("{key}: {what} is wanted")
}

fn object<'a>(value: &'a Value, key: &str) -> Read<&'a Fields> {
    value.as_object().ok_or_else(|| wanted(key, "an object"))
}

/// A list of at most `most`; one that is missing is empty.
fn list<'a>(fields: &'a Fields, key: &str, most: usize) -> Read<&'a [Value]> {
    let values = match fields.get(key) {
        None | Some(Value::Null) => return Ok(&[]),
        Some(value) => value.as_array().ok_or_else(|| wanted(key, "a list"))?,
    };
    match values.len() > most {
        true => Err(format!("{key}: {} of them, at most {most}", values.len())),
        false => Ok(values),
    }
}

fn whole(value: &Value, key: &str) -> Read<u64> {
    value.as_u64().ok_or_else(|| wanted(key, "a whole number"))
}

fn narrow<T: TryFrom<u64>>(number: u64, key: &str) -> Read<T> {
    T::try_from(number).map_err(|_| format!("{key}: {number} is too large"))
}

/// A number; one that is missing is 0.
fn number<T: TryFrom<u64>>(fields: &Fields, key: &str) -> Read<T> {
    narrow(optional(fields, key, whole)?.unwrap_or(0), key)
}

fn flag(fields: &Fields, key: &str) -> Read<bool> {
    match fields.get(key) {
        None => Ok(false),
        Some(value) => value.as_bool().ok_or_else(|| wanted(key, "true or false")),
    }
}

/// A text of bounded length.
fn short(value: &Value, key: &str) -> Read<String> {
    let text = value.as_str().ok_or_else(|| wanted(key, "a text"))?;
    match text.len() > TEXT {
        true => Err(format!("{key}: {} bytes, at most {TEXT}", text.len())),
        false => Ok(text.to_owned()),
    }
}

/// A text; one that is missing is empty.
fn text(fields: &Fields, key: &str) -> Read<String> {
    Ok(optional(fields, key, short)?.unwrap_or_default())
}

/// One of a few words; one that is missing is the default.
fn choice<T: Copy + Default>(fields: &Fields, key: &str, all: &[(T, &'static str)]) -> Read<T> {
    let Some(word) = optional(fields, key, short)? else {
        return Ok(T::default());
    };
    value(all, &word).ok_or_else(|| wanted(key, "one of the words that this version knows"))
}

/// `0x7f00`.
fn address(value: &Value, key: &str) -> Read<u64> {
    let text = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let digits = text.filter(|text| text.len() <= 16 && !text.starts_with('+'));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    number.ok_or_else(|| wanted(key, "an address like \"0x7f00\""))
}

/// What may be missing or null.
fn optional<T>(
    fields: &Fields,
    key: &str,
    read: impl Fn(&Value, &str) -> Read<T>,
) -> Read<Option<T>> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => read(value, key).map(Some),
    }
}
