//! The one sentence about memory: how much, of what, how fast it grows, when it is full.

use super::{
    super::gc::advice::{advice, question},
    Facts,
};
use crate::{
    model::Severity,
    probe::vitals::{Sample, Trend, Vitals},
    render::units,
};
use std::time::Duration;

/// Shares of the limit, in percent, without what can be taken back.
const WARN_PERCENT: f64 = 80.0;
const BAD_PERCENT: f64 = 92.0;
/// Full before this: worth waking somebody up.
const SOON: Duration = Duration::from_secs(3600);
/// How far back trends look.
const WINDOW: Duration = Duration::from_secs(3600);
/// Growth over the window, as a share of what is resident, that is worth a look without a date too.
const FAST: f64 = 0.05;
/// And at least this many bytes: every process grows a little while it warms up.
const FAST_BYTES: f64 = 16e6;
/// Pressure, in percent of time, from which on memory is what slows the process down.
const PRESSED_PERCENT: f64 = 10.0;

/// How the figures that count grow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Trends {
    /// Resident memory of the process.
    pub resident: Option<Trend>,
    /// What the cgroup is charged.
    pub group: Option<Trend>,
    /// Kills in the cgroup within the last hour; unknown without a past.
    pub kills: Option<u64>,
}

impl Trends {
    /// Asks the vital signs.
    pub(super) fn of(vitals: &Vitals, now: &Sample) -> Self {
        let hour_ago = vitals.ago(WINDOW).or_else(|| vitals.first());
        let kills = now
            .oom_kills
            .zip(hour_ago.and_then(|sample| sample.oom_kills));
        Self {
            resident: vitals.trend(WINDOW, now, |sample| sample.rss),
            group: vitals.trend(WINDOW, now, |sample| sample.cgroup),
            kills: kills.map(|(now, then)| now.saturating_sub(then)),
        }
    }
}

/// Severity and sentence.
pub(super) fn verdict(facts: &Facts) -> (Severity, String) {
    let (mut severity, level) = level(facts);
    let mut parts = vec![level];
    let mut add = |found: Option<(Severity, String)>| {
        if let Some((worse, text)) = found {
            severity = severity.max(worse);
            parts.push(text);
        }
    };
    add(growth(facts));
    add(held(facts));
    add(kills(facts));
    add(pressure(facts));
    add(swap(facts));
    (severity, format!("{}.", parts.join("; ")))
}

/// "RSS 2.91 GiB, 73 % of the cgroup's 4.00 GiB".
fn level(facts: &Facts) -> (Severity, String) {
    let resident = facts.usage.resident;
    let rss = resident.map_or("RSS unknown".to_owned(), |bytes| {
        format!("RSS {}", units::bytes(bytes))
    });
    let (memory, machine) = (&facts.group.memory, &facts.machine);
    let share = |part: u64, whole: u64| part as f64 * 100.0 / whole.max(1) as f64;
    if let Some(limit) = memory.limit {
        let held = memory.held().unwrap_or(0).max(resident.unwrap_or(0));
        let severity = by_share(share(held, limit));
        let of_process = resident.map_or(String::new(), |bytes| {
            format!(", {}", units::percent(share(bytes, limit)))
        });
        let mut text = format!("{rss}{of_process} of the cgroup's {}", units::bytes(limit));
        // Others share the group, or the kernel's own memory is large: then that is what fills it.
        if held > resident.unwrap_or(0).saturating_mul(5) / 4 && severity > Severity::Ok {
            let all = units::percent(share(held, limit));
            text.push_str(&format!(
                ", of which all together hold {all} besides cached files"
            ));
        }
        return (severity, text);
    }
    match (resident, machine.total, machine.available) {
        (Some(bytes), Some(total), available) => {
            // Of the machine others may eat as well: what is left decides.
            let left = available.map_or(100.0, |left| share(left, total));
            let severity = match left < 5.0 && share(bytes, total) > 10.0 {
                true => Severity::Warn,
                false => Severity::Ok,
            };
            let of_machine = units::percent(share(bytes, total));
            (
                severity,
                format!(
                    "{rss}, {of_machine} of the machine's {}; no cgroup limit",
                    units::bytes(total)
                ),
            )
        }
        _ => (Severity::Ok, rss),
    }
}

fn by_share(percent: f64) -> Severity {
    match percent {
        BAD_PERCENT.. => Severity::Bad,
        WARN_PERCENT.. => Severity::Warn,
        _ => Severity::Ok,
    }
}

/// "grows 1.02 GiB/h: full in about 64 min", by the rule of [`Trend`].
fn growth(facts: &Facts) -> Option<(Severity, String)> {
    let resident = facts.usage.resident?;
    let limit = facts.group.memory.limit.or(facts.machine.total);
    let trend = facts
        .trends
        .resident
        .filter(|trend| trend.matters(resident))?;
    let mut text = format!("grows {}", rate(&trend));
    if elsewhere(facts) {
        text.push_str(", hardly any of it live in Rust");
    }
    let Some(full) = limit.and_then(|limit| trend.reaches(resident, limit)) else {
        let grown = trend.per_second * (trend.span_ns as f64 / 1e9);
        let fast = grown >= FAST_BYTES.max(resident as f64 * FAST);
        return Some((if fast { Severity::Warn } else { Severity::Ok }, text));
    };
    let severity = if full <= SOON {
        Severity::Bad
    } else {
        Severity::Warn
    };
    Some((severity, format!("{text}: full in about {}", about(full))))
}

/// Whether what grew is not in Rust's heap: at most a quarter of it, with both known.
fn elsewhere(facts: &Facts) -> bool {
    let grown = |now: Option<u64>, then: Option<u64>| Some(now?.saturating_sub(then?));
    let before = facts.before.map(|(sample, _)| sample);
    let live = facts.totals.map(|totals| totals.live_bytes);
    let all = grown(facts.usage.resident, before.and_then(|sample| sample.rss));
    let live = grown(live, before.and_then(|sample| sample.heap));
    all.zip(live).is_some_and(|(all, live)| live < all / 4)
}

/// By the hour, or by the minute when that is how long one looked.
fn rate(trend: &Trend) -> String {
    let (scale, unit) = match trend.span_ns < 1_800_000_000_000 {
        true => (60.0, "min"),
        false => (3600.0, "h"),
    };
    format!("{}/{unit}", units::bytes((trend.per_second * scale) as u64))
}

/// "10 min", "64 min", "5 h": no more digits than it deserves.
pub(in crate::command) fn about(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..90 => format!("{seconds} s"),
        seconds @ ..7200 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h", (seconds + 1800) / 3600),
    }
}

/// "the allocator holds 2.93 GiB free: try gc run", or the way to find out.
fn held(facts: &Facts) -> Option<(Severity, String)> {
    let resident = facts.usage.resident;
    let held = facts.held();
    if held.is_some() || super::price(facts).is_none() {
        return advice(held, resident, facts.last_run, facts.unix_ns);
    }
    let text = question(facts.rest(), resident, "memory --deep")?;
    Some((Severity::Ok, text))
}

fn kills(facts: &Facts) -> Option<(Severity, String)> {
    let all = facts.group.memory.oom_kills.filter(|kills| *kills > 0)?;
    Some(match facts.trends.kills.filter(|kills| *kills > 0) {
        Some(recent) => (
            Severity::Bad,
            format!("the kernel killed {recent} in this cgroup for memory within the hour"),
        ),
        None => (
            Severity::Warn,
            format!("the kernel has killed {all} in this cgroup for memory"),
        ),
    })
}

fn pressure(facts: &Facts) -> Option<(Severity, String)> {
    let stall = facts.group.pressure.memory?.some;
    let whose = if facts.group.pressure.of_system {
        "the machine"
    } else {
        "the cgroup"
    };
    let percent = units::percent(stall.last_10_s);
    (stall.last_10_s >= PRESSED_PERCENT).then(|| {
        (
            Severity::Warn,
            format!("{whose} lost {percent} of the last 10 s for want of memory"),
        )
    })
}

fn swap(facts: &Facts) -> Option<(Severity, String)> {
    let (swap, resident) = (facts.usage.swap?, facts.usage.resident?);
    let text = format!("{} is swapped out", units::bytes(swap));
    (swap > resident / 10).then_some((Severity::Warn, text))
}
