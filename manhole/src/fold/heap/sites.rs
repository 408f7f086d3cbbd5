//! The heap by places: every stack goes to the first function of the application in it, whatever stacks
//! the compiler made of that.

use super::{
    super::{
        ends::without_start,
        frames::Reader,
        profile::doing::Class,
        profile::walk::{Function, Site, Stack, Walk},
        threads::Thread,
    },
    leaf::without_allocator,
};
use crate::model::{
    heap::{AGES, Amount, Count, Heap, OBJECT, Place, State, View, Wish},
    order,
};
use std::{cmp::Reverse, collections::BTreeMap};

/// What stands where there is no function of the application.
pub(super) const ELSEWHERE: &str = "no frame of the application";

/// The stacks, and what they come to at each place.
pub(super) struct Sites<'a> {
    pub walk: Walk<'a>,
    /// Most of what is asked for first.
    pub rows: Vec<Row>,
    /// All of them together.
    pub total: Row,
    /// What is asked.
    pub view: View,
    /// How much of the time that is compared has to pass before memory is old.
    pub young: f64,
}

/// A place in the application, and what was counted there.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub site: Option<Site>,
    pub now: State,
    /// Of `now`, what can be compared, and what it was before.
    pub known: State,
    pub before: State,
    /// Live bytes in the middle of that time; `None` when it is not known of all of it.
    pub middle: Option<u64>,
    /// Whether there is anything that cannot be compared.
    pub unknown: bool,
    pub recent: Option<u64>,
    pub peak: Amount,
    pub ages: [u64; AGES.len() + 1],
    pub old: Amount,
    pub old_variance: f64,
    /// Bytes by the crates that allocated, for places that are not of the application.
    pub crates: BTreeMap<String, u64>,
}

impl<'a> Sites<'a> {
    /// What `wish` asks for of `heap`.
    pub(super) fn of(heap: &'a Heap, wish: &Wish) -> Self {
        let mut sites = Self {
            walk: Walk::default(),
            rows: Vec::new(),
            total: Row::new(None),
            view: wish.view,
            young: young(heap, wish),
        };
        let mut rows: BTreeMap<Site, Row> = BTreeMap::new();
        let mut reader = Reader::new(&heap.dump);
        for (stack, count) in heap.dump.threads.iter().zip(&heap.counts) {
            let thread = Thread::running(stack, &mut reader);
            let compared = comparable(wish.view, heap, count);
            let count = compared.as_ref().unwrap_or(count);
            let amount = bytes_of(wish.view, count);
            let site = sites.add(&thread, count, amount, heap, wish.full_names);
            let row = rows.entry(site).or_insert_with(|| Row::new(Some(site)));
            row.add(count);
            sites.total.add(count);
            if site == Site::Elsewhere {
                let items = without_allocator(&thread.items);
                let of = items.first().map_or("", |item| &item.name.of);
                let sum = row.crates.entry(of.to_owned()).or_default();
                *sum = sum.saturating_add(amount);
            }
        }
        sites.rows = rows.into_values().collect();
        let view = wish.view;
        order::sort_by_key(&mut sites.rows, |row| {
            Reverse((row.bytes(view), row.now.allocated.bytes))
        });
        sites
    }

    fn add(
        &mut self,
        thread: &Thread<'a>,
        count: &Count,
        amount: u64,
        heap: &'a Heap,
        full_names: bool,
    ) -> Site {
        let place = match thread.items.is_empty() && count.place == Place::Stack {
            true => Place::NoStack,
            false => count.place,
        };
        let (functions, site) = match placeholder(place) {
            Some(name) => {
                let (functions, elsewhere) = self.walk.instead(name);
                let number = functions.first().copied();
                (functions, number.map_or(elsewhere, Site::Function))
            }
            None => {
                let items = without_start(without_allocator(&thread.items));
                let modules = &heap.dump.modules;
                self.walk.locate(thread, items, amount, modules, full_names)
            }
        };
        self.walk.ns = self.walk.ns.saturating_add(amount);
        self.walk.stacks.push(Stack {
            functions,
            site,
            class: Class::Running,
            doing: "",
            tid: 0,
            samples: count.now.samples,
            waits: 0,
            ns: amount,
        });
        site
    }

    /// The share of `bytes` in all that is asked for, 0 to 100.
    pub(super) fn share(&self, bytes: u64) -> f64 {
        match self.total.bytes(self.view) {
            0 => 0.0,
            total => bytes as f64 * 100.0 / total as f64,
        }
    }

    /// The function of a place, and where it is or a remark in its stead.
    pub(super) fn names(&self, row: &Row) -> (String, String) {
        let name = |number| self.walk.function(number).map(|function| &function.name);
        match row.site {
            Some(Site::Function(number)) => {
                let function = self.walk.function(number);
                let place = function.map_or(String::new(), Function::place);
                (name(number).cloned().unwrap_or_default(), place)
            }
            Some(Site::Hidden(number, remark)) => {
                (name(number).cloned().unwrap_or_default(), remark.to_owned())
            }
            Some(Site::Elsewhere) | None => (ELSEWHERE.to_owned(), row.mostly()),
        }
    }
}

impl Row {
    fn new(site: Option<Site>) -> Self {
        Self {
            site,
            middle: Some(0),
            ..Self::default()
        }
    }

    fn add(&mut self, count: &Count) {
        self.now = self.now.plus(&count.now);
        match count.before {
            Some(before) => {
                self.known = self.known.plus(&count.now);
                self.before = self.before.plus(&before);
            }
            None => self.unknown = true,
        }
        self.middle = added(self.middle, count.middle);
        self.recent = match (self.recent, count.recent) {
            (Some(sum), Some(of)) => Some(sum.saturating_add(of)),
            (sum, of) => sum.or(of),
        };
        self.peak = self.peak.plus(count.peak);
        for (sum, of) in self.ages.iter_mut().zip(count.ages) {
            *sum = sum.saturating_add(of);
        }
        self.old = self.old.plus(count.old);
        self.old_variance += count.old_variance;
    }

    /// The same with `other` added.
    pub(super) fn merge(&mut self, other: &Row) {
        self.now = self.now.plus(&other.now);
        self.known = self.known.plus(&other.known);
        self.before = self.before.plus(&other.before);
        self.unknown |= other.unknown;
        self.recent = added(self.recent, other.recent);
        self.peak = self.peak.plus(other.peak);
        self.old = self.old.plus(other.old);
        self.old_variance += other.old_variance;
    }

    /// What `view` is about, in bytes.
    pub(super) fn bytes(&self, view: View) -> u64 {
        match view {
            View::Live => self.now.live().bytes,
            View::Peak => self.peak.bytes,
            View::Allocs => self.now.allocated.less(self.before.allocated).bytes,
            View::Diff => self.change().unsigned_abs(),
            View::Leaks => self.old.bytes,
        }
    }

    /// How much live bytes changed, as far as they can be compared.
    pub(super) fn change(&self) -> i64 {
        signed(self.known.live().bytes) - signed(self.before.live().bytes)
    }

    /// How much live objects changed.
    pub(super) fn change_of_objects(&self) -> i64 {
        signed(self.known.live().count()) - signed(self.before.live().count())
    }

    /// What was allocated in the time between, and of that and of what was there freed.
    pub(super) fn traffic(&self) -> (Amount, Amount) {
        (
            self.known.allocated.less(self.before.allocated),
            self.known.freed.less(self.before.freed),
        )
    }

    /// How much of what was allocated in that time was freed again, 0 to 100; `None` when nothing was.
    pub(super) fn freed_again(&self) -> Option<f64> {
        let (allocated, freed) = self.traffic();
        let share = freed.bytes as f64 * 100.0 / allocated.bytes as f64;
        (allocated.bytes > 0).then_some(share.min(100.0))
    }

    /// How far the live bytes of now may be off, in bytes: their standard deviation.
    pub(super) fn error(&self) -> f64 {
        self.now.variance.max(0.0).sqrt()
    }

    /// How far the change may be off: no more than both ends are, which have in common what lived on, and
    /// no more than what came and what went.
    pub(super) fn error_of_change(&self) -> f64 {
        let ends = (self.known.variance + self.before.variance).max(0.0).sqrt();
        let (came, went) = self.traffic();
        let samples = self.known.samples.saturating_sub(self.before.samples) as f64;
        let all = self.known.allocated.bytes.max(1) as f64;
        // Which samples went is not kept: as many as their share.
        let gone = self.known.samples as f64 * went.bytes as f64 / all;
        let between = error_of(came, samples).hypot(error_of(went, gone.max(1.0)));
        ends.min(between)
    }

    /// Whose it mostly is, if not the application's.
    fn mostly(&self) -> String {
        let most = self.crates.iter().max_by_key(|(_, bytes)| **bytes);
        match most.filter(|(name, _)| !name.is_empty()) {
            Some((name, _)) => format!("mostly {name}'s own"),
            None => String::new(),
        }
    }
}

/// How far bytes that were allocated may be off, in bytes.
pub(super) fn error_of_allocated(amount: Amount, samples: u64) -> f64 {
    error_of(amount, samples as f64)
}

/// The sizes of what was freed are not kept, so they are taken as equal: `samples` of the objects were hit.
fn error_of(amount: Amount, samples: f64) -> f64 {
    let objects = amount.objects as f64 / OBJECT as f64;
    if samples <= 0.0 || objects <= 0.0 {
        return 0.0;
    }
    let missed = (1.0 - samples / objects).max(0.0);
    amount.bytes as f64 * (missed / samples).sqrt()
}

/// The sum of two amounts that are known.
fn added(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The share of the time between two looks in which what comes is still young now, 0 to 1.
fn young(heap: &Heap, wish: &Wish) -> f64 {
    let window = heap.report.window.as_ref().map_or(0, |window| window.ns);
    (wish.min_age_ns as f64 / window.max(1) as f64).min(1.0)
}

/// A stack that the earlier look did not keep cannot be compared by itself: it was in the sum of those
/// with little, so it is added to what that is now.
fn comparable(view: View, heap: &Heap, count: &Count) -> Option<Count> {
    let lost = view == View::Diff && heap.report.window.is_some() && count.before.is_none();
    lost.then(|| Count {
        place: Place::Rest,
        before: Some(State::default()),
        ..count.clone()
    })
}

/// What `view` is about, in bytes.
fn bytes_of(view: View, count: &Count) -> u64 {
    let before = count.before.unwrap_or_default();
    match view {
        View::Live => count.now.live().bytes,
        View::Peak => count.peak.bytes,
        View::Allocs => count.now.allocated.less(before.allocated).bytes,
        View::Diff => count.now.live().bytes.abs_diff(before.live().bytes),
        View::Leaks => count.old.bytes,
    }
}

/// What stands where no stack does.
pub(super) fn placeholder(place: Place) -> Option<&'static str> {
    match place {
        Place::Stack => None,
        Place::BeforeInstall => Some("[before the console was installed]"),
        Place::NoRoom => Some("[further stacks]"),
        Place::NoStack => Some("[stack unreadable]"),
        Place::Rest => Some("[stacks with little]"),
    }
}
