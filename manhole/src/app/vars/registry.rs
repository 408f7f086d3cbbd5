//! Every variable there is, by name.
//!
//! A list of slots that only grows, so that reading never waits and a forked child can still
//! register. What is removed leaves an empty slot that the next variable uses again, whatever its
//! name: an application that publishes and removes for ever, a name for each connection, say, does
//! not grow and does not come to the bound.

use super::{
    Counter, Float, Gauge, Histogram, Knob, Map, Text,
    name::is_valid,
    publish::Published,
    rate::{Marks, Rate},
};
use crate::{
    app::{lock::brief, messages},
    error::{Error, ErrorKind},
    model::order,
    sys::{fork, list::List},
};
use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How many variables there may be at a time.
const MOST: usize = 4096;

/// What stands behind a name.
#[derive(Clone)]
pub(super) enum Body {
    Counter(&'static Counter),
    Gauge(&'static Gauge),
    Float(&'static Float),
    Text(&'static Text),
    Map(&'static Map),
    Histogram(&'static Histogram),
    Published(Arc<Published>),
    Tunable(Arc<dyn Knob>),
}

/// A place for a variable.
struct Slot {
    /// Of the name, never 0; 0 while the slot is empty. A search looks here first.
    hash: AtomicU64,
    content: Mutex<Option<Content>>,
}

struct Content {
    entry: Entry,
    body: Body,
    marks: Marks,
}

/// A variable that was found; it may be removed, and its slot used again, at any moment.
///
/// A pointer, so that the list of all of them is below what may be asked of memory in one piece.
#[derive(Clone)]
pub(super) struct Entry(Arc<Place>);

struct Place {
    name: Arc<str>,
    /// Known once it is put there.
    slot: OnceLock<&'static Slot>,
}

static SLOTS: List<Slot> = List::new();
/// Held while a name is looked for and put, some microseconds, so that of two the first one wins:
/// the holder's generation of forks and one, or 0. What a thread of the parent holds for ever is
/// taken over in the child.
static ADDING: AtomicU64 = AtomicU64::new(0);
/// How often it is tried, and the pause before another try: 20 ms at most, for a holder that lost
/// its processor. Then two variables may get one name, of which one is shown.
const TRIES: u32 = 200;
const PAUSE: Duration = Duration::from_micros(100);

impl Entry {
    pub(super) fn name(&self) -> &Arc<str> {
        &self.0.name
    }

    fn new(name: &str) -> Self {
        Self(Arc::new(Place {
            name: name.into(),
            slot: OnceLock::new(),
        }))
    }

    fn is(&self, content: &Content) -> bool {
        Arc::ptr_eq(&content.entry.0, &self.0)
    }

    /// What is registered; nothing if it was removed, or cannot be seen within a moment.
    pub(super) fn body(&self) -> Option<Body> {
        self.with(|content| content.body.clone())
    }

    /// How fast a counter that stands at `value` has grown lately.
    pub(super) fn rate(&self, value: u64, now: Instant) -> Option<Rate> {
        self.with(|content| content.marks.rate(value, now))?
    }

    fn with<T>(&self, look: impl FnOnce(&mut Content) -> T) -> Option<T> {
        let mut content = brief(&self.0.slot.get()?.content)?;
        let same = |content: &&mut Content| self.is(content);
        content.as_mut().filter(same).map(look)
    }
}

impl Slot {
    /// Puts `content` here unless something else is, and gives it back then.
    fn put(&'static self, content: Content) -> Result<(), Content> {
        let Some(mut place) = brief(&self.content).filter(|place| place.is_none()) else {
            return Err(content);
        };
        let known = content.entry.0.slot.set(self);
        if known.is_err() {
            return Err(content);
        }
        self.hash
            .store(hash(content.entry.name()), Ordering::Release);
        *place = Some(content);
        Ok(())
    }

    /// What is here, if its name is one that `is` accepts.
    fn entry(&self, is: impl FnOnce(&str) -> bool) -> Option<Entry> {
        let content = brief(&self.content)?;
        let entry = content.as_ref().map(|content| &content.entry)?;
        is(entry.name()).then(|| entry.clone())
    }

    fn is_empty(&self) -> bool {
        self.hash.load(Ordering::Acquire) == 0
    }
}

/// FNV-1a: names are few and the application's own.
fn hash(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.max(1)
}

/// Whose turn it is to add.
struct Turn;

impl Turn {
    fn take() -> Option<Self> {
        let me = u64::from(fork::generation()) + 1;
        let taken = || {
            let holder = ADDING.load(Ordering::Acquire);
            let free = holder != me;
            free && ADDING
                .compare_exchange(holder, me, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        };
        let waited = (0..TRIES).find(|attempt| {
            if *attempt > 0 {
                thread::sleep(PAUSE);
            }
            taken()
        });
        waited.map(|_| Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        ADDING.store(0, Ordering::Release);
    }
}

fn count(body: &Body) -> u64 {
    match body {
        Body::Counter(counter) => counter.peek(),
        _ => 0,
    }
}

/// Registers `body`, or says why not.
///
/// # Errors
/// `Invalid` for a name that is none, `Taken` for one in use, `Resources` when there are too many.
pub(super) fn add(name: Cow<'static, str>, body: Body) -> Result<(), Error> {
    let refused = |kind, why: &str| {
        let shown: String = name.chars().take(160).collect();
        Error::new(kind, format!("failed to show variable {shown:?}: {why}"))
    };
    if !is_valid(&name) {
        let why = "a name is 1 to 128 letters, digits, _, ., :, / and -";
        return Err(refused(ErrorKind::Invalid, why));
    }
    let content = Content {
        entry: Entry::new(&name),
        marks: Marks::new(Instant::now(), count(&body)),
        body,
    };
    let turn = Turn::take();
    if find(&name).is_some() {
        let why = "the name is taken; the first one is shown";
        return Err(refused(ErrorKind::Taken, why));
    }
    let added = put(content);
    drop(turn); // before what was not added
    added.map_err(|_| refused(ErrorKind::Resources, &format!("there are {MOST} already")))
}

/// Into an empty slot, or a new one.
fn put(mut content: Content) -> Result<(), Content> {
    let mut slots = 0;
    for slot in SLOTS.iter() {
        slots += 1;
        if slot.is_empty() {
            match slot.put(content) {
                Ok(()) => return Ok(()),
                Err(back) => content = back,
            }
        }
    }
    if slots >= MOST {
        return Err(content);
    }
    let slot = SLOTS.push(Slot {
        hash: AtomicU64::new(0),
        content: Mutex::new(None),
    });
    slot.put(content)
}

/// Registers `body`; a refusal is one line in the console's log.
pub(super) fn add_or_report(name: Cow<'static, str>, body: Body) -> bool {
    let added = add(name, body);
    if let Err(why) = &added {
        messages::warn(why.to_string());
    }
    added.is_ok()
}

/// The variable `name`.
pub(super) fn find(name: &str) -> Option<Entry> {
    let hash = hash(name);
    let mut likely = SLOTS
        .iter()
        .filter(|slot| slot.hash.load(Ordering::Acquire) == hash);
    likely.find_map(|slot| slot.entry(|known| known == name))
}

/// Takes the variable `name` out.
pub(super) fn remove(name: &str) -> Option<Body> {
    let entry = find(name)?;
    let slot = entry.0.slot.get()?;
    let mut content = brief(&slot.content)?;
    let taken = content.take_if(|content| entry.is(content))?;
    slot.hash.store(0, Ordering::Release);
    drop(content);
    Some(taken.body) // and is dropped by the caller, with the lock released
}

/// Every variable, sorted by name; each name once.
pub(super) fn all() -> Vec<Entry> {
    let filled = SLOTS.iter().filter(|slot| !slot.is_empty());
    let mut all: Vec<Entry> = filled.filter_map(|slot| slot.entry(|_| true)).collect();
    order::sort_by(&mut all, |a, b| a.name().cmp(b.name()));
    all.dedup_by(|a, b| a.name() == b.name());
    all
}

/// The names of all variables, sorted.
pub(crate) fn names() -> impl Iterator<Item = Arc<str>> {
    all().into_iter().map(|entry| entry.name().clone())
}

/// Moves the windows on.
pub(super) fn tick(now: Instant) {
    for entry in all() {
        match entry.body() {
            Some(Body::Counter(counter)) => {
                entry.with(|content| content.marks.tick(now, counter.peek()));
            }
            Some(Body::Histogram(histogram)) => histogram.tick(now),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::testing::{child_says, in_a_child};

    #[test]
    fn a_registration_that_a_fork_cut_off_holds_up_nobody_in_the_child() {
        static COUNTER: Counter = Counter::new("test.cut_off");
        assert!(fork::on_child(None));
        in_a_child(|| {
            let _never_dropped = std::mem::ManuallyDrop::new(Turn::take());
            child_says(|| {
                let added = add("test.cut_off".into(), Body::Counter(&COUNTER));
                added.is_ok() && ADDING.load(Ordering::Acquire) == 0
            })
        });
    }
}
