//! profile.proto into a [`Profile`].
//!
//! The small messages are read by `prost`; the large one around them is walked over here, because a
//! message of two bytes would take dozens in a `Vec` of all samples. What is kept is counted, and a
//! file that would take more than a GiB is refused.

use std::collections::HashMap;

use prost::Message;

use super::{
    ENTRY, Profile, ROOM, Stack, ValueType,
    messages::{self, Function, Location, Mapping, Sample},
    prune::Rule,
    too_large,
    wire::{Fields, Value, number},
};

/// No stack, function or name is longer; what `prost` makes of a message is some times as large.
const LONGEST: usize = 4 << 20;
/// Locations by id, and their values.
type Counted = (Box<[u64]>, Box<[i64]>);

/// What is read so far; strings are places and stacks are ids until everything is there.
#[derive(Default)]
struct Raw<'a> {
    strings: Vec<&'a [u8]>,
    types: Vec<messages::ValueType>,
    samples: Vec<Counted>,
    mappings: HashMap<u64, i64>,
    main: Option<i64>,
    locations: HashMap<u64, (u64, Box<[u64]>)>,
    functions: HashMap<u64, (i64, i64)>,
    comments: Vec<i64>,
    drop: i64,
    keep: i64,
    default: i64,
    began: u64,
    duration: u64,
    used: usize,
}

/// Reads an uncompressed profile.
///
/// # Errors
/// What is wrong with it, as the rest of a sentence that begins with its name.
pub(super) fn decode(bytes: &[u8]) -> Result<Profile, String> {
    within(ROOM, bytes)
}

fn within(room: usize, bytes: &[u8]) -> Result<Profile, String> {
    let mut raw = Raw::default();
    let mut fields = Fields::new(bytes);
    loop {
        let field = fields.next().ok_or("is no profile, or a damaged one")?;
        let Some((field, value)) = field else { break };
        raw.field(field, value)?;
        if raw.used > room {
            return Err(too_large(room));
        }
    }
    raw.finish(room)
}

fn message<M: Message + Default>(bytes: &[u8]) -> Result<M, String> {
    M::decode(bytes).map_err(|error| format!("is no profile, or a damaged one: {error}"))
}

impl<'a> Raw<'a> {
    fn field(&mut self, field: u64, value: Value<'a>) -> Result<(), String> {
        match value {
            Value::Number(value) => self.number(field, value),
            Value::Bytes(bytes) if bytes.len() > LONGEST => {
                return Err(format!("has an entry of {} bytes", bytes.len()));
            }
            Value::Bytes(bytes) => return self.bytes(field, bytes),
            Value::Other => {}
        }
        Ok(())
    }

    fn number(&mut self, field: u64, value: u64) {
        match field {
            7 => self.drop = value.cast_signed(),
            8 => self.keep = value.cast_signed(),
            9 => self.began = value,
            10 => self.duration = value,
            13 => self.comment(value),
            14 => self.default = value.cast_signed(),
            _ => {}
        }
    }

    fn bytes(&mut self, field: u64, bytes: &'a [u8]) -> Result<(), String> {
        match field {
            1 => self.types.push(message(bytes)?),
            2 => self.sample(message(bytes)?),
            3 => self.mapping(message(bytes)?),
            4 => self.location(message(bytes)?),
            5 => {
                let function: Function = message(bytes)?;
                let names = (function.name, function.symbol);
                self.functions.insert(function.id, names);
            }
            6 => self.strings.push(bytes),
            13 => {
                let mut rest = bytes;
                while !rest.is_empty() {
                    let place = number(&mut rest).ok_or("is damaged: a comment breaks off")?;
                    self.comment(place);
                }
            }
            _ => return Ok(()),
        }
        self.used = self.used.saturating_add(ENTRY);
        Ok(())
    }

    fn comment(&mut self, place: u64) {
        self.comments.push(place.cast_signed());
        self.used = self.used.saturating_add(ENTRY);
    }

    fn sample(&mut self, sample: Sample) {
        let words = sample.locations.len() + sample.values.len();
        self.used = self.used.saturating_add(words * size_of::<u64>());
        let (locations, values) = (sample.locations, sample.values);
        self.samples
            .push((locations.into_boxed_slice(), values.into_boxed_slice()));
    }

    fn mapping(&mut self, mapping: Mapping) {
        self.main.get_or_insert(mapping.file);
        self.mappings.insert(mapping.id, mapping.file);
    }

    fn location(&mut self, location: Location) {
        let functions: Box<[u64]> = location.lines.iter().map(|line| line.function).collect();
        self.used = self.used.saturating_add(size_of_val(&*functions));
        self.locations
            .insert(location.id, (location.mapping, functions));
    }

    fn string(&self, place: i64) -> Result<String, String> {
        let place = usize::try_from(place).ok();
        let bytes = place.and_then(|place| self.strings.get(place));
        let bytes = bytes.ok_or("is damaged: a string is missing")?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The same, for what need not be there: place 0 of no strings.
    fn optional(&self, place: i64) -> Result<String, String> {
        match place {
            0 => Ok(String::new()),
            place => self.string(place),
        }
    }

    fn finish(self, room: usize) -> Result<Profile, String> {
        if self.types.is_empty() {
            return Err("is no profile: it says nothing about what was counted".to_owned());
        }
        let mut profile = Profile {
            began_unix_ns: self.began,
            duration_ns: self.duration,
            binary: self.optional(self.main.unwrap_or(0))?,
            ..Profile::default()
        };
        for kind in &self.types {
            profile.types.push(ValueType {
                kind: self.optional(kind.kind)?,
                unit: self.optional(kind.unit)?,
            });
        }
        let default = self.optional(self.default)?;
        let named = profile.types.iter().position(|kind| kind.kind == default);
        profile.default = named.unwrap_or(profile.types.len() - 1);
        for comment in &self.comments {
            profile.comments.push(self.optional(*comment)?);
        }
        self.stacks(&mut profile, room)?;
        Ok(profile)
    }

    fn stacks(&self, profile: &mut Profile, room: usize) -> Result<(), String> {
        let rule = Rule::new(&self.optional(self.drop)?, &self.optional(self.keep)?)?;
        let mut names = Names::default();
        let mut places = HashMap::new();
        for (id, (mapping, functions)) in &self.locations {
            let functions = self.functions_at(*mapping, functions, &mut names)?;
            places.insert(*id, rule.place(functions, &names.order));
        }
        let mut used = 0_usize;
        for (locations, values) in &self.samples {
            let mut stack = Vec::new();
            for id in locations {
                let place = places.get(id);
                stack.push(place.ok_or("is damaged: a stack has an address that is missing")?);
            }
            let frames = rule.frames(&stack);
            used = used.saturating_add(ENTRY + size_of_val(&*frames));
            if used > room {
                return Err(too_large(room));
            }
            profile.stacks.push(Stack {
                frames,
                values: values.clone(),
            });
        }
        profile.names = names.order;
        Ok(())
    }

    fn functions_at(
        &self,
        mapping: u64,
        ids: &[u64],
        names: &mut Names,
    ) -> Result<Vec<u32>, String> {
        let mut functions = Vec::new();
        for id in ids {
            let function = self.functions.get(id);
            let (name, symbol) = function.ok_or("is damaged: a function is missing")?;
            let place = if *name == 0 { *symbol } else { *name };
            functions.push(names.place(self.optional(place)?));
        }
        if functions.is_empty() {
            let file = self.mappings.get(&mapping).copied().unwrap_or(0);
            let file = self.optional(file)?;
            let file = file.rsplit('/').next().filter(|file| !file.is_empty());
            let file = file.unwrap_or("unknown").trim_matches(['[', ']']);
            functions.push(names.place(format!("[{file}]")));
        }
        Ok(functions)
    }
}

/// Every name once.
#[derive(Default)]
struct Names {
    places: HashMap<String, u32>,
    order: Vec<String>,
}

impl Names {
    fn place(&mut self, name: String) -> u32 {
        if let Some(place) = self.places.get(&name) {
            return *place;
        }
        let place = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
        self.order.push(name.clone());
        self.places.insert(name, place);
        place
    }
}

#[cfg(test)]
mod tests;
