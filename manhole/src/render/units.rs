//! Numbers as people read them: binary bytes and times with their unit, counts with commas, UTC.
//!
//! Every function rounds to nearest, so that a figure is at most half of its last digit away.

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// Bytes in three digits: `2.91 GiB`, `481 MiB`, `512 B`, `0`.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1000 {
        return if bytes == 0 {
            "0".to_owned()
        } else {
            format!("{bytes} B")
        };
    }
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    format!("{} {unit}", three_digits(value))
}

/// `2.91`, `12.3`, `481`.
fn three_digits(value: f64) -> String {
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// A change in bytes: `+1.02 GiB`, `0`, `-4.00 MiB`.
pub fn bytes_change(change: i64) -> String {
    sign(change).to_owned() + &bytes(change.unsigned_abs())
}

/// Bytes per second: `292 KiB/s`, `0`; `-` if it is no number.
pub fn bytes_rate(per_second: f64) -> String {
    match per_second {
        value if !value.is_finite() => "-".to_owned(),
        value if value.abs() < 0.5 => "0".to_owned(),
        value => format!(
            "{}{}/s",
            if value < 0.0 { "-" } else { "" },
            bytes(value.abs().round() as u64)
        ),
    }
}

/// A time: `85 us`, `0.4 ms`, `2.1 s`, `4m 12s`, `2h 8m`, `3d 4h`, `0`.
pub fn nanos(nanos: u64) -> String {
    match nanos {
        0 => "0".to_owned(),
        1..1_000 => format!("{nanos} ns"),
        1_000..99_950 => two_digits(nanos, 1_000, "us"),
        99_950..999_500_000 => two_digits(nanos, 1_000_000, "ms"),
        999_500_000..59_500_000_000 => two_digits(nanos, NANOS_PER_SECOND, "s"),
        _ => long_time(nanos.saturating_add(NANOS_PER_SECOND / 2) / NANOS_PER_SECOND),
    }
}

/// With one decimal below 10, unless that is 0.
fn two_digits(value: u64, unit: u64, name: &str) -> String {
    let tenths = (value * 10 + unit / 2) / unit;
    match (tenths / 10, tenths % 10) {
        (whole @ ..10, tenth @ 1..) => format!("{whole}.{tenth} {name}"),
        _ => format!("{} {name}", (value + unit / 2) / unit),
    }
}

fn long_time(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match hours {
        0 => format!("{minutes}m {:02}s", seconds % 60),
        1..24 => format!("{hours}h {}m", minutes % 60),
        _ => format!("{}d {}h", hours / 24, hours % 24),
    }
}

/// How many: `1,204`.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many by an estimate, in the digits that it deserves: `1,204`, `90 k`, `3.6 M`, `48 G`.
pub fn estimate(count: u64) -> String {
    const UNITS: [&str; 5] = ["k", "M", "G", "T", "P"];
    if count < 10_000 {
        return self::count(count);
    }
    let mut value = count as f64;
    let mut unit = "";
    for next in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, next);
    }
    let decimals = usize::from(value < 9.95);
    format!("{value:.decimals$} {unit}")
}

/// A change in a count: `+3`, `0`, `-1,204`.
pub fn count_change(change: i64) -> String {
    sign(change).to_owned() + &count(change.unsigned_abs())
}

fn sign(change: i64) -> &'static str {
    match change {
        ..0 => "-",
        0 => "",
        _ => "+",
    }
}

/// A share, 0 to 100: `73 %`, `9.8 %`, `0 %`; `-` if it is no number.
pub fn percent(share: f64) -> String {
    match share {
        share if !share.is_finite() => "-".to_owned(),
        share if share != 0.0 && share.abs() < 9.95 => format!("{share:.1} %"),
        share => format!("{:.0} %", share + 0.0),
    }
}

/// A share for a column that says `%` itself: always with one decimal, so that points align.
pub fn percent_number(share: f64) -> String {
    match share.is_finite() {
        true => format!("{:.1}", share + 0.0),
        false => "-".to_owned(),
    }
}

/// Events per second: `412/s`, `0.3/s`, `<0.1/s`, `0`; `-` if it is no number.
pub fn rate(per_second: f64) -> String {
    match per_second {
        rate if !rate.is_finite() => "-".to_owned(),
        0.0 => "0".to_owned(),
        rate if rate.abs() < 0.05 => "<0.1/s".to_owned(),
        rate if rate.abs() < 9.95 => format!("{rate:.1}/s"),
        rate if rate < 0.0 => format!("-{}/s", count(rate.abs().round() as u64)),
        rate => format!("{}/s", count(rate.round() as u64)),
    }
}

/// A plain number with at most three decimals: `0.52`, `3`, `1.5e12`; `-` if it is no number.
pub fn float(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "-".to_owned()
    } else if size != 0.0 && !(0.001..1e9).contains(&size) {
        format!("{value:e}")
    } else {
        let text = format!("{:.3}", value + 0.0);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// A number with two decimals: `3.96`; `-` if it is no number.
pub fn hundredths(value: f64) -> String {
    match value.is_finite() {
        true => format!("{:.2}", value + 0.0),
        false => "-".to_owned(),
    }
}

/// A moment, in nanoseconds since the epoch: `2026-11-21T03:12:44Z`.
pub fn time_utc(unix_ns: u64) -> String {
    format!("{}Z", date_and_time(unix_ns))
}

/// The same with milliseconds, for programs: `2026-11-21T03:12:44.123Z`.
pub fn time_utc_millis(unix_ns: u64) -> String {
    let millis = unix_ns % NANOS_PER_SECOND / 1_000_000;
    format!("{}.{millis:03}Z", date_and_time(unix_ns))
}

/// The same as HTTP has it in its headers: `Sat, 21 Nov 2026 03:12:44 GMT`.
pub fn time_http(unix_ns: u64) -> String {
    const DAYS: &str = "ThuFriSatSunMonTueWed"; // 1970 began on a Thursday
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let days = unix_ns / NANOS_PER_SECOND / 86_400;
    let (year, month, day) = civil(days);
    let word = |words: &'static str, at: u64| {
        let at = 3 * usize::try_from(at).unwrap_or(0);
        words.get(at..at + 3).unwrap_or("")
    };
    let (weekday, month) = (word(DAYS, days % 7), word(MONTHS, month - 1));
    let (hour, minute, second) = clock(unix_ns);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

fn date_and_time(unix_ns: u64) -> String {
    let (year, month, day) = civil(unix_ns / NANOS_PER_SECOND / 86_400);
    let (hour, minute, second) = clock(unix_ns);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

fn clock(unix_ns: u64) -> (u64, u64, u64) {
    let seconds = unix_ns / NANOS_PER_SECOND;
    (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Years are reckoned from March, so that the leap day is the last of its year, and in eras of 400
/// years, after which the calendar repeats.
fn civil(day: u64) -> (u64, u64, u64) {
    const DAYS_PER_ERA: u64 = 146_097;
    // From 0000-03-01 to 1970-01-01.
    let day = day + 719_468;
    let (era, day) = (day / DAYS_PER_ERA, day % DAYS_PER_ERA);
    let leap_days = day / 1_460 + day / (DAYS_PER_ERA - 1);
    let year = (day + day / 36_524 - leap_days) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // March to July and August to December both have 153 days.
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let (month, next_year) = match from_march {
        ..10 => (from_march + 3, 0),
        _ => (from_march - 9, 1),
    };
    (400 * era + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Copy>(show: impl Fn(T) -> String, cases: &[(T, &str)]) {
        for (value, expected) in cases {
            assert_eq!(show(*value), *expected);
        }
    }

    #[test]
    fn an_estimate_has_no_digits_that_it_does_not_deserve() {
        let cases = [
            (0, "0"),
            (1_204, "1,204"),
            (11_264, "11 k"),
            (90_412, "90 k"),
            (138_000, "138 k"),
            (999_600, "1.0 M"),
            (3_604_112, "3.6 M"),
            (48_000_000_000, "48 G"),
            (u64::MAX, "18447 P"),
        ];
        check(estimate, &cases);
    }

    #[test]
    fn bytes_have_three_digits_in_every_unit() {
        const MIB: u64 = 1 << 20;
        check(
            bytes,
            &[
                (0, "0"),
                (1, "1 B"),
                (512, "512 B"),
                (999, "999 B"),
                (1000, "0.98 KiB"),
                (1024, "1.00 KiB"),
                (10_234, "9.99 KiB"),
                (10_235, "10.0 KiB"),
                (102_348, "99.9 KiB"),
                (102_349, "100 KiB"),
                (1_023_487, "999 KiB"),
                (1_023_488, "0.98 MiB"),
                (481 * MIB, "481 MiB"),
                (4096 * MIB, "4.00 GiB"),
                (u64::MAX, "16.0 EiB"),
            ],
        );
    }

    #[test]
    fn changes_carry_their_sign() {
        check(
            bytes_change,
            &[
                (0, "0"),
                (1 << 30, "+1.00 GiB"),
                (-(4 << 20), "-4.00 MiB"),
                (i64::MIN, "-8.00 EiB"),
            ],
        );
        check(
            count_change,
            &[
                (3, "+3"),
                (0, "0"),
                (-1204, "-1,204"),
                (i64::MIN, "-9,223,372,036,854,775,808"),
            ],
        );
    }

    #[test]
    fn times_have_two_parts_at_most() {
        const S: u64 = NANOS_PER_SECOND;
        check(
            nanos,
            &[
                (0, "0"),
                (999, "999 ns"),
                (1_000, "1 us"),
                (85_000, "85 us"),
                (99_949, "100 us"),
                (99_950, "0.1 ms"),
                (412_345, "0.4 ms"),
                (9_949_999, "9.9 ms"),
                (9_950_000, "10 ms"),
                (999_499_999, "999 ms"),
                (999_500_000, "1 s"),
                (2_100_000_000, "2.1 s"),
                (59_499_999_999, "59 s"),
                (59_500_000_000, "1m 00s"),
                (252 * S, "4m 12s"),
                (3600 * S - 1, "1h 0m"),
                (2 * 3600 * S + 8 * 60 * S + 59 * S, "2h 8m"),
                (3 * 86_400 * S + 4 * 3600 * S, "3d 4h"),
                (u64::MAX, "213503d 23h"),
            ],
        );
    }

    #[test]
    fn counts_have_commas() {
        check(
            count,
            &[
                (0, "0"),
                (999, "999"),
                (1_204, "1,204"),
                (8_120_334, "8,120,334"),
                (u64::MAX, "18,446,744,073,709,551,615"),
            ],
        );
    }

    #[test]
    fn shares_have_a_decimal_below_10() {
        check(
            percent,
            &[
                (0.0, "0 %"),
                (-0.0, "0 %"),
                (0.3, "0.3 %"),
                (9.94, "9.9 %"),
                (9.95, "10 %"),
                (73.4, "73 %"),
                (100.0, "100 %"),
                (f64::NAN, "-"),
            ],
        );
        check(
            percent_number,
            &[(0.0, "0.0"), (99.84, "99.8"), (f64::INFINITY, "-")],
        );
    }

    #[test]
    fn rates_are_per_second_and_never_zero_for_something() {
        check(
            rate,
            &[
                (0.0, "0"),
                (0.01, "<0.1/s"),
                (0.3, "0.3/s"),
                (9.95, "10/s"),
                (2_100_000.0, "2,100,000/s"),
                (-12.0, "-12/s"),
                (f64::NAN, "-"),
            ],
        );
        check(
            bytes_rate,
            &[
                (0.0, "0"),
                (299_008.0, "292 KiB/s"),
                (-2048.0, "-2.00 KiB/s"),
                (f64::NAN, "-"),
            ],
        );
    }

    #[test]
    fn plain_numbers_are_short() {
        check(
            float,
            &[
                (0.0, "0"),
                (-0.0, "0"),
                (0.52, "0.52"),
                (3.0, "3"),
                (1.0 / 3.0, "0.333"),
                (1200.0, "1200"),
                (1.5e12, "1.5e12"),
                (0.0001, "1e-4"),
                (f64::NEG_INFINITY, "-"),
            ],
        );
    }

    #[test]
    fn clock_times_are_utc() {
        let seconds = |seconds: u64| time_utc(seconds * NANOS_PER_SECOND);
        check(
            seconds,
            &[
                (0, "1970-01-01T00:00:00Z"),
                (68_256_000, "1972-03-01T00:00:00Z"),
                (951_782_399, "2000-02-28T23:59:59Z"),
                (951_782_400, "2000-02-29T00:00:00Z"),
                (1_795_230_764, "2026-11-21T03:12:44Z"),
                (4_107_542_399, "2100-02-28T23:59:59Z"),
                (4_107_542_400, "2100-03-01T00:00:00Z"),
                (18_446_744_073, "2554-07-21T23:34:33Z"),
            ],
        );
        assert_eq!(
            time_utc_millis(1_795_230_764_123_999_999),
            "2026-11-21T03:12:44.123Z"
        );
    }

    #[test]
    fn http_has_words_in_its_dates() {
        let seconds = |seconds: u64| time_http(seconds * NANOS_PER_SECOND);
        check(
            seconds,
            &[
                (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
                (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
                (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
                (1_795_230_764, "Sat, 21 Nov 2026 03:12:44 GMT"),
            ],
        );
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..300_000 {
            assert_eq!(civil(number), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let days = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            (month, day) = if day == days {
                (month + 1, 1)
            } else {
                (month, day + 1)
            };
            (year, month) = if month == 13 {
                (year + 1, 1)
            } else {
                (year, month)
            };
        }
    }
}
