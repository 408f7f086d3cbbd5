//! Sets of labels, each with a number: what a thread carries is the number, which a signal handler can
//! read; what a profile shows is the set.
//!
//! A set stays known while a thread carries it, and as long as there is room afterwards, since a sample
//! is looked at a moment after it was taken. Numbers are never used again.

use crate::sys::lock::brief;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// Sets that are known at a time. When there are so many, those go that nobody carries.
const MOST: usize = 4096;
/// Of these, how many of the newest stay when room is made: samples may still name them.
const RECENT: u64 = 1024;

/// What an application said: keys with values, sorted by key, each key once.
pub(crate) type Pairs = Arc<[(String, String)]>;

/// A set with its number. Whoever carries it holds it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Set {
    /// Its number, never 0.
    pub id: u64,
    /// What it says.
    pub pairs: Pairs,
}

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

/// The number for a set, which is given one if it is new; 0.3 us. `None` when there are too many, or
/// when the list cannot be had within a moment.
pub(crate) fn intern(pairs: Vec<(String, String)>) -> Option<Arc<Set>> {
    brief(&KNOWN)?
        .get_or_insert_with(Known::default)
        .intern(pairs.into())
}

/// What the set `id` says; empty for 0 and for one that is not known any more.
pub(crate) fn find(id: u64) -> Pairs {
    let known = || brief(&KNOWN)?.as_ref()?.find(id);
    (id != 0).then(known).flatten().unwrap_or_default()
}

/// The sets, by number and by what they say.
#[derive(Debug, Default)]
struct Known {
    sets: HashMap<u64, Arc<Set>>,
    numbers: HashMap<Pairs, u64>,
    last: u64,
}

impl Known {
    fn intern(&mut self, pairs: Pairs) -> Option<Arc<Set>> {
        if let Some(id) = self.numbers.get(&pairs) {
            return self.sets.get(id).cloned();
        }
        if self.sets.len() >= MOST {
            self.make_room();
        }
        let room = self.sets.len() < MOST
            && self.sets.try_reserve(1).is_ok()
            && self.numbers.try_reserve(1).is_ok();
        if !room {
            return None;
        }
        self.last += 1;
        let set = Arc::new(Set {
            id: self.last,
            pairs: pairs.clone(),
        });
        self.numbers.insert(pairs, self.last);
        self.sets.insert(self.last, set.clone());
        Some(set)
    }

    fn find(&self, id: u64) -> Option<Pairs> {
        self.sets.get(&id).map(|set| set.pairs.clone())
    }

    /// Forgets the sets that nobody carries, but for the newest.
    fn make_room(&mut self) {
        let recent = self.last.saturating_sub(RECENT);
        self.sets
            .retain(|id, set| *id > recent || Arc::strong_count(set) > 1);
        let sets = &self.sets;
        self.numbers.retain(|_, id| sets.contains_key(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(value: u64) -> Pairs {
        vec![("request".to_owned(), value.to_string())].into()
    }

    #[test]
    fn equal_sets_have_one_number_and_it_leads_back() {
        let mut known = Known::default();
        let [a, b, again] = [1, 2, 1].map(|value| known.intern(pairs(value)).unwrap());
        assert_eq!((a.id, b.id, &again), (1, 2, &a));
        assert_eq!(known.find(2), Some(pairs(2)));
        assert_eq!((known.find(0), known.find(3)), (None, None));
        assert_eq!(*find(0), []);
    }

    #[test]
    fn their_number_is_bounded_and_those_that_are_carried_stay() {
        let mut known = Known::default();
        let carried = known.intern(pairs(0)).unwrap();
        for value in 1..20_000 {
            let set = known.intern(pairs(value)).unwrap();
            assert_eq!(known.find(set.id), Some(pairs(value)));
            assert!(known.sets.len() <= MOST && known.numbers.len() <= MOST);
        }
        assert_eq!(known.find(carried.id), Some(pairs(0)));
        assert_eq!(known.find(2), None);
    }

    #[test]
    fn when_all_are_carried_there_is_no_new_one() {
        let mut known = Known::default();
        let all: Vec<_> = (0..MOST as u64)
            .map(|value| known.intern(pairs(value)).unwrap())
            .collect();
        assert_eq!(known.intern(pairs(1 << 40)), None);
        assert_eq!(known.intern(pairs(7)).as_ref(), all.get(7));
        drop(all);
        assert!(known.intern(pairs(1 << 40)).is_some());
    }
}
