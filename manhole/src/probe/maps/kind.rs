//! What a mapping is for: told by its name, and for anonymous memory by its neighbours.

use super::{Mapping, Region};
use std::collections::HashSet;

/// What a mapping is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// The program itself.
    Binary,
    /// Other files of which a part may be executed.
    Library,
    /// `[heap]` and what the allocator names as its own. Most heaps are anonymous memory instead.
    Heap,
    /// Stacks: the main thread's by name, the others by the guard page before them.
    Stack,
    /// Private memory of no file: allocators, buffers.
    Anonymous,
    /// Mapped files.
    File,
    /// Memory shared with others, memfd and tmpfs among it.
    Shared,
    /// Addresses that are set aside without memory behind them.
    Reserved,
    /// vdso and the kernel's other pages.
    Kernel,
}

impl Kind {
    /// The word in answers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Binary => "binary",
            Kind::Library => "libraries",
            Kind::Heap => "heap",
            Kind::Stack => "stacks",
            Kind::Anonymous => "anonymous",
            Kind::File => "files",
            Kind::Shared => "shared",
            Kind::Reserved => "reserved",
            Kind::Kernel => "kernel",
        }
    }
}

/// A guard is a page or a few: what is larger is an arena's reserve.
const GUARD_MOST: u64 = 64 << 10;

/// Gives each region its kind; they must be sorted by address.
pub(super) fn assign(regions: &mut [Region], binary: Option<&str>) {
    let libraries: HashSet<String> = regions
        .iter()
        .filter(|region| region.mapping.protection.execute && region.mapping.inode != 0)
        .map(|region| region.mapping.name.clone())
        .collect();
    let mut guard_end = None;
    for region in regions {
        let mapping = &region.mapping;
        let behind_guard = guard_end == Some(mapping.start);
        region.kind = match by_name(mapping, binary, &libraries) {
            // Its program headers have gaps, and a file's zeroed tail is anonymous: not looked at.
            Kind::Anonymous if behind_guard && mapping.protection.write => Kind::Stack,
            kind => kind,
        };
        let guard = mapping.is_reserved() && mapping.inode == 0 && mapping.size() <= GUARD_MOST;
        guard_end = guard.then_some(mapping.end);
    }
}

fn by_name(mapping: &Mapping, binary: Option<&str>, libraries: &HashSet<String>) -> Kind {
    let name = mapping.name.as_str();
    if let Some(word) = name.strip_prefix('[') {
        return bracketed(word);
    }
    let unlinked = name.strip_suffix(" (deleted)").unwrap_or(name);
    if !name.is_empty() && (Some(name) == binary || Some(unlinked) == binary) {
        return Kind::Binary;
    }
    let memory = ["/memfd:", "/dev/shm/", "/SYSV", "/dev/zero"];
    match name {
        "" if mapping.is_reserved() => Kind::Reserved,
        "" if mapping.protection.shared => Kind::Shared,
        "" => Kind::Anonymous,
        _ if libraries.contains(name) => Kind::Library,
        _ if memory.iter().any(|start| name.starts_with(start)) => Kind::Shared,
        _ if name.starts_with("anon_inode:") => Kind::Shared,
        _ => Kind::File,
    }
}

/// Names that the kernel gives, and those given with `prctl(PR_SET_VMA_ANON_NAME)`.
fn bracketed(word: &str) -> Kind {
    match word {
        _ if word.starts_with("heap") => Kind::Heap,
        _ if word.starts_with("stack") => Kind::Stack,
        _ if word.starts_with("anon_shmem:") => Kind::Shared,
        _ if word.starts_with("anon:") && word.contains("stack") => Kind::Stack,
        _ if word.starts_with("anon:") && word.contains("malloc") => Kind::Heap,
        _ if word.starts_with("anon:") => Kind::Anonymous,
        _ => Kind::Kernel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
00400000-00401000 r--p 00000000 08:01 10 /opt/checkout
00401000-00500000 r-xp 00001000 08:01 10 /opt/checkout
01000000-01100000 rw-p 00000000 00:00 0 [heap]
10000000-10001000 ---p 00000000 00:00 0 
10001000-10201000 rw-p 00000000 00:00 0 
20000000-20100000 rw-p 00000000 00:00 0 
20100000-24000000 ---p 00000000 00:00 0 
24000000-24100000 rw-p 00000000 00:00 0 
30000000-30100000 r--p 00000000 08:01 11 /lib/libc.so.6
30100000-30200000 r-xp 00100000 08:01 11 /lib/libc.so.6
40000000-40100000 r--s 00000000 08:01 12 /var/data.idx
50000000-50100000 rw-s 00000000 00:01 13 /memfd:ring (deleted)
60000000-60100000 rw-p 00000000 00:00 0 [anon:glibc: malloc arena]
61000000-61100000 rw-p 00000000 00:00 0 [anon:mine]
70000000-70100000 rw-p 00000000 00:00 0 [stack]
71000000-71002000 r-xp 00000000 00:00 0 [vdso]
";

    #[test]
    fn names_and_neighbours_tell_the_kind() {
        let mut regions: Vec<Region> = MAPS
            .lines()
            .map(|line| Region::new(Mapping::parse(line).unwrap()))
            .collect();
        assign(&mut regions, Some("/opt/checkout"));
        let kinds: Vec<Kind> = regions.iter().map(|region| region.kind).collect();
        use Kind::*;
        let expected = [
            Binary, Binary, Heap, Reserved, Stack, Anonymous, Reserved, Anonymous, Library,
            Library, File, Shared, Heap, Anonymous, Stack, Kernel,
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn a_replaced_binary_is_still_the_binary() {
        let line = "00400000-00401000 r-xp 00000000 08:01 10 /opt/checkout (deleted)";
        let mut regions = vec![Region::new(Mapping::parse(line).unwrap())];
        assign(&mut regions, Some("/opt/checkout (deleted)"));
        assert_eq!(regions[0].kind, Kind::Binary);
        assign(&mut regions, Some("/opt/checkout"));
        assert_eq!(regions[0].kind, Kind::Binary);
    }
}
