//! What one look at the allocators tells: their names and figures, as plain data.

use super::{Allocator, Allocators, Figures, Held};
use std::time::Instant;

/// An allocator, as far as it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// See [`Allocator::name`].
    pub name: String,
    /// What it counts.
    pub figures: Figures,
    /// What it would cost to be told more; `None` when there is no more, or it was told.
    pub price: Option<&'static str>,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Rust's; `None` when that is not known.
    pub rust: Option<Known>,
    /// C code's, where that is another.
    pub c: Option<Known>,
    /// How long the walks took, in nanoseconds; `None` when none was made.
    pub walked_ns: Option<u64>,
}

impl Look {
    /// Looks at them; `deep` makes threads that allocate wait, see [`Allocator::price`].
    pub(crate) fn take(deep: bool) -> Self {
        let found = Allocators::find();
        let started = Instant::now();
        let walks = deep && found.all().any(|one| one.price().is_some());
        let known = |one: &Allocator| Known {
            name: one.name(),
            figures: if deep { one.deep() } else { one.figures() },
            price: one.price().filter(|_| !deep),
        };
        Self {
            rust: found.rust.as_ref().map(known),
            c: found.c.as_ref().map(known),
            walked_ns: walks
                .then(|| u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX)),
        }
    }

    /// What both hold that nobody uses; see [`Figures::held`]. `None` when Rust's does not tell.
    pub(crate) fn held(&self, anonymous: Option<u64>, live: Option<u64>) -> Option<Held> {
        let rust = self.rust.as_ref();
        let of_rust = rust.and_then(|known| known.figures.held(anonymous, live));
        let Some(c) = &self.c else {
            return of_rust;
        };
        // Of what is in memory, Rust's share is none of the other's.
        let taken = rust.and_then(|known| known.figures.resident).unwrap_or(0);
        let left = anonymous.map(|bytes| bytes.saturating_sub(taken));
        match (of_rust, c.figures.held(left, None)) {
            (Some(a), Some(b)) => Some(Held {
                free: a.free.saturating_add(b.free),
                // Of the smaller share it does not matter.
                purgeable: a.purgeable.filter(|_| b.free <= a.free),
            }),
            (None, found) if rust.is_none() => found,
            (found, _) => found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn known(figures: Figures) -> Option<Known> {
        Some(Known {
            figures,
            ..Known::default()
        })
    }

    #[test]
    fn what_both_hold_is_added_up_and_what_is_not_known_is_not_guessed() {
        let jemalloc = known(Figures {
            used: Some(100 * MIB),
            resident: Some(150 * MIB),
            free: Some(50 * MIB),
            purgeable: Some(30 * MIB),
            ..Figures::default()
        });
        let walked = known(Figures {
            used: Some(10 * MIB),
            free: Some(40 * MIB),
            ..Figures::default()
        });
        let check =
            |rust: &Option<Known>, c: &Option<Known>, expected: Option<(u64, Option<u64>)>| {
                let look = Look {
                    rust: rust.clone(),
                    c: c.clone(),
                    walked_ns: None,
                };
                let held = look.held(Some(170 * MIB), None);
                assert_eq!(held.map(|held| (held.free / MIB, held.purgeable)), expected);
            };
        let silent = known(Figures::default());
        check(&jemalloc, &None, Some((50, Some(30 * MIB))));
        check(&jemalloc, &silent, Some((50, Some(30 * MIB))));
        check(&jemalloc, &walked, Some((60, Some(30 * MIB))));
        check(&walked, &None, Some((40, None)));
        check(&None, &walked, Some((40, None)));
        check(&silent, &walked, None);
        check(&None, &None, None);
    }

    #[test]
    #[cfg(target_env = "gnu")]
    fn a_walk_is_made_only_when_asked_for() {
        let cheap = Look::take(false);
        let deep = Look::take(true);
        assert!(cheap.walked_ns.is_none() && cheap.rust.unwrap().price.is_some());
        assert!(deep.walked_ns.is_some() && deep.rust.unwrap().figures.used.is_some());
    }
}
