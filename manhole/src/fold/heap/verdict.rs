//! The one sentence about the heap: how much, who holds it, and whether it grows.

use super::{
    sites::{Row, Sites, signed},
    tables::is_sure,
    words::pace,
};
use crate::{
    fold::{path, profile::walk::Site},
    model::{
        Severity, Verdict,
        heap::{Report, View, Wish},
    },
    render::{
        units::{self, bytes, bytes_change, percent},
        words::sentence,
    },
};

/// A place is named from this share of all on, in percent.
const WORTH_NAMING: f64 = 10.0;
/// Growth that is less than this share of what is live, an hour, is nothing to be alarmed of.
const ALARMING: f64 = 5.0;
/// Nor is growth of fewer bytes than this.
const LEAST: i64 = 64 << 10;
/// Who frees less of what it allocates than this share, in percent, keeps it.
const KEEPS: f64 = 20.0;
const HOUR: f64 = 3600.0 * 1e9;

/// The sentence about `sites`.
pub(super) fn verdict(sites: &Sites<'_>, report: &Report, wish: &Wish) -> Verdict {
    let (severity, text) = match sites.view {
        _ if sites.rows.is_empty() => (Severity::Ok, nothing(report)),
        View::Live => live(sites, report),
        View::Peak => (Severity::Ok, peak(sites, report)),
        View::Allocs => (Severity::Ok, allocs(sites, report)),
        View::Diff => diff(sites, report),
        View::Leaks => leaks(sites, report, wish),
    };
    Verdict {
        severity,
        text: sentence(&text),
    }
}

fn nothing(report: &Report) -> String {
    match report.rate {
        0 => "nothing was sampled: sampling is off (heap sampling 512KiB)".to_owned(),
        _ => "nothing was sampled yet".to_owned(),
    }
}

/// `2.31 GiB live; 1.64 GiB (71 %) is held by Cache::lookup and grows 1.00 GiB/h: probably a leak`.
fn live(sites: &Sites<'_>, report: &Report) -> (Severity, String) {
    let total = sites.total.now.live().bytes;
    let mut text = format!("{} live", bytes(total));
    let ns = report.window.as_ref().map_or(0, |window| window.ns);
    let growing = fastest(sites, ns);
    let first = sites.rows.iter().find(|row| short(sites, row).is_some());
    if let Some(first) = first.filter(|row| sites.share(row.now.live().bytes) >= WORTH_NAMING) {
        let held = first.now.live().bytes;
        let (held, share) = (bytes(held), percent(sites.share(held)));
        text.push_str(&format!(
            "; {held} ({share}) is held by {}",
            called(sites, first)
        ));
    }
    let Some(row) = growing else {
        return (Severity::Ok, text);
    };
    let grows = format!("grows {}", pace(row.change(), ns));
    match first.is_some_and(|first| first.site == row.site) {
        true => text.push_str(&format!(" and {grows}")),
        false => text.push_str(&format!("; {} {grows}", called(sites, row))),
    }
    if keeps(row) {
        text.push_str(": probably a leak");
    }
    (Severity::Warn, text)
}

/// The place that grows most, if that is alarming.
fn fastest<'s>(sites: &'s Sites<'_>, ns: u64) -> Option<&'s Row> {
    let total = sites.total.now.live().bytes;
    let alarming = |row: &&Row| {
        let an_hour = row.change() as f64 * HOUR / ns.max(1) as f64;
        row.change() >= LEAST
            && is_sure(row)
            && an_hour * 100.0 >= total as f64 * ALARMING
            && row.site.is_some()
    };
    let rows = sites.rows.iter().filter(alarming);
    rows.max_by_key(|row| row.change()).filter(|_| ns > 0)
}

/// Whether hardly any of what it allocated was freed.
fn keeps(row: &Row) -> bool {
    row.freed_again().is_some_and(|share| share < KEEPS)
}

fn peak(sites: &Sites<'_>, report: &Report) -> String {
    let now = sites.total.now.live().bytes;
    let mut text = format!(
        "{} were live {} ago, {} are now",
        bytes(report.peak_bytes),
        units::nanos(report.peak_age_ns),
        bytes(now)
    );
    text.push_str(&most(sites, "was held by"));
    text
}

fn allocs(sites: &Sites<'_>, report: &Report) -> String {
    let all = sites.total.bytes(View::Allocs);
    let mut text = match &report.window {
        Some(window) => {
            let rate = all as f64 * 1e9 / window.ns.max(1) as f64;
            let time = units::nanos(window.ns);
            format!(
                "{} allocated in {time}, {}",
                bytes(all),
                units::bytes_rate(rate)
            )
        }
        None => format!("{} allocated since the start", bytes(all)),
    };
    text.push_str(&most(sites, "by"));
    text
}

/// `; 61 % by pricing::reprice`.
fn most(sites: &Sites<'_>, verb: &str) -> String {
    let Some(first) = sites.rows.iter().find(|row| short(sites, row).is_some()) else {
        return String::new();
    };
    let share = sites.share(first.bytes(sites.view));
    match share >= WORTH_NAMING {
        true => format!("; {} {verb} {}", percent(share), called(sites, first)),
        false => String::new(),
    }
}

fn diff(sites: &Sites<'_>, report: &Report) -> (Severity, String) {
    let Some(window) = &report.window else {
        return (Severity::Ok, "nothing to compare with".to_owned());
    };
    let change = sites.total.change();
    let time = units::nanos(window.ns);
    let mut text = match change {
        0 => format!("as much live as {time} before"),
        _ => format!("{} live in {time}", bytes_change(change)),
    };
    let row = match fastest(sites, window.ns) {
        Some(row) => row,
        None => return (Severity::Ok, text),
    };
    let grown = sites.rows.iter().map(|row| row.change().max(0));
    let grown = grown.fold(0, i64::saturating_add);
    let share = row.change() as f64 * 100.0 / grown.max(1) as f64;
    let place = called(sites, row);
    text.push_str(&format!("; {} of the growth is {place}", percent(share)));
    if keeps(row) {
        text.push_str(", and hardly any of it was freed");
    }
    (Severity::Warn, text)
}

/// How a place grew, going by what is old: who only has much in flight does not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Growth {
    /// What is old now, less all that was live at the earlier look; 0 when that is less.
    pub bytes: i64,
    /// It is more than chance, and it went on in both halves of the time.
    pub sure: bool,
}

/// How `row` grew; `None` when it cannot be compared.
pub(super) fn grows(sites: &Sites<'_>, row: &Row) -> Option<Growth> {
    if row.unknown {
        return None;
    }
    let before = row.before.live().bytes;
    let grown = signed(row.old.bytes) - signed(before);
    let chance = 2.0 * (row.old_variance + row.before.variance).max(0.0).sqrt();
    Some(Growth {
        bytes: grown.max(0),
        sure: grown >= LEAST && grown as f64 > chance && goes_on(sites, row, grown),
    })
}

/// Whether growth did not come all at once: a fifth of it in either half of the time. Where nobody looked in
/// between, what is young has to be a third of what it would be.
fn goes_on(sites: &Sites<'_>, row: &Row, grown: i64) -> bool {
    let (before, old) = (signed(row.before.live().bytes), signed(row.old.bytes));
    match row.middle {
        Some(middle) => {
            let (first, second) = (signed(middle) - before, old - signed(middle));
            first >= grown / 5 && second >= grown / 5
        }
        None => {
            let young = signed(row.now.live().bytes) - old;
            let expected = grown as f64 * sites.young / (1.0 - sites.young).max(0.01);
            young as f64 * 3.0 >= expected
        }
    }
}

fn leaks(sites: &Sites<'_>, report: &Report, wish: &Wish) -> (Severity, String) {
    let old = sites.total.old.bytes;
    let age = units::nanos(wish.min_age_ns);
    let mut text = format!("{} is older than {age}", bytes(old));
    let Some(window) = &report.window else {
        text.push_str("; whether it grows is not known yet: no look is old enough");
        return (Severity::Ok, text);
    };
    let growth = |row: &&Row| grows(sites, row).filter(|growth| growth.sure);
    let leaking = sites.rows.iter().filter(|row| growth(row).is_some());
    let most = leaking.max_by_key(|row| growth(row).map(|growth| growth.bytes));
    let time = units::nanos(window.ns);
    let Some((row, growth)) = most.and_then(|row| Some((row, growth(&row)?))) else {
        text.push_str(&format!("; nothing of it kept growing in the last {time}"));
        return (Severity::Ok, text);
    };
    let freed = row.freed_again().map_or(String::new(), |share| {
        format!(", {} freed again", percent(share))
    });
    let (place, grown) = (called(sites, row), bytes_change(growth.bytes));
    text.push_str(&format!(
        "; {place} keeps growing, {grown} in {time}{freed}: probably a leak"
    ));
    (Severity::Warn, text)
}

/// What a place is called in a sentence.
fn called(sites: &Sites<'_>, row: &Row) -> String {
    short(sites, row).unwrap_or_else(|| sites.names(row).0)
}

/// The name of a place in two words, if it has one that can be asked for.
pub(super) fn short(sites: &Sites<'_>, row: &Row) -> Option<String> {
    let (Some(Site::Function(_) | Site::Hidden(..)), (name, _)) = (row.site, sites.names(row))
    else {
        return None;
    };
    let tail = path::tail(&name).trim_end_matches("{}");
    (!tail.starts_with('[')).then(|| tail.to_owned())
}
