//! What an allocator's books say, and what follows for the process's memory.

use crate::sys::malloc::{glibc, jemalloc};

/// An allocator's own figures, in bytes; `None` is what it does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Handed out to the program.
    pub used: Option<u64>,
    /// Of its pages, those in memory.
    pub resident: Option<u64>,
    /// Taken from the system and not given back, in memory or not.
    pub taken: Option<u64>,
    /// Free in what it has taken; with [`Figures::resident`] known, only what is in memory.
    pub free: Option<u64>,
    /// Of that, whole pages that a purge gives back.
    pub purgeable: Option<u64>,
    /// Handed out in mappings of their own, part of `used`.
    pub apart: Option<u64>,
    /// Its own structures.
    pub metadata: Option<u64>,
    /// Address space that it keeps without memory behind it.
    pub retained: Option<u64>,
}

/// Memory that the allocator holds and nobody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// How much of it is in memory.
    pub free: u64,
    /// How much of that a purge gives back; `None` where only trying tells.
    pub purgeable: Option<u64>,
}

impl From<jemalloc::Stats> for Figures {
    fn from(stats: jemalloc::Stats) -> Self {
        // Resident are the active pages, its own, and those that are to be given back in time.
        let without = |used: Option<u64>| {
            let rest = stats.resident?.checked_sub(used?)?;
            Some(rest.saturating_sub(stats.metadata.unwrap_or(0)))
        };
        Self {
            used: stats.allocated,
            resident: stats.resident,
            taken: stats.mapped,
            free: without(stats.allocated),
            purgeable: without(stats.active),
            apart: None,
            metadata: stats.metadata,
            retained: stats.retained,
        }
    }
}

impl From<glibc::Info> for Figures {
    fn from(info: glibc::Info) -> Self {
        Self {
            used: Some(info.used.saturating_add(info.mapped)),
            taken: Some(info.arenas.saturating_add(info.mapped)),
            free: Some(info.free),
            apart: Some(info.mapped),
            ..Self::default()
        }
    }
}

impl Figures {
    /// What is held and unused, given what is anonymous in memory and what the sampled heap says is
    /// live; `None` where the books do not tell.
    ///
    /// glibc counts as free what it has given back from the middle of its heap long ago, so there it is
    /// at most what is in memory beyond what is handed out. Of mimalloc's the sampled heap knows what
    /// is handed out.
    pub(crate) fn held(&self, anonymous: Option<u64>, live: Option<u64>) -> Option<Held> {
        let purgeable = self.purgeable;
        let free = match (self.free, self.resident, self.taken) {
            (Some(free), Some(_), _) => free,
            (Some(free), None, _) => free.min(anonymous?.saturating_sub(self.used?)),
            (None, _, Some(taken)) => taken.min(anonymous?).checked_sub(live?)?,
            (None, _, None) => return None,
        };
        Some(Held { free, purgeable })
    }

    /// What of the resident memory is neither handed out nor kept by this allocator: other allocators,
    /// stacks, files. `None` where it does not say how much of its own is in memory.
    pub(crate) fn outside(&self, resident: Option<u64>) -> Option<u64> {
        resident?.checked_sub(self.resident?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn jemalloc_keeps_pages_that_a_purge_gives_back_and_holes_that_it_does_not() {
        let figures = Figures::from(jemalloc::Stats {
            allocated: Some(100 * MIB),
            active: Some(130 * MIB),
            metadata: Some(10 * MIB),
            resident: Some(400 * MIB),
            mapped: Some(410 * MIB),
            retained: Some(MIB),
        });
        let held = figures.held(None, None).unwrap();
        assert_eq!((held.free, held.purgeable), (290 * MIB, Some(260 * MIB)));
        assert_eq!(figures.outside(Some(450 * MIB)), Some(50 * MIB));
        assert_eq!(figures.outside(Some(MIB)), None, "figures of two moments");
    }

    #[test]
    fn what_is_not_counted_stays_unknown() {
        let nothing = Figures::from(jemalloc::Stats::default());
        assert_eq!(nothing, Figures::default());
        assert_eq!(nothing.held(Some(MIB), Some(MIB)), None);
        assert_eq!(nothing.outside(Some(MIB)), None);
    }

    #[test]
    fn of_what_glibc_calls_free_only_what_is_in_memory_is_held() {
        let figures = Figures::from(glibc::Info {
            arenas: 3000 * MIB,
            mapped: 50 * MIB,
            used: 100 * MIB,
            free: 2900 * MIB,
            trimmable: 0,
        });
        let held = |anonymous: u64| figures.held(Some(anonymous * MIB), None).unwrap().free / MIB;
        assert_eq!(held(3200), 2900);
        assert_eq!(held(170), 20, "given back already");
        assert_eq!(held(100), 0, "not all that is handed out was touched");
        assert_eq!(figures.held(None, None), None);
    }

    #[test]
    fn what_mimalloc_holds_is_known_with_the_sampled_heap_only() {
        let figures = Figures {
            taken: Some(500 * MIB),
            ..Figures::default()
        };
        let held = |anonymous: u64, live| figures.held(Some(anonymous * MIB), live);
        assert_eq!(held(600, None), None);
        assert_eq!(held(600, Some(200 * MIB)).unwrap().free, 300 * MIB);
        assert_eq!(
            held(300, Some(200 * MIB)).unwrap().free,
            100 * MIB,
            "not all was touched"
        );
        assert_eq!(held(100, Some(200 * MIB)), None);
    }
}
