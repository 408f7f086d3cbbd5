//! Every variable there is, by name.
//!
//! A list that only grows, so that registering never waits and a forked child can still do it. What
//! is removed leaves an empty slot that the next variable of that name uses again: an application
//! that publishes and removes in a loop does not grow.

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
    sys::list::List,
};
use std::{borrow::Cow, ptr, sync::Arc, sync::Mutex, time::Instant};

/// How many slots there may be.
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

/// A name and what stands behind it at the moment.
pub(super) struct Slot {
    name: Cow<'static, str>,
    body: Mutex<Option<Body>>,
    marks: Mutex<Marks>,
}

static SLOTS: List<Slot> = List::new();

impl Slot {
    pub(super) fn name(&'static self) -> &'static str {
        &self.name
    }

    /// What is registered here now; nothing if that cannot be seen within a moment.
    pub(super) fn body(&self) -> Option<Body> {
        brief(&self.body)?.clone()
    }

    /// How fast a counter that stands at `value` has grown lately.
    pub(super) fn rate(&self, value: u64, now: Instant) -> Option<Rate> {
        brief(&self.marks)?.rate(value, now)
    }

    fn put(&self, body: Body) {
        if let Some(mut marks) = brief(&self.marks) {
            *marks = Marks::new(Instant::now(), count(&body));
        }
        if let Some(mut slot) = brief(&self.body) {
            *slot = Some(body);
        }
    }

    fn clear(&self) -> bool {
        let body = brief(&self.body).and_then(|mut slot| slot.take());
        body.is_some() // and is dropped here, with the lock released
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
    let taken = || {
        refused(
            ErrorKind::Taken,
            "the name is taken; the first one is shown",
        )
    };
    if let Some(slot) = oldest(&name) {
        if slot.body().is_some() {
            return Err(taken());
        }
        slot.put(body);
        return Ok(());
    }
    if SLOTS.iter().count() >= MOST {
        let why = format!("there are {MOST} already");
        return Err(refused(ErrorKind::Resources, &why));
    }
    let slot = SLOTS.push(Slot {
        marks: Mutex::new(Marks::new(Instant::now(), count(&body))),
        body: Mutex::new(Some(body)),
        name: name.clone(),
    });
    // Of two that register at the same moment the one that came into the list first wins.
    match oldest(&name) {
        Some(winner) if !ptr::eq(winner, slot) => {
            slot.clear();
            Err(taken())
        }
        _ => Ok(()),
    }
}

/// Registers `body`; a refusal is one line in the console's log.
pub(super) fn add_or_report(name: Cow<'static, str>, body: Body) -> bool {
    let added = add(name, body);
    if let Err(why) = &added {
        messages::warn(why.to_string());
    }
    added.is_ok()
}

/// The slot that decides about `name`: the list has the newest first.
fn oldest(name: &str) -> Option<&'static Slot> {
    SLOTS.iter().filter(|slot| slot.name == name).last()
}

/// The slot of the variable `name`.
pub(super) fn find(name: &str) -> Option<&'static Slot> {
    oldest(name)
}

/// Empties the slot of `name`; whether there was something in it.
pub(super) fn remove(name: &str) -> bool {
    oldest(name).is_some_and(Slot::clear)
}

/// Every slot, sorted by name; each name once.
pub(super) fn all() -> Vec<&'static Slot> {
    let mut slots: Vec<_> = SLOTS.iter().collect();
    slots.reverse(); // oldest first, which the stable sort keeps
    order::sort_by(&mut slots, |a, b| a.name.cmp(&b.name));
    slots.dedup_by(|later, first| later.name == first.name);
    slots
}

/// The names of all variables, sorted.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    let filled = all().into_iter().filter(|slot| slot.body().is_some());
    filled.map(Slot::name)
}

/// Moves the windows on.
pub(super) fn tick(now: Instant) {
    for slot in SLOTS.iter() {
        match slot.body() {
            Some(Body::Counter(counter)) => {
                if let Some(mut marks) = brief(&slot.marks) {
                    marks.tick(now, counter.peek());
                }
            }
            Some(Body::Histogram(histogram)) => histogram.tick(now),
            _ => {}
        }
    }
}
