//! The limits of the process (`/proc/self/limits`), beside what is used of them where that is known.
//!
//! Reading costs 20 us and the count of descriptors.

use super::{clock, fds, memory::Usage, procfs};

/// What a limit counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds of CPU time.
    Seconds,
    /// Microseconds of real-time scheduling without a pause.
    Micros,
    /// Things, or a priority.
    Count,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Its short name, as `ulimit` and `prlimit` have it: `nofile`.
    pub name: &'static str,
    /// What it bounds, in a few words.
    pub about: &'static str,
    /// What it counts in.
    pub unit: Unit,
    /// The limit in force; `None` is "unlimited".
    pub soft: Option<u64>,
    /// How far the process may raise it; `None` is "unlimited".
    pub hard: Option<u64>,
    /// Used now; `None` when it is not known.
    pub used: Option<u64>,
}

impl Limit {
    /// Share of the limit that is used, in percent; `None` without a limit or a figure.
    pub(crate) fn percent(&self) -> Option<f64> {
        let limit = self.soft.filter(|limit| *limit > 0)?;
        Some(self.used? as f64 * 100.0 / limit as f64)
    }
}

/// The kernel's name, ours, what it bounds, unit.
const NAMES: [(&str, &str, &str, Unit); 16] = [
    ("Max open files", "nofile", "open descriptors", Unit::Count),
    (
        "Max processes",
        "nproc",
        "processes and threads of this user",
        Unit::Count,
    ),
    ("Max address space", "as", "address space", Unit::Bytes),
    (
        "Max data size",
        "data",
        "private writable memory",
        Unit::Bytes,
    ),
    (
        "Max stack size",
        "stack",
        "main thread's stack",
        Unit::Bytes,
    ),
    (
        "Max locked memory",
        "memlock",
        "memory locked or pinned",
        Unit::Bytes,
    ),
    (
        "Max pending signals",
        "sigpending",
        "queued signals and timers of this user",
        Unit::Count,
    ),
    ("Max cpu time", "cpu", "CPU time", Unit::Seconds),
    ("Max core file size", "core", "core dump", Unit::Bytes),
    (
        "Max file size",
        "fsize",
        "size of a file it writes",
        Unit::Bytes,
    ),
    (
        "Max msgqueue size",
        "msgqueue",
        "message queues of this user",
        Unit::Bytes,
    ),
    ("Max file locks", "locks", "file locks", Unit::Count),
    (
        "Max nice priority",
        "nice",
        "how far nice may be lowered",
        Unit::Count,
    ),
    (
        "Max realtime priority",
        "rtprio",
        "real-time priority",
        Unit::Count,
    ),
    (
        "Max realtime timeout",
        "rttime",
        "real-time without a pause",
        Unit::Micros,
    ),
    (
        "Max resident set",
        "rss",
        "not enforced by Linux",
        Unit::Bytes,
    ),
];

/// All limits with their use, the ones that bite first.
pub(crate) fn read() -> Option<Vec<Limit>> {
    let mut limits = parse(&procfs::text("/proc/self/limits")?);
    let usage = Usage::read().unwrap_or_default();
    let status = procfs::text("/proc/thread-self/status").unwrap_or_default();
    for limit in &mut limits {
        limit.used = match limit.name {
            "nofile" => fds::count(),
            "as" => usage.virtual_size,
            "data" => usage.data,
            "stack" => usage.main_stack,
            "memlock" => usage.locked,
            "sigpending" => pending(&status),
            "cpu" => clock::process_cpu_ns().map(|ns| ns / 1_000_000_000),
            _ => None,
        };
    }
    Some(limits)
}

/// The soft and hard limit of open descriptors; `None` inside is "unlimited". 5 us.
pub(crate) fn descriptors() -> Option<Limit> {
    let limits = parse(&procfs::text("/proc/self/limits")?);
    limits.into_iter().find(|limit| limit.name == "nofile")
}

/// Signals queued for all processes of the user: "SigQ: 12/96350".
fn pending(status: &str) -> Option<u64> {
    procfs::field(status, "SigQ")?
        .split('/')
        .next()?
        .parse()
        .ok()
}

/// Parses the table; lines that are not known are left out.
pub(crate) fn parse(text: &str) -> Vec<Limit> {
    let known = NAMES.iter().filter_map(|(kernel, name, about, unit)| {
        let line = text.lines().find_map(|line| line.strip_prefix(kernel))?;
        let mut values = line.split_ascii_whitespace();
        Some(Limit {
            name,
            about,
            unit: *unit,
            soft: parse_value(values.next()?)?,
            hard: parse_value(values.next()?)?,
            used: None,
        })
    });
    known.collect()
}

/// `Some(None)` is "unlimited".
fn parse_value(word: &str) -> Option<Option<u64>> {
    match word {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max cpu time              unlimited            unlimited            seconds   \n\
        Max stack size            8388608              unlimited            bytes     \n\
        Max open files            1024                 20000                files     \n\
        Max nice priority         0                    0                    \n\
        Max something new         1                    2                    things    \n";

    #[test]
    fn limits_are_read_and_the_biting_ones_come_first() {
        let limits = parse(TEXT);
        let names: Vec<_> = limits.iter().map(|limit| limit.name).collect();
        assert_eq!(names, ["nofile", "stack", "cpu", "nice"]);
        assert_eq!((limits[0].soft, limits[0].hard), (Some(1024), Some(20_000)));
        assert_eq!((limits[1].soft, limits[1].hard), (Some(8 << 20), None));
        assert_eq!((limits[2].soft, limits[3].soft), (None, Some(0)));
    }

    #[test]
    fn a_share_needs_a_limit_and_a_figure() {
        let check = |soft, used, expected| {
            let mut limit = parse(TEXT).remove(0);
            (limit.soft, limit.used) = (soft, used);
            assert_eq!(limit.percent(), expected);
        };
        check(Some(1024), Some(256), Some(25.0));
        check(None, Some(256), None);
        check(Some(1024), None, None);
        check(Some(0), Some(0), None);
    }

    #[test]
    fn pending_signals_stand_before_the_slash() {
        assert_eq!(pending("SigQ:\t12/96350\n"), Some(12));
        assert_eq!(pending(""), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_real_ones_have_their_use() {
        let limits = read().unwrap();
        assert_eq!(limits.len(), NAMES.len());
        let files = &limits[0];
        assert!(files.used.unwrap() > 2 && files.percent().is_none_or(|share| share < 100.0));
    }
}
