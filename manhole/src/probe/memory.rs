//! How much memory the process has, by the kernel's books; what the allocator knows is elsewhere.
//!
//! Two tiers. [`Usage::read`] is one file, 5 to 10 us, and never waits. [`Rollup::read`] makes the
//! kernel walk every page table under the `mmap_lock`: tens of milliseconds on a heap of 4 GiB, while
//! threads that map, unmap or fault wait. Nothing but `memory --deep` asks for it.

use super::procfs::{field_kib, field_number, text};

/// `/proc/self/status`, in bytes. Kernels from 6.2 on count per core, so the figures may be off by a
/// few hundred KiB for each core; [`Rollup`] is exact.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Usage {
    /// `VmRSS`: pages in memory, anonymous, of files and shared together.
    pub resident: Option<u64>,
    /// `RssAnon`: heap, stacks, everything that no file backs. Since Linux 4.5.
    pub anonymous: Option<u64>,
    /// `RssFile`: of the binary, libraries and mapped files. Since Linux 4.5.
    pub files: Option<u64>,
    /// `RssShmem`: shared memory, tmpfs and memfd pages. Since Linux 4.5.
    pub shared: Option<u64>,
    /// `VmSwap`: anonymous pages that were swapped out.
    pub swap: Option<u64>,
    /// `VmHWM`: the highest `resident` so far.
    pub peak: Option<u64>,
    /// `VmSize`: address space in use.
    pub virtual_size: Option<u64>,
    /// `VmLck` and `VmPin`: pages locked or pinned into memory.
    pub locked: Option<u64>,
    /// `VmPTE`: the page tables themselves.
    pub page_tables: Option<u64>,
    /// `VmStk`: the main thread's stack, mapped.
    pub main_stack: Option<u64>,
    /// `VmData`: private writable mappings, mapped; what `RLIMIT_DATA` counts.
    pub data: Option<u64>,
    /// Threads of the process, the console's included.
    pub threads: Option<u64>,
}

impl Usage {
    /// Reads `/proc/thread-self/status`: the same for every thread, and there even when `main` has ended.
    pub(crate) fn read() -> Option<Self> {
        text("/proc/thread-self/status").map(|status| Self::parse(&status))
    }

    /// Takes the figures out of a `status` file.
    pub(crate) fn parse(status: &str) -> Self {
        let bytes = |name| field_kib(status, name);
        Self {
            resident: bytes("VmRSS"),
            anonymous: bytes("RssAnon"),
            files: bytes("RssFile"),
            shared: bytes("RssShmem"),
            swap: bytes("VmSwap"),
            peak: bytes("VmHWM"),
            virtual_size: bytes("VmSize"),
            locked: bytes("VmLck").map(|locked| locked.saturating_add(bytes("VmPin").unwrap_or(0))),
            page_tables: bytes("VmPTE"),
            main_stack: bytes("VmStk"),
            data: bytes("VmData"),
            threads: field_number(status, "Threads"),
        }
    }
}

/// `/proc/self/smaps_rollup`, in bytes: exact, and dear. Since Linux 4.14.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Rollup {
    /// Pages in memory.
    pub resident: Option<u64>,
    /// The same, each page divided by the number of processes that map it.
    pub proportional: Option<u64>,
    /// Pages that only this process has: what would be free if it ended.
    pub private: Option<u64>,
    /// Anonymous pages.
    pub anonymous: Option<u64>,
    /// Anonymous pages that the allocator has given back with `MADV_FREE` and the kernel has not
    /// taken yet: counted as resident, and no loss.
    pub lazily_freed: Option<u64>,
    /// Anonymous memory in transparent huge pages: why little data may hold much memory.
    pub huge: Option<u64>,
    /// Locked into memory.
    pub locked: Option<u64>,
    /// Swapped out.
    pub swap: Option<u64>,
}

impl Rollup {
    /// Reads `/proc/thread-self/smaps_rollup`; see the module for the price.
    pub(crate) fn read() -> Option<Self> {
        text("/proc/thread-self/smaps_rollup").map(|rollup| Self::parse(&rollup))
    }

    /// Takes the figures out of a `smaps_rollup` file.
    pub(crate) fn parse(rollup: &str) -> Self {
        let bytes = |name| field_kib(rollup, name);
        let private = [bytes("Private_Clean"), bytes("Private_Dirty")];
        Self {
            resident: bytes("Rss"),
            proportional: bytes("Pss"),
            private: private.into_iter().sum(),
            anonymous: bytes("Anonymous"),
            lazily_freed: bytes("LazyFree"),
            huge: bytes("AnonHugePages"),
            locked: bytes("Locked"),
            swap: bytes("Swap"),
        }
    }
}

/// `/proc/meminfo`, in bytes: the machine's memory, whoever uses it. 30 us.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Machine {
    /// All there is.
    pub total: Option<u64>,
    /// What could be had without swapping, by the kernel's estimate.
    pub available: Option<u64>,
}

impl Machine {
    /// Reads `/proc/meminfo`.
    pub(crate) fn read() -> Self {
        Self::parse(&text("/proc/meminfo").unwrap_or_default())
    }

    /// Takes the figures out of a `meminfo` file.
    pub(crate) fn parse(meminfo: &str) -> Self {
        Self {
            total: field_kib(meminfo, "MemTotal"),
            available: field_kib(meminfo, "MemAvailable"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tcat\nVmSize:\t    3060 kB\nVmLck:\t       8 kB\nVmPin:\t       4 kB\n\
        VmHWM:\t    1604 kB\nVmRSS:\t    1600 kB\nRssAnon:\t     112 kB\nRssFile:\t    1488 kB\n\
        RssShmem:\t       0 kB\nVmData:\t     360 kB\nVmStk:\t     132 kB\nVmPTE:\t      56 kB\n\
        VmSwap:\t       0 kB\nThreads:\t7\n";

    #[test]
    fn status_is_read_in_bytes() {
        let usage = Usage::parse(STATUS);
        assert_eq!(usage.resident, Some(1600 << 10));
        assert_eq!(usage.peak, Some(1604 << 10));
        assert_eq!(usage.shared, Some(0));
        assert_eq!(usage.locked, Some(12 << 10));
        assert_eq!(usage.threads, Some(7));
    }

    #[test]
    fn what_an_old_kernel_does_not_say_is_unknown() {
        let usage = Usage::parse("VmRSS:\t 4 kB\n");
        assert_eq!(
            (usage.resident, usage.anonymous, usage.swap),
            (Some(4096), None, None)
        );
        assert_eq!(
            Rollup::parse("Rss: 4 kB\nPrivate_Clean: 4 kB\n").private,
            None
        );
    }

    #[test]
    fn a_rollup_is_read_in_bytes() {
        let rollup = Rollup::parse(
            "00400000-7ffe0000 ---p 00000000 00:00 0     [rollup]\nRss:            2048 kB\n\
             Pss:            1024 kB\nPss_Dirty:       512 kB\nPrivate_Clean:    16 kB\n\
             Private_Dirty:    32 kB\nAnonymous:       900 kB\nLazyFree:         64 kB\n\
             AnonHugePages:     0 kB\nSwap:              8 kB\nSwapPss:           8 kB\nLocked: 0 kB\n",
        );
        assert_eq!(rollup.proportional, Some(1 << 20));
        assert_eq!(rollup.private, Some(48 << 10));
        assert_eq!(
            (rollup.lazily_freed, rollup.swap),
            (Some(64 << 10), Some(8 << 10))
        );
    }

    #[test]
    fn the_machine_has_a_total_and_what_is_left() {
        let machine =
            Machine::parse("MemTotal:       16313080 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\n");
        assert_eq!(
            (machine.total, machine.available),
            (Some(16_313_080 << 10), Some(2048))
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_a_peak_not_below_it() {
        let usage = Usage::read().unwrap();
        assert!(usage.resident.unwrap() > 100 << 10);
        assert!(usage.peak.unwrap() + (4 << 20) > usage.resident.unwrap());
    }
}
