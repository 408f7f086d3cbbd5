//! Settings that can be changed from the console, and that change back by themselves.

use super::{
    Change, Hold, Hook, Knob, Pending, Tune,
    reading::tunables,
    registry::{self, Body},
    tune::Sealed,
};
use crate::{
    app::{
        lock::brief,
        messages,
        threads::{self, Gate, Kind, Outcome, PATIENCE, Theirs},
    },
    render::mask,
    sys::unix_now_ns,
};
use serde_json::Value as Json;
use std::{
    borrow::Cow,
    ops::{Bound, RangeBounds},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Makes a setting that code reads with [`Tunable::get`] and `vars set NAME VALUE` changes.
///
/// `bounds` is a range of what may be set from outside, `..` for anything. A change reverts by
/// itself after ten minutes unless the operator says `for 1h` or `forever`.
///
/// ```
/// use manhole::vars::{Tunable, tunable};
/// use std::sync::LazyLock;
///
/// static BATCH: LazyLock<Tunable<usize>> = LazyLock::new(|| tunable("pricing.batch", 32, 1..=1024));
/// assert_eq!(BATCH.get(), 32);
/// ```
pub fn tunable<T: Tune>(
    name: impl Into<Cow<'static, str>>,
    default: T,
    bounds: impl RangeBounds<T>,
) -> Tunable<T> {
    let name = name.into();
    let inner = Arc::new(Inner {
        name: name.clone().into_owned(),
        cell: default.clone().into_cell(),
        bounds: (bounds.start_bound().cloned(), bounds.end_bound().cloned()),
        default,
        on_change: Mutex::new(None),
        gate: Arc::new(Gate::default()),
        stale: AtomicBool::new(false),
        base: Mutex::new(None),
        retired: AtomicBool::new(false),
    });
    if !inner.bounds.contains(&inner.default) {
        let name = &inner.name;
        messages::warn(format!(
            "the default of tunable {name:?} lies outside its own bounds"
        ));
    }
    let knob: Arc<dyn Knob> = Arc::new(inner.clone());
    if registry::add_or_report(name, Body::Tunable(knob)) {
        threads::want();
    }
    Tunable(inner)
}

/// No change that reverts is made for longer.
const LONGEST_HOLD: Duration = Duration::from_secs(8 * 86_400);
/// When a change is overdue: the alarm should have taken it back by then.
const OVERDUE: Duration = Duration::from_secs(1);

/// A setting that can be changed from the console; made by [`tunable`]. Clones share the value.
pub struct Tunable<T: Tune>(Arc<Inner<T>>);

type OnChange<T> = Arc<Theirs<Box<dyn Fn(&T) + Send + Sync>>>;

struct Inner<T: Tune> {
    name: String,
    cell: T::Cell,
    bounds: (Bound<T>, Bound<T>),
    default: T,
    on_change: Mutex<Option<OnChange<T>>>,
    gate: Arc<Gate>,
    /// The value has changed since `on_change` last looked.
    stale: AtomicBool,
    /// What comes back, and when.
    base: Mutex<Option<Base<T>>>,
    /// It was removed: nobody would take a change back.
    retired: AtomicBool,
}

struct Base<T> {
    value: T,
    at: Instant,
    at_unix_ns: u64,
}

impl<T: Tune> Tunable<T> {
    /// The value now; one relaxed load for numbers and switches, an allocation for texts.
    #[inline]
    pub fn get(&self) -> T {
        T::load(&self.0.cell)
    }

    /// Sets the value from code; it stays, a pending revert is forgotten. `on_change` is not called.
    pub fn set(&self, value: T) {
        let base = brief(&self.0.base).and_then(|mut base| base.take());
        drop(base);
        value.store(&self.0.cell);
    }

    /// Has `react` called, on a thread `manhole-app`, with the new value after each change from
    /// outside and after each revert. It should return within 100 ms.
    #[must_use]
    pub fn on_change(self, react: impl Fn(&T) + Send + Sync + 'static) -> Self {
        let react: OnChange<T> = Arc::new(Theirs::new(Box::new(react)));
        let before = brief(&self.0.on_change).and_then(|mut slot| slot.replace(react));
        drop(before);
        self
    }
}

impl<T: Tune> Clone for Tunable<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Tune> std::fmt::Debug for Tunable<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tunable")
            .field(&self.0.name)
            .field(&self.0.current())
            .finish()
    }
}

impl<T: Tune> Inner<T> {
    fn shown(&self, value: &T) -> Json {
        match value.to_json() {
            Json::String(text) => mask::named(&self.name, &text).into(),
            other => other,
        }
    }

    /// Remembers what comes back when: the value before the first change that was not kept.
    fn remember(&self, before: &T, hold: Hold) {
        let Some(mut base) = brief(&self.base) else {
            return;
        };
        *base = match hold {
            Hold::Forever => None,
            Hold::For(time) => {
                let value = base
                    .take()
                    .map_or_else(|| before.clone(), |base| base.value);
                let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
                Some(Base {
                    value,
                    at: Instant::now() + time,
                    at_unix_ns: unix_now_ns().saturating_add(ns),
                })
            }
        };
    }

    /// Tells the application. A call that is under way sees to it that nothing is missed: it is
    /// repeated until the value has not changed meanwhile.
    fn tell(self: &Arc<Self>, patience: Duration) -> Hook {
        let Some(react) = brief(&self.on_change).and_then(|react| react.clone()) else {
            return Hook::Done;
        };
        self.stale.store(true, Ordering::Release);
        let this = Arc::clone(self);
        let work = move || {
            while this.stale.swap(false, Ordering::AcqRel) {
                if let Some(react) = react.get() {
                    react(&T::load(&this.cell));
                }
            }
        };
        let what = || format!("on_change of {}", self.name);
        let outcome = match self.gate.start(Kind::Closure, patience, what, work) {
            Ok(started) => started.wait(patience).unwrap_or_else(|| started.busy()),
            Err(outcome) => outcome,
        };
        match outcome {
            Outcome::Done(()) => Hook::Done,
            Outcome::Busy(since) => Hook::Busy(since),
            Outcome::Panicked(message) => Hook::Failed(format!("it panicked: {message}")),
            Outcome::Refused(why) => Hook::Failed(why.to_string()),
        }
    }

    fn change(self: &Arc<Self>, value: T, hold: Option<Hold>, patience: Duration) -> Change {
        let before = T::load(&self.cell);
        if let Some(hold) = hold {
            self.remember(&before, hold);
        }
        let after = self.shown(&value);
        value.store(&self.cell);
        Change {
            before: self.shown(&before),
            after,
            reverts: self.pending(),
            hook: self.tell(patience),
        }
    }
}

impl<T: Tune> Knob for Arc<Inner<T>> {
    fn current(&self) -> Json {
        self.shown(&T::load(&self.cell))
    }

    fn is_number(&self) -> bool {
        <T as Sealed>::NUMBER
    }

    fn wanted(&self) -> String {
        let end = |bound: &Bound<T>| match bound {
            Bound::Included(value) => Some((value.to_json(), "")),
            Bound::Excluded(value) => Some((value.to_json(), ", exclusive")),
            Bound::Unbounded => None,
        };
        match (end(&self.bounds.0), end(&self.bounds.1)) {
            (None, None) => T::WANTED.to_owned(),
            (Some((low, _)), None) => format!("{}, at least {low}", T::WANTED),
            (None, Some((high, mark))) => format!("{}, at most {high}{mark}", T::WANTED),
            (Some((low, _)), Some((high, mark))) => format!("{low} to {high}{mark}"),
        }
    }

    fn default(&self) -> Json {
        self.shown(&self.default)
    }

    fn pending(&self) -> Option<Pending> {
        let base = brief(&self.base)?;
        let base = base.as_ref()?;
        Some(Pending {
            base: self.shown(&base.value),
            at_unix_ns: base.at_unix_ns,
        })
    }

    fn set(&self, word: &str, hold: Hold) -> Result<Change, String> {
        let value = T::parse(word).filter(|value| self.bounds.contains(value));
        let value = value
            .ok_or_else(|| format!("{word:?} is not acceptable, it takes {}", self.wanted()))?;
        let change = self.change(value, Some(hold), PATIENCE);
        // Whoever removes it meanwhile says so first and takes back afterwards: one of us sees it.
        if self.retired.load(Ordering::SeqCst) {
            self.revert(Instant::now() + LONGEST_HOLD, Duration::ZERO);
            return Err("the application has removed it".to_owned());
        }
        if let Some(at) = self.due() {
            threads::alarm(at, revert_due);
        }
        Ok(change)
    }

    fn revert(&self, now: Instant, patience: Duration) -> Option<Change> {
        let base = {
            let mut base = brief(&self.base)?;
            base.take_if(|base| base.at <= now)?
        };
        Some(self.change(base.value, None, patience))
    }

    fn retire(&self) -> Option<Change> {
        self.retired.store(true, Ordering::SeqCst);
        self.revert(Instant::now() + LONGEST_HOLD, Duration::ZERO)
    }

    fn due(&self) -> Option<Instant> {
        brief(&self.base)?.as_ref().map(|base| base.at)
    }
}

/// Takes back every change whose time has come, and sets the alarm for the next one. Called by the
/// alarm, on an application thread.
fn revert_due() {
    revert_all(Instant::now(), PATIENCE);
}

/// The same without waiting, for the tick: only what no application thread has taken back by now.
pub(super) fn revert_overdue() {
    if let Some(due) = Instant::now().checked_sub(OVERDUE) {
        revert_all(due, Duration::ZERO);
    }
}

/// Takes back what would revert later: the tunable is not among the variables any more.
pub(super) fn retire(name: &str, knob: &Arc<dyn Knob>) {
    if let Some(change) = knob.retire() {
        say(name, "was removed, and reverted", change);
    }
}

fn say(name: &str, how: &str, change: Change) {
    let Change {
        before,
        after,
        hook,
        ..
    } = change;
    messages::note(format!("{name} {how}: {before} -> {after}"));
    if let Hook::Failed(why) = hook {
        messages::warn(format!("the on_change of {name} failed: {why}"));
    }
}

/// Takes back every change that was not made for good: nobody will be there when its time comes.
pub(super) fn revert_early() {
    revert_all(Instant::now() + LONGEST_HOLD, PATIENCE);
}

fn revert_all(now: Instant, patience: Duration) {
    let mut next: Option<Instant> = None;
    for (name, knob) in tunables() {
        if let Some(change) = knob.revert(now, patience) {
            say(&name, "reverted by itself", change);
        }
        next = [next, knob.due()].into_iter().flatten().min();
    }
    if let Some(at) = next {
        threads::alarm(at, revert_due);
    }
}
