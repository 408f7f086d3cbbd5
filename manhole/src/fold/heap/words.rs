//! Words that the views of the heap share.

use crate::{
    model::heap::{Heap, Report, View, Window, Wish},
    render::units,
};

const MINUTE: u64 = 60_000_000_000;

/// What is looked at.
pub(super) fn about(heap: &Heap, wish: &Wish, source: Option<&str>) -> String {
    let report = &heap.report;
    let mut about = match (wish.view, &report.window) {
        (View::Live, _) => "live".to_owned(),
        (View::Peak, _) => "live at the peak".to_owned(),
        (View::Allocs, None) => "allocated since the start".to_owned(),
        (View::Allocs, Some(window)) => format!("allocated in {}", units::nanos(window.ns)),
        (View::Diff, None) => "live".to_owned(),
        (View::Diff, Some(window)) => between(window),
        (View::Leaks, _) => format!("live for {} or longer", units::nanos(wish.min_age_ns)),
    };
    about.push_str(&match report.rate {
        0 => ", sampling is off".to_owned(),
        1 => ", every allocation".to_owned(),
        rate => format!(", 1 sample per {}", units::bytes(rate)),
    });
    let (kept, dropped) = (report.live_samples, report.dropped);
    let (kept, dropped) = (units::count(kept), units::count(dropped));
    about.push_str(&format!(", {kept} kept, {dropped} dropped"));
    if let Some(source) = source {
        about.push_str(&format!("; names {source}"));
    }
    about
}

/// What is to be said of stacks that are not whole, if there are any to speak of.
pub(super) fn cut(report: &Report) -> Option<String> {
    let share = report.cut_bytes as f64 * 100.0 / report.live.bytes.max(1) as f64;
    let share = units::percent(share);
    (report.cut_bytes > 0).then(|| {
        format!("of {share} of what is live the stack is cut: its outer callers are not known")
    })
}

/// `02:20:07Z (kept by itself) -> 03:20:12Z, 60 min`.
fn between(window: &Window) -> String {
    let look = |unix_ns: u64, from: &str| {
        let time = units::time_utc(unix_ns);
        let time = time.split('T').nth(1).unwrap_or(&time);
        match from.is_empty() {
            true => time.to_owned(),
            false => format!("{time} ({from})"),
        }
    };
    format!(
        "{} -> {}, {}",
        look(window.from_unix_ns, &window.from),
        look(window.to_unix_ns, &window.to),
        units::nanos(window.ns)
    )
}

/// The heading of what changed in a time.
pub(super) fn in_time(ns: u64) -> &'static str {
    const TIMES: [(u64, &str); 3] = [
        (60 * MINUTE, "in 1 h"),
        (10 * MINUTE, "in 10 min"),
        (MINUTE, "in 1 min"),
    ];
    let near = |time: u64| ns.abs_diff(time) <= time / 4;
    let found = TIMES.iter().find(|(time, _)| near(*time));
    found.map_or("change", |(_, words)| words)
}

/// How fast `bytes` in `ns` are: by the hour, of a short time by the minute.
pub(super) fn pace(bytes: i64, ns: u64) -> String {
    let (unit, word) = match ns {
        ns if ns < 8 * MINUTE => (MINUTE, "min"),
        _ => (60 * MINUTE, "h"),
    };
    let per_unit = bytes as f64 * unit as f64 / ns.max(1) as f64;
    format!("{}/{word}", units::bytes(per_unit.abs() as u64))
}

/// One character for each amount, the higher the more; a space for none.
pub(super) fn bars(amounts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = amounts.iter().copied().max().unwrap_or(0);
    let bar = |amount: u64| match (amount, most) {
        (0, _) | (_, 0) => ' ',
        (amount, most) => {
            let height = (amount as f64 * 7.0 / most as f64).round() as usize;
            BARS.get(height).copied().unwrap_or('█')
        }
    };
    amounts.iter().map(|amount| bar(*amount)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::heap::Amount;

    #[test]
    fn a_pace_is_told_by_the_hour_or_by_the_minute() {
        let check = |bytes: i64, minutes: u64, expected: &str| {
            assert_eq!(pace(bytes, minutes * MINUTE), expected);
        };
        check(1 << 30, 60, "1.00 GiB/h");
        check(-(1 << 30), 120, "512 MiB/h");
        check(14 << 20, 1, "14.0 MiB/min");
        check(0, 0, "0/min");
    }

    #[test]
    fn stacks_that_are_cut_are_told() {
        let check = |cut_bytes: u64, expected: Option<&str>| {
            let live = Amount {
                bytes: 200,
                objects: 1,
            };
            let report = Report {
                cut_bytes,
                live,
                ..Report::default()
            };
            assert_eq!(cut(&report).as_deref(), expected);
        };
        check(0, None);
        let said = "of 50 % of what is live the stack is cut: its outer callers are not known";
        check(100, Some(said));
    }

    #[test]
    fn bars_are_as_high_as_their_share() {
        assert_eq!(bars(&[0, 1, 4, 8]), " ▂▅█");
        assert_eq!(bars(&[0, 0]), "  ");
        assert_eq!(bars(&[]), "");
    }

    #[test]
    fn the_heading_says_the_time() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(in_time(seconds * 1_000_000_000), expected);
        };
        check(3600, "in 1 h");
        check(4000, "in 1 h");
        check(610, "in 10 min");
        check(60, "in 1 min");
        check(1500, "change");
    }
}
