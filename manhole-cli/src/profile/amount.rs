//! Values with their units, on one scale for a whole column, so that one can compare them at a glance.

/// How values of one table are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    divisor: f64,
    unit: &'static str,
    digits: usize,
    signed: bool,
}

const TIMES: [(f64, &str); 4] = [(1e9, " s"), (1e6, " ms"), (1e3, " us"), (1.0, " ns")];
const SIZES: [(f64, &str); 4] = [
    (1_073_741_824.0, " GiB"),
    (1_048_576.0, " MiB"),
    (1024.0, " KiB"),
    (1.0, " B"),
];

impl Scale {
    /// For values in `unit` of which `whole` is the largest; with signs when they are changes.
    pub(super) fn of(unit: &str, whole: i64, signed: bool) -> Self {
        let steps = match unit {
            "nanoseconds" => &TIMES[..],
            "microseconds" => &[(1e6, " s"), (1e3, " ms"), (1.0, " us")],
            "milliseconds" => &[(1e3, " s"), (1.0, " ms")],
            "seconds" => &[(1.0, " s")],
            "bytes" => &SIZES[..],
            _ => &[(1.0, "")],
        };
        let whole = whole.unsigned_abs() as f64;
        let fits = steps.iter().find(|(divisor, _)| whole >= *divisor);
        let (divisor, unit) = fits.or(steps.last()).copied().unwrap_or((1.0, ""));
        Self {
            divisor,
            unit,
            digits: if divisor > 1.0 { 2 } else { 0 },
            signed,
        }
    }

    /// `4.76 s`, `1,204`, `+12.00 MiB`.
    pub(super) fn text(&self, value: i64) -> String {
        if value == 0 {
            return "0".to_owned();
        }
        let sign = match value {
            value if value < 0 => "-",
            _ if self.signed => "+",
            _ => "",
        };
        let scaled = value.unsigned_abs() as f64 / self.divisor;
        let number = match self.digits {
            0 => manhole::client::units::count(value.unsigned_abs()),
            digits => format!("{scaled:.digits$}"),
        };
        format!("{sign}{number}{}", self.unit)
    }

    /// The same for what is no change.
    pub(super) fn size(&self, value: i64) -> String {
        let unsigned = Self {
            signed: false,
            ..*self
        };
        unsigned.text(value)
    }

    /// The divisor and the unit, for programs that do the dividing themselves.
    pub(super) fn parts(&self) -> (f64, &'static str) {
        (self.divisor, self.unit.trim_start())
    }
}

/// `23.1`: the share of `part` in `whole`.
pub(super) fn percent(part: i64, whole: i64) -> String {
    match whole {
        0 => "0.0".to_owned(),
        whole => format!("{:.1}", part as f64 / whole as f64 * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_has_one_unit() {
        let check = |unit: &str, whole: i64, value: i64, expected: &str| {
            assert_eq!(Scale::of(unit, whole, false).text(value), expected);
        };
        check("nanoseconds", 20_600_000_000, 4_760_000_000, "4.76 s");
        check("nanoseconds", 20_600_000_000, 60_000_000, "0.06 s");
        check("nanoseconds", 20_600_000, 60_000, "0.06 ms");
        check("nanoseconds", 7, 7, "7 ns");
        check("bytes", 3 << 30, 1 << 29, "0.50 GiB");
        check("bytes", 100, -100, "-100 B");
        check("count", 5000, 1204, "1,204");
        check("seconds", 0, 0, "0");
        check("", i64::MIN, i64::MIN, "-9,223,372,036,854,775,808");
        assert_eq!(Scale::of("bytes", 2048, true).text(1024), "+1.00 KiB");
        assert_eq!(percent(1, 3), "33.3");
        assert_eq!(percent(1, 0), "0.0");
    }
}
