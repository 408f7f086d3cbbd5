//! The heap at this moment, with all that the views ask for: peak, ages, what is old.

use super::{
    Source,
    look::{self, Look},
    weight::weight,
};
use crate::{
    alloc::read,
    model::{
        heap::{AGES, Amount, Count, OBJECT, Place, Report, State},
        order,
    },
    probe::clock::monotonic_ns,
    sys::unix_now_ns,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, TryReserveError},
    sync::Arc,
};

/// Most stacks that are shown with their frames; the others are added up.
pub(crate) const STACKS: usize = 4096;

/// The frames of stacks as addresses, what was counted at each, and where that is from.
pub(crate) type Chosen = (Vec<Arc<[u64]>>, Vec<Count>, Report);

/// The stacks with what was counted at them.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// When, by the clock that nobody sets, in nanoseconds.
    pub at_ns: u64,
    /// By ids, ascending, until they are chosen.
    stacks: Vec<(u32, Count)>,
    /// Those that were not chosen, added up.
    rest: Option<Count>,
    /// Where the figures come from, as far as the allocator tells.
    pub report: Report,
}

impl Snapshot {
    /// Looks now; what has been live for `min_age_ns` is old. `None`: the allocator is not installed.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn take(source: &Source, min_age_ns: u64) -> Result<Option<Self>, TryReserveError> {
        let Some(totals) = (source.totals)() else {
            return Ok(None);
        };
        let mut report = report(&totals);
        let stacks = counts(source, &mut report.cut_bytes)?;
        let mut snapshot = Self {
            at_ns: monotonic_ns(),
            stacks,
            rest: None,
            report,
        };
        let min_age_ds = min_age_ns / 100_000_000;
        (source.live)(&mut |live| snapshot.add(&live, min_age_ds));
        Ok(Some(snapshot))
    }

    fn add(&mut self, live: &read::Live, min_age_ds: u64) {
        let found = self.stacks.binary_search_by_key(&live.stack, |(id, _)| *id);
        let Some((_, count)) = found.ok().and_then(|at| self.stacks.get_mut(at)) else {
            return;
        };
        let weight = weight(live);
        let age_ds = u64::from(live.age_ds);
        count.now.variance += weight.variance;
        let class = AGES.iter().take_while(|bound| age_ds >= **bound * 10);
        if let Some(bytes) = count.ages.get_mut(class.count()) {
            *bytes = bytes.saturating_add(weight.bytes as u64);
        }
        if age_ds >= min_age_ds {
            count.old = count.old.plus(Amount {
                bytes: weight.bytes as u64,
                objects: (weight.objects * OBJECT as f64) as u64,
            });
            count.old_variance += weight.variance;
        }
    }

    /// Fills in what was so at `before`.
    pub(crate) fn compare(&mut self, before: &Look) {
        for (id, count) in &mut self.stacks {
            count.before = before.state(*id);
        }
        self.rest = before.rest.map(|rest| Count {
            place: Place::Rest,
            before: Some(rest),
            ..Count::default()
        });
    }

    /// Fills in what was live at `middle`.
    pub(crate) fn between(&mut self, middle: &Look) {
        for (id, count) in &mut self.stacks {
            count.middle = middle.state(*id).map(|state| state.live().bytes);
        }
    }

    /// Has `later` stand in the place of the present, after [`Snapshot::compare`].
    pub(crate) fn put_back(&mut self, later: &Look) {
        let mut rest = self.rest.take().unwrap_or_default();
        for (id, count) in &mut self.stacks {
            let Some(now) = later.state(*id) else {
                // It is in the sum of the later look, so what it was is to be in that of the earlier.
                let before = count.before.replace(State::default()).unwrap_or_default();
                rest.before = Some(rest.before.unwrap_or_default().plus(&before));
                count.now = State::default();
                continue;
            };
            count.now = now;
        }
        rest.now = later.rest.unwrap_or_default();
        self.rest = (rest != Count::default()).then_some(rest);
    }

    /// Fills in what was allocated since `tick`.
    pub(crate) fn since(&mut self, tick: &Look) {
        self.report.recent_ns = self.at_ns.saturating_sub(tick.at_ns);
        for (id, count) in &mut self.stacks {
            let then = tick.state(*id);
            count.recent = then.map(|then| count.now.allocated.less(then.allocated).bytes);
        }
    }

    /// Chooses the [`STACKS`] with most of what `rank` says, and reads their frames.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub(crate) fn choose(
        mut self,
        source: &Source,
        rank: fn(&Count) -> u64,
    ) -> Result<Chosen, TryReserveError> {
        self.stacks.retain(|(_, count)| says_anything(count));
        if self.stacks.len() > STACKS {
            order::sort_by_key(&mut self.stacks, |(_, count)| Reverse(rank(count)));
            let few = self.stacks.iter().skip(STACKS);
            let rest = few.fold(self.rest.take().unwrap_or_default(), |sum, (_, count)| {
                sum_of(&sum, count)
            });
            self.rest = Some(rest);
            self.stacks.truncate(STACKS);
        }
        let places = self.stacks.iter().enumerate();
        let places: BTreeMap<u32, usize> = places.map(|(at, (id, _))| (*id, at)).collect();
        let nothing: Arc<[u64]> = Arc::default();
        let mut frames = Vec::new();
        frames.try_reserve_exact(self.stacks.len() + 1)?;
        frames.resize(self.stacks.len(), nothing);
        (source.stacks)(&mut |counts| {
            let at = places.get(&counts.id);
            if let Some(place) = at.and_then(|at| frames.get_mut(*at)) {
                *place = counts.frames.into();
            }
        });
        let mut counts = Vec::new();
        counts.try_reserve_exact(self.stacks.len() + 1)?;
        counts.extend(self.stacks.into_iter().map(|(_, count)| count));
        if let Some(mut rest) = self.rest {
            rest.place = Place::Rest;
            counts.push(rest);
            frames.push(Arc::default());
        }
        Ok((frames, counts, self.report))
    }
}

fn says_anything(count: &Count) -> bool {
    let nothing = |state: State| state.allocated == Amount::default();
    !nothing(count.now) || count.before.is_some_and(|before| !nothing(before))
}

fn sum_of(sum: &Count, count: &Count) -> Count {
    let mut ages = sum.ages;
    for (sum, age) in ages.iter_mut().zip(count.ages) {
        *sum = sum.saturating_add(age);
    }
    Count {
        place: Place::Rest,
        now: sum.now.plus(&count.now),
        before: match (sum.before, count.before) {
            (Some(sum), Some(count)) => Some(sum.plus(&count)),
            (one, other) => one.or(other),
        },
        middle: added(sum.middle, count.middle),
        recent: added(sum.recent, count.recent),
        peak: sum.peak.plus(count.peak),
        ages,
        old: sum.old.plus(count.old),
        old_variance: sum.old_variance + count.old_variance,
    }
}

fn added(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.saturating_add(other)),
        (one, other) => one.or(other),
    }
}

/// The stacks by ids, with what the allocator added up itself; adds to `cut` what is live at those that are
/// not whole.
fn counts(source: &Source, cut: &mut u64) -> Result<Vec<(u32, Count)>, TryReserveError> {
    let mut stacks: Vec<(u32, Count)> = Vec::new();
    let mut failed = None;
    (source.stacks)(&mut |counts| match stacks.try_reserve(1) {
        Ok(()) => {
            let counted = count(&counts);
            if counted.place == Place::Stack && !counts.whole {
                *cut = cut.saturating_add(counted.now.live().bytes);
            }
            stacks.push((counts.id, counted));
        }
        Err(error) => failed = Some(error),
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if !stacks.is_sorted_by_key(|(id, _)| *id) {
        order::sort_by_key(&mut stacks, |(id, _)| *id);
    }
    Ok(stacks)
}

fn count(counts: &read::Counts<'_>) -> Count {
    Count {
        place: match counts.place {
            read::Place::Stack => Place::Stack,
            read::Place::BeforeInstall => Place::BeforeInstall,
            read::Place::NoRoom => Place::NoRoom,
            read::Place::NoStack => Place::NoStack,
        },
        now: look::state(counts),
        peak: look::amount(counts.peak),
        ..Count::default()
    }
}

fn report(totals: &read::Totals) -> Report {
    let allocated = look::amount(totals.allocated);
    Report {
        taken_unix_ns: unix_now_ns(),
        rate: totals.rate,
        live_samples: totals.live_samples,
        dropped: totals.dropped,
        live: allocated.less(look::amount(totals.freed)),
        allocated,
        peak_bytes: totals.peak_bytes,
        peak_age_ns: u64::from(totals.peak_age_ds) * 100_000_000,
        ..Report::default()
    }
}
