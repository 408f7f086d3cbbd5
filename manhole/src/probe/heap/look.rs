//! What was counted at each stack at one moment: enough to compare another moment with.

use super::{Source, weight::weight};
use crate::{
    alloc::read,
    model::{
        heap::{Amount, State},
        order,
    },
    probe::clock::monotonic_ns,
    sys::unix_now_ns,
};
use std::{cmp::Reverse, collections::TryReserveError};

/// A look at all stacks.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// When, by the clock that nobody sets, in nanoseconds.
    pub at_ns: u64,
    /// When, in nanoseconds since the epoch.
    pub at_unix_ns: u64,
    /// The stacks by their ids, ascending.
    pub states: Vec<(u32, State)>,
    /// Those that were not kept, added up; `None` when every one was.
    pub rest: Option<State>,
}

impl Look {
    /// Looks now.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn take(source: &Source) -> Result<Self, TryReserveError> {
        let mut states = states(source)?;
        (source.live)(&mut |live| {
            if let Some(state) = find(&mut states, live.stack) {
                state.variance += weight(&live).variance;
            }
        });
        Ok(Self {
            at_ns: monotonic_ns(),
            at_unix_ns: unix_now_ns(),
            states,
            rest: None,
        })
    }

    /// The same with at most `most` stacks: those that hold most, then those that allocate most.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn cut(mut self, most: usize) -> Result<Self, TryReserveError> {
        let mut kept = Vec::new();
        kept.try_reserve_exact(self.states.len().min(most))?;
        if self.states.len() > most {
            order::sort_by_key(&mut self.states, |(_, state)| {
                let held = state.live().bytes;
                Reverse(held.saturating_add(state.allocated.bytes / 64))
            });
            let rest = self.states.iter().skip(most);
            self.rest = Some(rest.fold(State::default(), |sum, (_, state)| sum.plus(state)));
            self.states.truncate(most);
            order::sort_by_key(&mut self.states, |(id, _)| *id);
        }
        kept.append(&mut self.states);
        self.states = kept;
        Ok(self)
    }

    /// What was so at the stack `id`; `None` when it was not kept. A stack that came later had nothing.
    pub(crate) fn state(&self, id: u32) -> Option<State> {
        let known = self.states.binary_search_by_key(&id, |(known, _)| *known);
        match known.ok().and_then(|at| self.states.get(at)) {
            Some((_, state)) => Some(*state),
            None => self.rest.is_none().then(State::default),
        }
    }
}

/// What was counted at each stack, by ids.
pub(super) fn states(source: &Source) -> Result<Vec<(u32, State)>, TryReserveError> {
    let mut states: Vec<(u32, State)> = Vec::new();
    let mut failed = None;
    (source.stacks)(&mut |counts| match states.try_reserve(1) {
        Ok(()) => states.push((counts.id, state(&counts))),
        Err(error) => failed = Some(error),
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if !states.is_sorted_by_key(|(id, _)| *id) {
        order::sort_by_key(&mut states, |(id, _)| *id);
    }
    Ok(states)
}

/// The state of the stack `id` among `states`, which are in order.
pub(super) fn find(states: &mut [(u32, State)], id: u32) -> Option<&mut State> {
    let at = states.binary_search_by_key(&id, |(known, _)| *known).ok()?;
    states.get_mut(at).map(|(_, state)| state)
}

pub(super) fn state(counts: &read::Counts<'_>) -> State {
    State {
        allocated: amount(counts.allocated),
        freed: amount(counts.freed),
        samples: counts.samples,
        variance: 0.0,
    }
}

/// The same in the words of the model.
pub(super) fn amount(amount: read::Amount) -> Amount {
    Amount {
        bytes: amount.bytes,
        objects: amount.objects,
    }
}
