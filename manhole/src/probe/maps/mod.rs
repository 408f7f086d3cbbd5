//! What the address space is made of, from `/proc/thread-self/maps`.
//!
//! The kernel holds the `mmap_lock` for reading while it writes a page of the list: 0.2 us a mapping,
//! and a host stuck in a page fault on a dead file server can make this wait; nothing else waits with
//! it. How much of a mapping is in memory is known only from `smaps`, which walks page tables (tens of
//! milliseconds a GiB): [`Detail::Resident`].

mod kind;
mod line;

pub(crate) use kind::Kind;
pub(crate) use line::{Mapping, Protection};

use super::procfs::{self, lossless, push};
use std::io::{BufRead, BufReader};

/// How much to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Sizes of mappings: cheap.
    Sizes,
    /// Also how much of each is in memory: dear, see the module.
    Resident,
}

/// One mapping and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    /// As the kernel lists it.
    pub mapping: Mapping,
    /// What it is for.
    pub kind: Kind,
    /// Bytes of it that are in memory; only with [`Detail::Resident`].
    pub resident: Option<u64>,
    /// Bytes of it that are swapped out; only with [`Detail::Resident`].
    pub swapped: Option<u64>,
}

/// The address space.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Maps {
    /// By address.
    pub regions: Vec<Region>,
    /// The most mappings a process may have (`vm.max_map_count`): beyond it `mmap` fails as if
    /// memory had run out.
    pub limit: Option<u64>,
    /// The list was cut because memory could not be had.
    pub truncated: bool,
}

impl Maps {
    /// Reads the address space; `None` when that is impossible or `keep_going` says no.
    pub(crate) fn read(detail: Detail, keep_going: &dyn Fn() -> bool) -> Option<Self> {
        let file = match detail {
            Detail::Sizes => "/proc/thread-self/maps",
            Detail::Resident => "/proc/thread-self/smaps",
        };
        let binary = std::fs::read_link("/proc/thread-self/exe").ok();
        let binary = binary.map(|path| path.to_string_lossy().into_owned());
        let mut maps = Self::parse(BufReader::new(procfs::open(file)?), keep_going)?;
        kind::assign(&mut maps.regions, binary.as_deref());
        maps.limit = procfs::number("/proc/sys/vm/max_map_count");
        Some(maps)
    }

    /// Parses `maps` or `smaps`, line by line; kinds are left to [`kind::assign`].
    fn parse(mut text: impl BufRead, keep_going: &dyn Fn() -> bool) -> Option<Self> {
        let mut maps = Self::default();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            if !matches!(text.read_until(b'\n', &mut bytes), Ok(1..)) {
                return Some(maps);
            }
            let line = lossless(&bytes);
            if let Some(mapping) = Mapping::parse(line.trim_end_matches('\n')) {
                if !keep_going() {
                    return None;
                }
                if !push(&mut maps.regions, Region::new(mapping)) {
                    maps.truncated = true;
                    return Some(maps);
                }
            } else if let Some(region) = maps.regions.last_mut() {
                region.add_detail(&line);
            }
        }
    }
}

impl Region {
    fn new(mapping: Mapping) -> Self {
        Self {
            mapping,
            kind: Kind::Anonymous,
            resident: None,
            swapped: None,
        }
    }

    /// A line of `smaps` below the mapping's own.
    fn add_detail(&mut self, line: &str) {
        if let Some(bytes) = procfs::field_kib(line, "Rss") {
            self.resident = Some(bytes);
        } else if let Some(bytes) = procfs::field_kib(line, "Swap") {
            self.swapped = Some(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_belong_to_the_mapping_above_them() {
        let text = "1000-3000 rw-p 00000000 00:00 0 [heap]\nSize: 8 kB\nRss: 4 kB\nSwap: 1 kB\n\
                    SwapPss: 9 kB\n5000-6000 r--p 00000000 00:00 0 \nRss: 0 kB\n";
        let maps = Maps::parse(text.as_bytes(), &|| true).unwrap();
        let seen: Vec<_> = maps
            .regions
            .iter()
            .map(|r| (r.resident, r.swapped))
            .collect();
        assert_eq!(seen, [(Some(4096), Some(1024)), (Some(0), None)]);
        assert_eq!(Maps::parse(text.as_bytes(), &|| false), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_own_address_space_has_a_binary_a_heap_and_a_stack() {
        let maps = Maps::read(Detail::Sizes, &|| true).unwrap();
        for kind in [Kind::Binary, Kind::Stack] {
            assert!(
                maps.regions.iter().any(|region| region.kind == kind),
                "{kind:?}"
            );
        }
        assert!(maps.limit.unwrap() > 1000);
        let deep = Maps::read(Detail::Resident, &|| true).unwrap();
        assert!(
            deep.regions
                .iter()
                .filter_map(|region| region.resident)
                .sum::<u64>()
                > 100 << 10
        );
    }
}
