//! Pressure stall information: the share of time that work stood still for want of a resource.

/// One `*.pressure` file.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Pressure {
    /// Some of the threads stood still.
    pub some: Stall,
    /// All of them did; not kept for the processor by older kernels.
    pub full: Option<Stall>,
}

/// Shares of time in percent, over the last 10, 60 and 300 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub(crate) struct Stall {
    /// Percent of the last 10 s.
    pub last_10_s: f64,
    /// Percent of the last minute.
    pub last_60_s: f64,
    /// Percent of the last five minutes.
    pub last_300_s: f64,
    /// Time since the start, in nanoseconds.
    pub total_ns: u64,
}

impl Pressure {
    /// Parses a `*.pressure` file; `None` when it has no line "some".
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let stall = |kind| {
            text.lines()
                .find_map(|line| Stall::parse(line.strip_prefix(kind)?))
        };
        Some(Self {
            some: stall("some ")?,
            full: stall("full "),
        })
    }
}

impl Stall {
    fn parse(line: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut words = line.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        Some(Self {
            last_10_s: value("avg10")?.parse().ok()?,
            last_60_s: value("avg60")?.parse().ok()?,
            last_300_s: value("avg300")?.parse().ok()?,
            total_ns: value("total")?.parse::<u64>().ok()?.saturating_mul(1000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let text = "some avg10=1.53 avg60=0.50 avg300=0.10 total=12345\n\
                    full avg10=0.30 avg60=0.00 avg300=0.00 total=7\n";
        let pressure = Pressure::parse(text).unwrap();
        assert_eq!(pressure.some.last_10_s, 1.53);
        assert_eq!(pressure.some.total_ns, 12_345_000);
        assert_eq!(pressure.full.map(|full| full.last_10_s), Some(0.3));
    }

    #[test]
    fn what_is_missing_or_odd_is_none() {
        assert_eq!(Pressure::parse(""), None);
        assert_eq!(
            Pressure::parse("some avg10=x avg60=0 avg300=0 total=0"),
            None
        );
        let old = Pressure::parse("some avg10=0.00 avg60=0.00 avg300=0.00 total=0").unwrap();
        assert_eq!(old.full, None);
    }
}
