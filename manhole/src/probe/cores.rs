//! How many cores the process may use.

use super::{
    cgroup::Cpu,
    procfs::{field, text},
};

/// The cores of the machine as far as the process may use them.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Cores {
    /// Cores that its affinity allows.
    pub allowed: Option<u32>,
    /// Cores' worth of time that its cgroup allows.
    pub quota: Option<f64>,
}

impl Cores {
    /// Reads the leader's affinity and the cgroup's quota; 50 us.
    pub(crate) fn read() -> Self {
        let status = text("/proc/self/status").unwrap_or_default();
        Self {
            allowed: field(&status, "Cpus_allowed_list").and_then(parse_list),
            quota: Cpu::read_own().limit_cores,
        }
    }

    /// What the process can use at most, whichever bound is lower.
    pub(crate) fn most(&self) -> Option<f64> {
        let allowed = self.allowed.map(f64::from);
        match (allowed, self.quota) {
            (Some(allowed), Some(quota)) => Some(allowed.min(quota)),
            (allowed, quota) => allowed.or(quota),
        }
    }
}

/// How many numbers "0-3,8" holds.
fn parse_list(list: &str) -> Option<u32> {
    let ranges = list.split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    });
    ranges.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores_are_counted() {
        let check = |list: &str, expected| assert_eq!(parse_list(list), expected, "{list}");
        check("0-1", Some(2));
        check("0-3,8,10-11", Some(7));
        check("5", Some(1));
        check("", None);
        check("3-1", None);
        check("a", None);
    }

    #[test]
    fn the_lower_bound_counts() {
        let check =
            |allowed, quota, expected| assert_eq!(Cores { allowed, quota }.most(), expected);
        check(Some(8), Some(1.5), Some(1.5));
        check(Some(2), Some(4.0), Some(2.0));
        check(Some(2), None, Some(2.0));
        check(None, None, None);
    }
}
