//! Which group grows: earlier looks at the groups, kept for comparison.
//!
//! Looking at each descriptor is too dear for the tick, which only counts them. But whoever asks (and
//! `triage` does) leaves a look behind, and the next one is compared with it.

use super::group::Group;
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

/// Looks closer together than this are one.
const APART_NS: u64 = 60_000_000_000;
/// Nothing is told from a look younger than this.
const LEAST_NS: u64 = 10_000_000_000;
/// The comparison prefers a look this old.
const WANTED_NS: u64 = 600_000_000_000;
/// Groups that are kept of a look, largest first within their rank.
const GROUPS: usize = 64;

/// The looks of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Past {
    looks: Mutex<VecDeque<Look>>,
}

#[derive(Debug)]
struct Look {
    at_ns: u64,
    counts: Vec<(Key, u64)>,
    /// Whether every group is in it: then one that is missing had no descriptor.
    whole: bool,
}

type Key = (&'static str, String, String);

fn key(group: &Group) -> Key {
    (group.kind, group.state.clone(), group.place.clone())
}

impl Past {
    /// Fills in how each group changed since an earlier look, tells how long ago that was, and keeps
    /// this look for the next.
    pub(super) fn compare(&self, now_ns: u64, groups: &mut [Group]) -> Option<u64> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        // Only the newest look that is old enough is needed, and what came after it.
        while looks
            .get(1)
            .is_some_and(|look| now_ns.saturating_sub(look.at_ns) >= WANTED_NS)
        {
            looks.pop_front();
        }
        let age_of = |look: &Look| now_ns.saturating_sub(look.at_ns);
        let baseline = looks.front().filter(|look| age_of(look) >= LEAST_NS);
        let age = baseline.map(|look| {
            look.compare(groups);
            age_of(look)
        });
        let recent = |look: &Look| age_of(look) < APART_NS;
        if !looks.back().is_some_and(recent) {
            looks.push_back(Look::new(now_ns, groups));
        }
        age
    }
}

impl Look {
    fn new(at_ns: u64, groups: &[Group]) -> Self {
        let counts = groups
            .iter()
            .take(GROUPS)
            .map(|group| (key(group), group.count));
        Self {
            at_ns,
            counts: counts.collect(),
            whole: groups.len() <= GROUPS,
        }
    }

    fn compare(&self, groups: &mut [Group]) {
        for group in groups {
            let wanted = key(group);
            let found = self
                .counts
                .iter()
                .find(|(key, _)| *key == wanted)
                .map(|(_, count)| *count);
            let before = found.or(self.whole.then_some(0));
            group.change = before.map(|before| group.count as i64 - before as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::fds::tests::leak;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_group_is_compared_with_the_look_of_about_ten_minutes_ago() {
        let past = Past::default();
        let check = |seconds: u64, count: u64, age: Option<u64>, change: Option<i64>| {
            let mut groups = [leak("10.2.0.9:5432", count)];
            let found = past.compare(seconds * SECOND, &mut groups);
            assert_eq!(
                (found.map(|ns| ns / SECOND), groups[0].change),
                (age, change),
                "{seconds}"
            );
        };
        check(1000, 10, None, None);
        check(1005, 15, None, None);
        check(1010, 20, Some(10), Some(10));
        check(1100, 30, Some(100), Some(20));
        check(1650, 40, Some(650), Some(30));
        check(1710, 50, Some(610), Some(20));
    }

    #[test]
    fn a_new_group_has_grown_from_nothing_unless_it_was_left_out() {
        let past = Past::default();
        past.compare(0, &mut [leak("a", 1)]);
        let mut groups = [leak("b", 5)];
        past.compare(20 * SECOND, &mut groups);
        assert_eq!(groups[0].change, Some(5));

        let past = Past::default();
        let mut many: Vec<Group> = (0..100).map(|n| leak(&n.to_string(), 1)).collect();
        past.compare(0, &mut many);
        past.compare(20 * SECOND, &mut many);
        assert_eq!((many[0].change, many[99].change), (Some(0), None));
    }
}
