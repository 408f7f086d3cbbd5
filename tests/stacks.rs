//! What `stacks` answers, read by a program, and what it has to say of threads in known places.

use crate::{text, wait};
use serde_json::Value;
use std::path::Path;

/// One answer.
#[derive(Debug)]
pub struct Look {
    /// The whole of it.
    pub json: Value,
    /// Its threads.
    pub threads: Vec<Thread>,
}

/// A thread in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread {
    /// Thread id.
    pub tid: u32,
    /// Name, as the kernel keeps it.
    pub name: String,
    /// `stack`, or why there is none.
    pub answer: String,
    /// Where its stack ends: `root`, `cut`, `lost`.
    pub end: String,
    /// Leaf first; of each frame the functions that the compiler merged into it, innermost first.
    pub frames: Vec<Vec<String>>,
    /// Whether a frame was found by a search only.
    pub uncertain: bool,
}

impl Look {
    /// Runs `stacks --json` with `options`.
    ///
    /// # Panics
    /// When that is refused.
    #[track_caller]
    pub fn take(socket: &Path, options: &str) -> Self {
        let reply = text::run(socket, &format!("stacks --json {options}"));
        Self::read(&reply).unwrap_or_else(|| {
            let start: String = reply.chars().take(2000).collect();
            panic!("stacks {options}: {start}")
        })
    }

    /// What `reply` says, unless it is an error or nothing.
    pub fn read(reply: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(reply).ok()?;
        let data = &json["data"];
        let frames: Vec<Frame> = data["frames"].as_array()?.iter().map(Frame::read).collect();
        let threads = data["threads"].as_array()?.iter();
        let threads = threads.map(|thread| Thread::read(thread, &frames));
        let threads = threads.collect::<Option<_>>()?;
        Some(Self { threads, json })
    }

    /// The thread that is called `name`.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[track_caller]
    pub fn thread(&self, name: &str) -> &Thread {
        let mut named = self.threads.iter().filter(|thread| thread.name == name);
        match (named.next(), named.next()) {
            (Some(thread), None) => thread,
            (None, _) => panic!("no thread {name} in {:?}", self.names()),
            _ => panic!("several threads {name}"),
        }
    }

    /// The threads whose names say where they stand.
    pub fn known(&self) -> impl Iterator<Item = (&Thread, Vec<String>)> {
        let threads = self.threads.iter();
        threads.filter_map(|thread| Some((thread, place(&thread.name)?)))
    }

    /// Looks until all of `count` threads have answered, and requires that each stands where its
    /// name says, complete to its root. One that waits for a core longer than is waited for it does
    /// not answer: on a busy machine that is nobody's fault.
    ///
    /// # Panics
    /// With the first that stands elsewhere.
    #[track_caller]
    pub fn expect_known(socket: &Path, count: usize) -> Self {
        wait::until("every thread has answered", || {
            let look = Self::take(socket, "");
            let silent = |thread: &Thread| thread.answer == "silent";
            (!look.threads.iter().any(silent)).then(|| {
                look.all_known(count);
                look
            })
        })
    }

    #[track_caller]
    fn all_known(&self, count: usize) {
        let known: Vec<_> = self.known().collect();
        assert_eq!(known.len(), count, "{:?}", self.names());
        for (thread, place) in known {
            assert_eq!(thread.own_functions(), place, "{thread:#?}");
            assert!(thread.complete(), "{thread:#?}");
        }
    }

    fn names(&self) -> Vec<&str> {
        let names = self.threads.iter().map(|thread| thread.name.as_str());
        names.collect()
    }
}

/// A frame, which several threads may share.
struct Frame {
    functions: Vec<String>,
    uncertain: bool,
}

impl Frame {
    fn read(json: &Value) -> Self {
        let functions = json["functions"].as_array().into_iter().flatten();
        let names = functions.filter_map(|function| function["name"].as_str());
        Self {
            functions: names.map(str::to_owned).collect(),
            uncertain: json["uncertain"].as_bool().unwrap_or(false),
        }
    }
}

impl Thread {
    fn read(json: &Value, frames: &[Frame]) -> Option<Self> {
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        let places = json["frames"].as_array()?.iter();
        let own = places.map(|place| frames.get(usize::try_from(place.as_u64()?).ok()?));
        let own = own.collect::<Option<Vec<&Frame>>>()?;
        Some(Self {
            tid: u32::try_from(json["tid"].as_u64()?).ok()?,
            name: text("name")?,
            answer: text("answer")?,
            end: text("end")?,
            frames: own.iter().map(|frame| frame.functions.clone()).collect(),
            uncertain: own.iter().any(|frame| frame.uncertain),
        })
    }

    /// Whether its stack is there as far as its root, and certain.
    pub fn complete(&self) -> bool {
        self.answer == "stack" && self.end == "root" && !self.uncertain
    }

    /// The functions of its stack, leaf first, whether they are frames of their own or merged.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.frames.iter().flatten().map(String::as_str)
    }

    /// Of these the ones that tell where a thread stands: the victim's leaves and steps.
    pub fn own_functions(&self) -> Vec<&str> {
        let own = |name: &&str| {
            let step = name.strip_prefix("stacked::steps::step_");
            step.is_some() || name.strip_prefix("stacked::leaves::").is_some_and(plain)
        };
        self.functions().filter(own).collect()
    }

    /// Whether `wanted` stand in its stack one below the other, leaf first, others between them.
    pub fn passes(&self, wanted: &[&str]) -> bool {
        let mut functions = self.functions();
        let mut find = |name: &&str| functions.any(|function| function == *name);
        wanted.iter().all(&mut find)
    }
}

fn plain(name: &str) -> bool {
    !name.contains("::")
}

/// Where the thread `w17-mutex-12` stands: below 12 steps, in what waits for a mutex.
fn place(name: &str) -> Option<Vec<String>> {
    let mut words = name.strip_prefix('w')?.split('-');
    words.next()?.parse::<u32>().ok()?;
    let leaf = match words.next()? {
        "busy" => "be_busy".to_owned(),
        word => format!("wait_{word}"),
    };
    Some(below(words.next()?.parse().ok()?, &leaf))
}

/// The victim's `leaf` below `depth` steps, leaf first.
pub fn below(depth: usize, leaf: &str) -> Vec<String> {
    let steps = (1..=depth).map(|step| format!("stacked::steps::step_{step:02}"));
    let leaf = format!("stacked::leaves::{leaf}");
    std::iter::once(leaf).chain(steps).collect()
}
