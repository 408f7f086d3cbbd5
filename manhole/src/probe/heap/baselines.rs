//! Earlier looks at the heap, to compare with: kept by the tick of 30 s, and those that somebody gave a
//! name.
//!
//! Of the tick's looks those stay that are wanted later: about 34 over a day, closer together the younger
//! they are, so that there is one within a tenth of 1m, 10m, 1h, 3h, 6h, 12h and 24h. A look keeps the
//! [`STACKS`] stacks with most, 56 bytes each, so all of them, with [`NAMED`] named ones, take at most
//! 2.4 MiB; a service with 200 stacks that allocate pays 0.5 MiB after a day.

use super::{Source, look::Look};
use crate::probe::clock::monotonic_ns;
use std::{
    collections::{TryReserveError, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Stacks that are kept of a look.
const STACKS: usize = 1000;
/// Looks that can have names.
pub(crate) const NAMED: usize = 8;

/// Up to which age, in ticks of 30 s, looks stay that are how many ticks apart. Each number divides the
/// next, so what was kept for the later steps is there.
const STEPS: [(u64, u64); 7] = [
    (4, 1),
    (22, 4),
    (130, 20),
    (420, 60),
    (840, 120),
    (1680, 240),
    (3360, 480),
];

/// Ages that can be asked for by these words, oldest first, in seconds.
const AGES: [(&str, u64); 7] = [
    ("24h", 86_400),
    ("12h", 43_200),
    ("6h", 21_600),
    ("3h", 10_800),
    ("1h", 3600),
    ("10m", 600),
    ("1m", 60),
];

/// Where the tick's looks are from.
const BY_ITSELF: &str = "kept by itself";
/// The word for the first look.
const START: &str = "start";

/// The looks that are kept.
#[derive(Debug, Default)]
pub(crate) struct Baselines {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Ticks so far.
    ticks: u64,
    /// By the tick that they were taken at, ascending; the first is that of the start.
    own: VecDeque<(u64, Arc<Look>)>,
    /// By the names that somebody gave them, the oldest first.
    named: VecDeque<(String, Arc<Look>)>,
}

/// A look that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The look.
    pub look: Arc<Look>,
    /// Where it is from: `kept by itself`, `named before-deploy`.
    pub from: String,
}

impl Baselines {
    /// Looks, and keeps what is wanted later. To be called every 30 s.
    ///
    /// # Errors
    /// When there is no memory for it; then the look is left out.
    pub(crate) fn tick(&self, source: &Source) -> Result<(), TryReserveError> {
        if (source.totals)().is_none() {
            return Ok(());
        }
        let look = Look::take(source).and_then(|look| look.cut(STACKS));
        let mut kept = self.lock();
        let tick = kept.ticks;
        kept.ticks += 1;
        kept.own.push_back((tick, Arc::new(look?)));
        kept.own
            .retain(|(of, _)| is_wanted(*of, tick.saturating_sub(*of)));
        Ok(())
    }

    /// Keeps a look under `name`, which takes the place of one with that name. Tells which look had to
    /// make room.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(crate) fn save(
        &self,
        name: &str,
        source: &Source,
    ) -> Result<Option<String>, TryReserveError> {
        let look = Look::take(source)?.cut(STACKS)?;
        let mut kept = self.lock();
        kept.named.retain(|(known, _)| known != name);
        let full = kept.named.len() >= NAMED;
        let gone = full.then(|| kept.named.pop_front()).flatten();
        kept.named.push_back((name.to_owned(), Arc::new(look)));
        Ok(gone.map(|(name, _)| name))
    }

    /// The look of the last tick that is at least `least` old, but not much older.
    pub(crate) fn last_tick(&self, least: Duration) -> Option<Arc<Look>> {
        let now = monotonic_ns();
        let kept = self.lock();
        let mut looks = kept.own.iter().rev();
        let old = looks.find(|(_, look)| age(look, now) >= least);
        let old = old.filter(|(_, look)| age(look, now) < least + Duration::from_secs(60));
        old.map(|(_, look)| Arc::clone(look))
    }

    /// The look that `text` means: a name, `start`, or an age.
    pub(crate) fn find(&self, text: &str) -> Option<Found> {
        let kept = self.lock();
        let named = kept.named.iter().find(|(name, _)| name == text);
        if let Some((name, look)) = named {
            return Some(Found {
                look: Arc::clone(look),
                from: format!("named {name}"),
            });
        }
        let own = match text {
            START => kept.own.front().map(|(_, look)| Arc::clone(look)),
            text => {
                let age = Duration::from_nanos(crate::model::parse_duration(text)?);
                kept.aged(age, monotonic_ns())
            }
        };
        own.map(|look| Found {
            look,
            from: BY_ITSELF.to_owned(),
        })
    }

    /// The look that growth is told from if nobody says which: of an hour ago, or as near to that as
    /// there is.
    pub(crate) fn usual(&self) -> Option<Found> {
        let ages = AGES.iter().filter(|(_, seconds)| *seconds <= 3600);
        ages.into_iter().find_map(|(word, _)| self.find(word))
    }

    /// The oldest look that is at most a good hour and at least `least` old, and one in the middle of
    /// the time since.
    pub(crate) fn span(&self, least: Duration) -> Option<(Found, Option<Arc<Look>>)> {
        const MOST: Duration = Duration::from_secs(75 * 60);
        let kept = self.lock();
        let now = monotonic_ns();
        let fits = |look: &Look| (least..=MOST).contains(&age(look, now));
        let (_, oldest) = kept.own.iter().find(|(_, look)| fits(look))?;
        let middle = kept.aged(age(oldest, now) / 2, now);
        let middle = middle.filter(|middle| middle.at_ns > oldest.at_ns);
        let found = Found {
            look: Arc::clone(oldest),
            from: BY_ITSELF.to_owned(),
        };
        Some((found, middle))
    }

    /// The words that mean a look: names, then `start`, then ages.
    pub(crate) fn words(&self) -> Vec<String> {
        let kept = self.lock();
        let now = monotonic_ns();
        let mut words: Vec<String> = kept.named.iter().map(|(name, _)| name.clone()).collect();
        words.extend(kept.own.front().map(|_| START.to_owned()));
        let aged = |seconds: u64| kept.aged(Duration::from_secs(seconds), now).is_some();
        let ages = AGES.iter().filter(|(_, seconds)| aged(*seconds));
        words.extend(ages.map(|(word, _)| (*word).to_owned()));
        words
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        // What is kept is whole after every statement.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The look whose age is nearest to `wanted`, if that is within a quarter of it.
    fn aged(&self, wanted: Duration, now: u64) -> Option<Arc<Look>> {
        let off = |look: &Look| age(look, now).abs_diff(wanted);
        let nearest = self.own.iter().min_by_key(|(_, look)| off(look))?;
        (off(&nearest.1) <= wanted / 4).then(|| Arc::clone(&nearest.1))
    }
}

fn age(look: &Look, now: u64) -> Duration {
    Duration::from_nanos(now.saturating_sub(look.at_ns))
}

/// Whether the look of the tick `tick` is wanted when it is `age` ticks old.
fn is_wanted(tick: u64, age: u64) -> bool {
    let step = STEPS.iter().find(|(up_to, _)| age <= *up_to);
    tick == 0 || step.is_some_and(|(_, step)| tick.is_multiple_of(*step))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day and a half of ticks.
    fn kept_after(ticks: u64) -> Vec<u64> {
        let mut kept = Vec::new();
        for tick in 0..=ticks {
            kept.push(tick);
            kept.retain(|of| is_wanted(*of, tick - of));
        }
        kept
    }

    #[test]
    fn there_is_always_a_look_within_a_tenth_of_each_age() {
        for now in (3400..3900).chain(6000..6100) {
            let kept = kept_after(now);
            assert!(kept.len() <= 36, "{now}: {}", kept.len());
            assert_eq!(kept.first(), Some(&0));
            for (word, seconds) in AGES {
                let wanted = seconds / 30;
                let off = kept.iter().map(|of| (now - of).abs_diff(wanted)).min();
                assert!(off.is_some_and(|off| off * 10 <= wanted), "{word} at {now}");
            }
        }
    }

    #[test]
    fn a_young_process_has_what_there_can_be() {
        assert_eq!(kept_after(3), [0, 1, 2, 3]);
        assert_eq!(kept_after(9), [0, 4, 5, 6, 7, 8, 9]);
    }

    fn look(at_ns: u64) -> Arc<Look> {
        Arc::new(Look {
            at_ns,
            ..Look::default()
        })
    }

    #[test]
    fn a_look_is_found_by_its_age() {
        let second = 1_000_000_000;
        let now = 10_000 * second;
        let ages = [3700, 900, 70];
        let kept = Kept {
            own: ages
                .iter()
                .map(|age| (0, look(now - age * second)))
                .collect(),
            ..Kept::default()
        };
        let check = |seconds: u64, expected: Option<u64>| {
            let found = kept.aged(Duration::from_secs(seconds), now);
            assert_eq!(found.map(|look| (now - look.at_ns) / second), expected);
        };
        check(3600, Some(3700));
        check(600, None);
        check(800, Some(900));
        check(60, Some(70));
        check(30, None);
    }
}
