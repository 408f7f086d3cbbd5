//! profile.proto, gzipped: what `go tool pprof`, and nearly everything else, reads.
//!
//! By hand: the format has six messages of integers and strings, and a protobuf library costs those
//! who embed us more than these lines. What the tools insist on is said where it bites.

mod gzip;
mod wire;

use crate::model::{
    profile::{Label, LabelValue, Profile, Sample, ValueType},
    stack::{Code, Frame, Function, Module},
};
use gzip::Gzip;
use std::collections::BTreeMap;
use wire::Message;

/// The media type that Go serves profiles as.
pub const MEDIA_TYPE: &str = "application/octet-stream";

/// Handed to the compressor when it has grown to this.
const FLUSH: usize = 16 << 10;

/// Writes `profile` to `sink`, in pieces of at most 16 KiB.
///
/// Needs memory for the strings' places and the functions, not for the file.
pub fn render(profile: &Profile, sink: &mut dyn FnMut(&[u8])) {
    let mut writer = Writer {
        gzip: Gzip::new(sink),
        message: Message::default(),
        strings: Strings::default(),
    };
    writer.profile(profile);
    writer.flush();
    writer.gzip.finish();
}

/// Text by place in the table; place 0 is the empty string.
#[derive(Default)]
struct Strings<'a> {
    places: BTreeMap<&'a str, i64>,
    order: Vec<&'a str>,
}

impl<'a> Strings<'a> {
    fn place(&mut self, text: &'a str) -> i64 {
        if text.is_empty() {
            return 0;
        }
        let order = &mut self.order;
        *self.places.entry(text).or_insert_with(|| {
            order.push(text);
            order.len() as i64
        })
    }
}

/// Functions by what makes them one: name, symbol and file.
type Functions<'a> = BTreeMap<(&'a str, &'a str, &'a str), u64>;

struct Writer<'a, 'b> {
    gzip: Gzip<'b>,
    message: Message,
    strings: Strings<'a>,
}

impl<'a> Writer<'a, '_> {
    fn profile(&mut self, profile: &'a Profile) {
        for kind in &profile.sample_types {
            let kind = self.value_type(*kind);
            self.message.nested(1, &kind);
        }
        for sample in &profile.samples {
            self.sample(sample);
        }
        let named = named_modules(profile);
        let mappings = mappings(profile);
        for (at, mapping) in mappings.iter().enumerate() {
            let known = named.get(mapping.place as usize).copied();
            self.mapping(at, mapping, known.unwrap_or_default());
        }
        let mut functions = Functions::new();
        for (at, frame) in profile.frames.iter().enumerate() {
            self.location(at, frame, &mappings, &mut functions);
        }
        self.int(7, profile.drop_frames);
        self.message.uint(9, profile.time_unix_ns);
        self.message.uint(10, profile.duration_ns);
        if let Some(kind) = profile.period_type {
            let kind = self.value_type(kind);
            self.message.nested(11, &kind);
        }
        self.message.int(12, profile.period);
        let comments = profile.comments.iter().map(|text| self.strings.place(text));
        let comments: Vec<u64> = comments.map(i64::cast_unsigned).collect();
        self.message.packed(13, comments.into_iter());
        self.int(14, profile.default_type.unwrap_or(""));
        // Last, when every string is known; the readers take the fields in any order.
        self.message.bytes(6, b"");
        for text in std::mem::take(&mut self.strings.order) {
            self.message.bytes(6, text.as_bytes());
            self.pass_on();
        }
    }

    fn int(&mut self, field: u32, text: &'a str) {
        let place = self.strings.place(text);
        self.message.int(field, place);
    }

    fn value_type(&mut self, kind: ValueType) -> Message {
        let mut message = Message::default();
        message.int(1, self.strings.place(kind.kind));
        message.int(2, self.strings.place(kind.unit));
        message
    }

    fn sample(&mut self, sample: &'a Sample) {
        let mut message = Message::default();
        message.packed(1, sample.frames.iter().map(|frame| u64::from(*frame) + 1));
        message.packed(2, sample.values.iter().map(|value| value.cast_unsigned()));
        for label in &sample.labels {
            message.nested(3, &self.label(label));
        }
        self.message.nested(2, &message);
        self.pass_on();
    }

    fn label(&mut self, label: &'a Label) -> Message {
        let mut message = Message::default();
        message.int(1, self.strings.place(&label.key));
        match &label.value {
            LabelValue::Text(text) => message.int(2, self.strings.place(text)),
            LabelValue::Number(number, unit) => {
                message.int(3, *number);
                message.int(4, self.strings.place(unit));
            }
        }
        message
    }

    /// `has_functions` is set on all of them: a reader that misses it asks the network for names, and
    /// fails as a whole when nobody answers.
    fn mapping(&mut self, at: usize, mapping: &Mapping<'a>, known: Known) {
        let Mapping { module, code, .. } = mapping;
        let mut message = Message::default();
        message.uint(1, at as u64 + 1);
        message.uint(2, code.start);
        message.uint(3, code.end);
        message.uint(4, code.offset);
        message.int(5, self.strings.place(&module.path));
        message.int(
            6,
            self.strings.place(module.build_id.as_deref().unwrap_or("")),
        );
        message.bool(7, true);
        message.bool(8, known.files);
        message.bool(9, known.lines);
        message.bool(10, known.inlines);
        self.message.nested(3, &message);
    }

    fn location(
        &mut self,
        at: usize,
        frame: &'a Frame,
        mappings: &[Mapping<'_>],
        functions: &mut Functions<'a>,
    ) {
        let mut message = Message::default();
        message.uint(1, at as u64 + 1);
        message.uint(2, mapping_of(frame, mappings));
        message.uint(3, frame.address);
        for function in frame.functions.iter() {
            let mut line = Message::default();
            line.uint(1, self.function(function, functions));
            line.uint(2, u64::from(function.line.unwrap_or(0)));
            message.nested(4, &line);
        }
        self.message.nested(4, &message);
        self.pass_on();
    }

    /// The function's id. Its `system_name` is the symbol as it is in the file: where it equals the
    /// name, readers take the name for C++ and cut off everything between `<` and `>`.
    fn function(&mut self, function: &'a Function, functions: &mut Functions<'a>) -> u64 {
        let symbol = function.mangled.as_deref().unwrap_or("");
        let file = function.file.as_deref().unwrap_or("");
        let key = (function.name.as_str(), symbol, file);
        if let Some(id) = functions.get(&key) {
            return *id;
        }
        let id = functions.len() as u64 + 1;
        functions.insert(key, id);
        let mut message = Message::default();
        message.uint(1, id);
        message.int(2, self.strings.place(&function.name));
        message.int(3, self.strings.place(symbol));
        message.int(4, self.strings.place(file));
        self.message.nested(5, &message);
        id
    }

    fn pass_on(&mut self) {
        if self.message.len() >= FLUSH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let gzip = &mut self.gzip;
        self.message.drain(|bytes| gzip.write(bytes));
    }
}

/// A part of an object file that is mapped: one for each of its segments of code, or the whole of one
/// whose segments nobody knows.
struct Mapping<'a> {
    module: &'a Module,
    /// The place of the module.
    place: u32,
    code: Code,
}

fn mappings(profile: &Profile) -> Vec<Mapping<'_>> {
    let mut mappings = Vec::new();
    for (place, module) in (0..).zip(&profile.modules) {
        let whole = Code {
            start: module.start,
            end: module.end,
            offset: 0,
        };
        let whole = module.code.is_empty().then_some(whole);
        mappings.extend(
            module
                .code
                .iter()
                .cloned()
                .chain(whole)
                .map(|code| Mapping {
                    module,
                    place,
                    code,
                }),
        );
    }
    mappings
}

/// The number of the mapping that a frame is in, from 1; 0 for none.
fn mapping_of(frame: &Frame, mappings: &[Mapping<'_>]) -> u64 {
    let Some(place) = frame.module else { return 0 };
    let first = mappings.partition_point(|mapping| mapping.place < place);
    let of_module = mappings.iter().enumerate().skip(first);
    let mut of_module = of_module.take_while(|(_, mapping)| mapping.place == place);
    let holds = |code: &Code| (code.start..code.end).contains(&frame.address);
    let found = of_module.find(|(_, mapping)| holds(&mapping.code));
    found.map_or(first, |(at, _)| at) as u64 + 1
}

/// What is known about the frames of a module.
#[derive(Clone, Copy, Default)]
struct Known {
    files: bool,
    lines: bool,
    inlines: bool,
}

fn named_modules(profile: &Profile) -> Vec<Known> {
    let mut known = vec![Known::default(); profile.modules.len()];
    for frame in &profile.frames {
        let module = frame.module.and_then(|at| known.get_mut(at as usize));
        let Some(module) = module else { continue };
        module.files |= frame
            .functions
            .iter()
            .any(|function| function.file.is_some());
        module.lines |= frame
            .functions
            .iter()
            .any(|function| function.line.is_some());
        module.inlines |= frame.inlines_known;
    }
    known
}

#[cfg(test)]
mod tests;
