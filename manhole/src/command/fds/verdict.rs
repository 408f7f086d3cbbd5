//! The one sentence about descriptors: how many of how many, since when, and what leaks.

use super::{Facts, group::Rank};
use crate::{command::memory::verdict::about, model::Severity, render::units};
use std::time::Duration;

/// Shares of the limit, in percent.
const WARN_PERCENT: f64 = 80.0;
const BAD_PERCENT: f64 = 95.0;
/// Full before this: worth waking somebody up.
const SOON: Duration = Duration::from_secs(3600);
/// Connections that the peer closed: more than chance leaves lying about.
const LEAK: u64 = 100;
/// Deleted files that hold this much of the disk.
const DELETED_BYTES: u64 = 1 << 30;

/// Severity and sentence.
pub(super) fn verdict(facts: &Facts) -> (Severity, String) {
    let (mut severity, mut text) = level(facts);
    if let Some((worse, growth)) = growth(facts) {
        severity = severity.max(worse);
        text.push_str(&growth);
    }
    text.push('.');
    for (worse, more) in [leaked(facts), deleted(facts)].into_iter().flatten() {
        severity = severity.max(worse);
        text.push_str(&format!(" {more}."));
    }
    (severity, text)
}

/// "9,812 of 10,240 (96 %)".
fn level(facts: &Facts) -> (Severity, String) {
    let open = units::count(facts.open);
    let Some(limit) = facts.limit.filter(|limit| *limit > 0) else {
        return (Severity::Ok, format!("{open} open, no limit"));
    };
    let percent = facts.open as f64 * 100.0 / limit as f64;
    let severity = match percent {
        BAD_PERCENT.. => Severity::Bad,
        WARN_PERCENT.. => Severity::Warn,
        _ => Severity::Ok,
    };
    (
        severity,
        format!(
            "{open} of {} ({})",
            units::count(limit),
            units::percent(percent)
        ),
    )
}

/// ", +41/min: full in about 10 min", by the rule of the trend.
fn growth(facts: &Facts) -> Option<(Severity, String)> {
    let trend = facts.trend.filter(|trend| trend.matters(facts.open))?;
    let per_minute = (trend.per_second * 60.0).round() as i64;
    let text = match per_minute {
        0 => format!(
            ", +{}/h",
            units::count((trend.per_second * 3600.0).round() as u64)
        ),
        _ => format!(", {}/min", units::count_change(per_minute)),
    };
    let Some(full) = facts
        .limit
        .and_then(|limit| trend.reaches(facts.open, limit))
    else {
        return Some((Severity::Ok, text));
    };
    let severity = if full <= SOON {
        Severity::Bad
    } else {
        Severity::Warn
    };
    Some((severity, format!("{text}: full in about {}", about(full))))
}

fn leaked(facts: &Facts) -> Option<(Severity, String)> {
    let leaked = facts
        .groups
        .iter()
        .filter(|group| group.rank == Rank::Leaked);
    let count: u64 = leaked.map(|group| group.count).sum();
    let many = count >= LEAK || count * 4 >= facts.open && count >= 10;
    many.then(|| {
        let count = units::count(count);
        (
            Severity::Warn,
            format!("{count} are connections the peer closed and this process did not"),
        )
    })
}

fn deleted(facts: &Facts) -> Option<(Severity, String)> {
    let bytes: u64 = facts.groups.iter().map(|group| group.deleted_bytes).sum();
    (bytes >= DELETED_BYTES).then(|| {
        let bytes = units::bytes(bytes);
        (
            Severity::Warn,
            format!("Deleted files that are still open hold {bytes} of the disk"),
        )
    })
}
