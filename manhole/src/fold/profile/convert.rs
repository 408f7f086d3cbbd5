//! Samples as a profile that other tools read: every frame, in full, nothing folded.

use super::{
    super::{frames::Reader, roles::RoleKind, threads::Thread},
    doing,
    entries::{self, Entry, is_of_waits},
    walk::placeholder,
};
use crate::{
    model::{
        profile::{Label, LabelValue, Profile, Sample, ValueType},
        samples::{Place, Report, Samples, Weight},
        stack::{Dump, Frame, Function, Module},
        wish::{Kind, Wish},
    },
    names,
};
use std::collections::BTreeMap;

/// What `wish` asks for of `samples`; `remarks` go into its comments.
pub fn profile(samples: &Samples, wish: &Wish) -> Profile {
    let report = &samples.report;
    let mut maker = Maker::new(&samples.dump);
    let mut total = super::walk::Walk::default();
    entries::each(samples, wish, &mut |entry, _| {
        total.samples = total.samples.saturating_add(entry.weight.samples);
        maker.add(&entry, wish.kind);
    });
    let all_ns = samples.weights.iter().map(|weight| weight.ns).sum();
    let (sample_types, period_type, period) = types(wish.kind, report);
    Profile {
        sample_types,
        period_type: Some(period_type),
        period,
        time_unix_ns: report.began_unix_ns,
        duration_ns: report.window_ns,
        comments: vec![
            format!("manhole {} {}", env!("CARGO_PKG_VERSION"), wish.kind.name()),
            super::remarks::remarks(&total, all_ns, report, wish.kind),
        ],
        ..maker.done()
    }
}

/// All threads of `dump`, each counted once, as Go counts goroutines.
pub(crate) fn of_threads(dump: &Dump) -> Profile {
    let mut maker = Maker::new(dump);
    let mut reader = Reader::new(dump);
    for stack in &dump.threads {
        let thread = Thread::new(stack, &mut reader);
        let mut labels = labels(&thread, &Weight::default());
        let state = doing::words(&thread);
        labels.push(text("state", state));
        let frames = maker.frames(&thread, Place::Stack);
        maker.samples.push(Sample {
            frames,
            values: vec![1],
            labels,
        });
    }
    let threads = ValueType::new("goroutine", "count");
    Profile {
        sample_types: vec![threads],
        period_type: Some(threads),
        period: 1,
        time_unix_ns: dump.taken_unix_ns,
        comments: vec!["threads of the process, in place of goroutines".to_owned()],
        ..maker.done()
    }
}

/// The stacks of `dump`, each with how often it counts: a profile of the application's by that name.
/// What of them is this library's own is left out at the leaf.
pub(crate) fn of_counts(dump: &Dump, counts: &[u64], name: &'static str) -> Profile {
    let mut maker = Maker::new(dump);
    for (stack, count) in dump.threads.iter().zip(counts) {
        let frames = stack.frames.iter().map(|frame| maker.frame(frame));
        let frames = frames.collect();
        maker.samples.push(Sample {
            frames,
            values: vec![i64::try_from(*count).unwrap_or(i64::MAX)],
            labels: Vec::new(),
        });
    }
    let things = ValueType::new(name, "count");
    Profile {
        sample_types: vec![things],
        period_type: Some(things),
        period: 1,
        drop_frames: "manhole::.*",
        ..maker.done()
    }
}

/// Leaves generic arguments out of the names of `frame`.
pub(crate) fn shorten(frame: &mut Frame) {
    let functions = frame.functions.iter().cloned();
    let short = functions.map(|function| Function {
        name: names::short(&function.name, true),
        ..function
    });
    frame.functions = short.collect();
}

fn types(kind: Kind, report: &Report) -> (Vec<ValueType>, ValueType, i64) {
    let period = 1_000_000_000 / i64::from(report.hz.max(1));
    let samples = ValueType::new("samples", "count");
    let cpu = ValueType::new("cpu", "nanoseconds");
    let wall = ValueType::new("wall", "nanoseconds");
    let contentions = ValueType::new("contentions", "count");
    let delay = ValueType::new("delay", "nanoseconds");
    match kind {
        Kind::Cpu => (vec![samples, cpu], cpu, period),
        Kind::Wall => (vec![samples, wall], wall, period),
        Kind::Block | Kind::Mutex => (vec![contentions, delay], contentions, 1),
    }
}

/// Gathers the frames and modules that occur.
pub(in crate::fold) struct Maker<'a> {
    dump: &'a Dump,
    frames: Vec<Frame>,
    places: BTreeMap<(u64, Option<u32>), u32>,
    /// Of frames that stand for none, by their names.
    placeholders: BTreeMap<&'static str, u32>,
    modules: Vec<Module>,
    /// Where modules of the dump went.
    moved: BTreeMap<u32, u32>,
    pub(in crate::fold) samples: Vec<Sample>,
}

impl<'a> Maker<'a> {
    /// The program itself comes first: viewers call the profile after it.
    pub(in crate::fold) fn new(dump: &'a Dump) -> Self {
        let mut maker = Self {
            dump,
            frames: Vec::new(),
            places: BTreeMap::new(),
            placeholders: BTreeMap::new(),
            modules: Vec::new(),
            moved: BTreeMap::new(),
            samples: Vec::new(),
        };
        let binary = dump.modules.iter().position(|module| module.binary);
        if let Some(at) = binary.and_then(|at| u32::try_from(at).ok()) {
            maker.module(at);
        }
        maker
    }

    fn add(&mut self, entry: &Entry<'_, '_>, kind: Kind) {
        let Entry {
            thread,
            weight,
            class,
        } = entry;
        let frames = self.frames(thread, weight.place);
        let mut labels = labels(thread, weight);
        if kind != Kind::Cpu {
            labels.push(text("state", class.word()));
            labels.push(text("wait", doing::words(thread)));
        }
        let value = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.samples.push(Sample {
            frames,
            values: match is_of_waits(kind) {
                true => vec![value(weight.waits), value(weight.ns)],
                false => vec![value(weight.samples), value(weight.ns)],
            },
            labels,
        });
    }

    fn frames(&mut self, thread: &Thread<'_>, place: Place) -> Vec<u32> {
        let frames = &thread.stack.frames;
        let instead = match frames.is_empty() {
            true => placeholder(place).or(placeholder(Place::NoStack)),
            false => placeholder(place),
        };
        match instead {
            Some(name) => vec![self.placeholder(name)],
            None => frames.iter().map(|frame| self.frame(frame)).collect(),
        }
    }

    pub(in crate::fold) fn frame(&mut self, frame: &Frame) -> u32 {
        let key = (frame.address, frame.module);
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let module = frame.module.and_then(|at| self.module(at));
        let place = self.push(Frame {
            module,
            ..frame.clone()
        });
        self.places.insert(key, place);
        place
    }

    pub(in crate::fold) fn placeholder(&mut self, name: &'static str) -> u32 {
        if let Some(place) = self.placeholders.get(name) {
            return *place;
        }
        let function = Function {
            name: name.to_owned(),
            ..Function::default()
        };
        let place = self.push(Frame {
            functions: [function].into(),
            ..Frame::default()
        });
        self.placeholders.insert(name, place);
        place
    }

    fn push(&mut self, frame: Frame) -> u32 {
        let place = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        self.frames.push(frame);
        place
    }

    /// Where the module with the number `at` is in the profile.
    fn module(&mut self, at: u32) -> Option<u32> {
        if let Some(place) = self.moved.get(&at) {
            return Some(*place);
        }
        let module = self.dump.modules.get(at as usize)?;
        let place = u32::try_from(self.modules.len()).ok()?;
        self.modules.push(module.clone());
        self.moved.insert(at, place);
        Some(place)
    }

    pub(in crate::fold) fn done(self) -> Profile {
        Profile {
            modules: self.modules,
            frames: self.frames,
            samples: self.samples,
            ..Profile::default()
        }
    }
}

/// What tells the thread from others, and what the application said of it.
fn labels(thread: &Thread<'_>, weight: &Weight) -> Vec<Label> {
    let mut labels = vec![
        text("thread", &thread.stack.name),
        Label {
            key: "tid".to_owned(),
            value: LabelValue::Number(i64::from(thread.stack.tid), ""),
        },
    ];
    if !matches!(thread.role.kind, RoleKind::Other) {
        labels.push(text("role", thread.role.kind.name()));
    }
    labels.extend(weight.labels.iter().map(|(key, value)| text(key, value)));
    labels
}

fn text(key: &str, value: &str) -> Label {
    Label {
        key: key.to_owned(),
        value: LabelValue::Text(value.to_owned()),
    }
}
